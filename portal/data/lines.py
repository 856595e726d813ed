"""The spectral lines that the portal marks, and where a redshift moves them."""

from typing import NamedTuple

from catalog_schema.lines import LINES, MARKED


class Line(NamedTuple):
    """A marked line: name, wavelength in Å, and whether it is emission or absorption."""

    name: str
    wave: float
    kind: str


_MARKED = tuple(
    Line(LINES[key].name, LINES[key].wave, kind) for kind, keys in MARKED.items() for key in keys
)


def place_lines(z: float, low: float, high: float, kinds: tuple[str, ...]) -> list[Line]:
    """Return the lines of the given kinds that a redshift moves into an observed range."""
    moved = [line._replace(wave=line.wave * (1 + z)) for line in _MARKED]
    return [line for line in moved if low <= line.wave <= high and line.kind in kinds]
