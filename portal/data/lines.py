"""Spectral lines that quasars show, vacuum rest wavelengths in Angstrom.

Emission: Vanden Berk et al. 2001, laboratory values of the strongest component or the mean of a
doublet. Absorption: Morton 2003.
"""

from typing import NamedTuple


class Line(NamedTuple):
    """A named transition."""

    name: str
    wave: float
    kind: str


EMISSION = tuple(
    Line(name, wave, "emission")
    for name, wave in (
        ("Lyβ", 1025.72),
        ("O VI", 1034.00),
        ("Lyα", 1215.67),
        ("N V", 1240.14),
        ("Si IV", 1396.76),
        ("C IV", 1549.06),
        ("He II", 1640.42),
        ("C III]", 1908.73),
        ("Mg II", 2798.75),
        ("[Ne V]", 3426.84),
        ("[O II]", 3728.48),
        ("[Ne III]", 3869.85),
        ("Hγ", 4341.68),
        ("Hβ", 4862.68),
        ("[O III]", 4960.30),
        ("[O III]", 5008.24),
        ("He I", 5877.25),
        ("Hα", 6564.61),
        ("[S II]", 6725.48),
    )
)
ABSORPTION = tuple(
    Line(name, wave, "absorption")
    for name, wave in (
        ("Si II", 1260.42),
        ("C II", 1334.53),
        ("Al II", 1670.79),
        ("Al III", 1854.72),
        ("Al III", 1862.79),
        ("Fe II", 2382.76),
        ("Fe II", 2600.17),
        ("Mg II", 2796.35),
        ("Mg II", 2803.53),
        ("Ca II K", 3934.78),
        ("Ca II H", 3969.59),
        ("Mg I b", 5176.63),
        ("Na I D", 5894.60),
    )
)


def place_lines(z: float, low: float, high: float, kinds: tuple[str, ...]) -> list[Line]:
    """Return the lines of the given kinds that a redshift moves into an observed range."""
    moved = [line._replace(wave=line.wave * (1 + z)) for line in (*EMISSION, *ABSORPTION)]
    return [line for line in moved if low <= line.wave <= high and line.kind in kinds]
