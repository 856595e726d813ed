"""The spectral lines that the portal marks, and where a redshift moves them."""

from typing import NamedTuple

from catalog_schema.lines import LINES


class Line(NamedTuple):
    """A marked line: name, wavelength in Å, and whether it is emission or absorption."""

    name: str
    wave: float
    kind: str


_EMISSION = (
    *("lybeta", "ovi", "lya", "nv", "siiv", "civ", "heii_1640", "ciii", "mgii", "nev", "oii"),
    *("neiii", "hgamma", "hbeta", "oiii_4960", "oiii", "hei_5877", "halpha", "s_ii"),
)
_ABSORPTION = (
    *("si_ii_1260", "cii_1334", "alii_1671", "aliii_1855", "aliii_1863", "feii_2383"),
    *("feii_2600", "mgii_2796", "mgii_2804", "caii_k", "caii_h", "mgb", "nad"),
)
_MARKED = tuple(
    Line(LINES[key].name, LINES[key].wave, kind)
    for kind, keys in (("emission", _EMISSION), ("absorption", _ABSORPTION))
    for key in keys
)


def place_lines(z: float, low: float, high: float, kinds: tuple[str, ...]) -> list[Line]:
    """Return the lines of the given kinds that a redshift moves into an observed range."""
    moved = [line._replace(wave=line.wave * (1 + z)) for line in _MARKED]
    return [line for line in moved if low <= line.wave <= high and line.kind in kinds]
