"""Light of stars and galaxies in rough parametric form, for planting them in other spectra.

Meant for teaching: colours, breaks and bands vary more freely than nature's do.
"""

import numpy as np
from numpy.typing import NDArray

from catalog_schema.constants import SECOND_RADIATION_CONSTANT
from catalog_schema.lines import BALMER, LINES, waves

# Half widths (Å) of the metal lines of late types, taken as notches.
_METALS = {
    "caii_k": 22.0,
    "caii_h": 20.0,
    "cai": 9.0,
    "g_band": 28.0,
    "mgb": 45.0,
    "fe_5270": 20.0,
    "nad": 14.0,
    "caii_8500": 10.0,
    "caii_8544": 13.0,
    "caii_8665": 13.0,
}
_BALMER = waves(*BALMER[:7])
_DISC = (*_BALMER, *waves("hei_5877", "heii_4687", "hei_7067"))
# Temperature (K) of the black body whose slope redward of the break an old galaxy has.
_OLD = 4800.0
# Lengths (Å) of the molecular bands of cool stars, taken as boxes redward of their heads.
_BANDS = {
    "tio_4762": 185.0,
    "tio_4956": 205.0,
    "tio_5168": 75.0,
    "tio_5864": 130.0,
    "tio_6161": 160.0,
    "tio_6653": 190.0,
    "tio_7056": 215.0,
    "tio_7591": 130.0,
    "tio_8208": 115.0,
    "tio_8434": 125.0,
}
# Heights over that of [OII].
_NEBULAR = {
    "oii": 1.0,
    "hbeta": 0.3,
    "oiii_4960": 0.4,
    "oiii": 1.2,
    "halpha": 1.1,
    "nii": 0.4,
    "s_ii": 0.5,
}


def star_light(
    wave: NDArray, temperature: float, depth: float = 0.45, emission: float = 0.0
) -> NDArray:
    """Return a star's light at wavelengths in Å, about 1 at 5100 Å.

    Parameters
    ----------
    wave : ndarray
    temperature : float
        Of the black body. Metal lines below 7000 K, bands below 4000 K; Balmer lines above 6500 K,
        broad ones (a white dwarf's) above 13,000 K.
    depth : float
        Share of light that lines and bands take at their deepest.
    emission : float
        Height over the black body of lines of hydrogen and helium, as of an accretion disc.
    """
    light = _planck(wave, temperature) / _planck(np.array([5100.0]), temperature)
    if emission:
        light = light * (1 + emission * _lie_near(wave, _DISC, 16.0))
    if temperature > 6500:
        width = 110.0 if temperature > 13_000 else 30.0
        for line in _BALMER:
            light = light * (1 - depth * np.clip(1 - np.abs(wave - line) / width, 0, 1))
    if temperature < 7000:
        share = depth * min((7000 - temperature) / 2000, 1.0)
        light = light * (1 - share * _notches(wave))
    if temperature < 4000:
        share = depth * min((4000 - temperature) / 700, 1.0)
        light = light * (1 - share * _lies_in_bands(wave))
    return np.asarray(light)


def galaxy_light(wave: NDArray, age: float, nebular: float, step: float = 0.45) -> NDArray:
    """Return a galaxy's light at its rest wavelengths in Å, about 1 at 5100 Å.

    Parameters
    ----------
    wave : ndarray
    age : float
        0 young and blue, to 1 old: red, with a break at 4000 Å and little ultraviolet light.
    nebular : float
        Equivalent width of [OII] in Å; the other lines follow.
    step : float
        Share of light lost below 4000 Å where old.
    """
    old = _planck(wave, _OLD) / _planck(np.array([5100.0]), _OLD)
    # A straight ramp through the break.
    old = old * (1 - 0.5 * step * _notches(wave))
    old = old * np.interp(wave, (3850.0, 4050.0), (1 - step, 1.0))
    young = (wave / 5100) ** -1.6 * (wave > LINES["lyman_limit"].wave)
    light = age * old + (1 - age) * young
    half = 4.0
    lines = sum(
        height * np.clip(1 - np.abs(wave - LINES[key].wave) / half, 0, 1)
        for key, height in _NEBULAR.items()
    )
    return np.asarray(light * (1 + nebular / half * lines))


def _notches(wave: NDArray) -> NDArray:
    """Triangles of unit depth at the metal lines."""
    total: NDArray = sum(
        (
            np.clip(1 - np.abs(wave - LINES[key].wave) / width, 0, 1)
            for key, width in _METALS.items()
        ),
        np.zeros_like(wave),
    )
    return total


def _lie_near(wave: NDArray, lines: tuple[float, ...], width: float) -> NDArray:
    """Triangles of unit height and a half width at some lines."""
    return np.sum([np.clip(1 - np.abs(wave - line) / width, 0, 1) for line in lines], axis=0)


def _lies_in_bands(wave: NDArray) -> NDArray:
    inside = np.zeros_like(wave)
    for key, length in _BANDS.items():
        beyond = wave - LINES[key].wave
        inside[(beyond >= 0) & (beyond < length)] = 1.0
    return inside


def _planck(wave: NDArray, temperature: float) -> NDArray:
    exponent = np.minimum(SECOND_RADIATION_CONSTANT / (wave * temperature), 200.0)
    return (wave / 5000) ** -5 / np.expm1(exponent)
