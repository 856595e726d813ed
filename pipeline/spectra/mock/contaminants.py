"""Light that is not a quasar's: galaxies and stars, in plain parametric form."""

from functools import cache

import numpy as np

from catalog_schema.constants import LIGHT_SPEED, SECOND_RADIATION_CONSTANT
from catalog_schema.lines import BALMER, LINES

_GRID = np.arange(850.0, 10500.0, 1.0)
# Equivalent width and sigma (Å) of strong stellar absorption in an old population.
_OLD_LINES = {
    "caii_k": (9.0, 8.0),
    "caii_h": (8.0, 8.0),
    "g_band": (6.0, 9.0),
    "fei_4385": (4.0, 8.0),
    "hbeta": (1.8, 5.0),
    "mgb": (6.0, 14.0),
    "fe_5270": (2.5, 7.0),
    "fe_5335": (2.0, 6.0),
    "nad": (4.5, 5.0),
    "caii_8500": (1.5, 4.0),
    "caii_8544": (3.8, 4.5),
    "caii_8665": (3.2, 4.5),
}
# Lengths (Å) over which the bands of TiO fade redward of their heads.
_TIO_LENGTHS = {
    "tio_4762": 60,
    "tio_4956": 60,
    "tio_5168": 70,
    "tio_5450": 60,
    "tio_5864": 80,
    "tio_6161": 90,
    "tio_6653": 90,
    "tio_7056": 110,
    "tio_7591": 110,
    "tio_8208": 80,
    "tio_8434": 90,
}
# Strengths over that of the bluer line of [OII].
_GALAXY_LINES = {
    "oii_3727": 1.0,
    "oii_3729": 1.35,
    "neiii": 0.15,
    "hgamma": 0.2,
    "hbeta": 0.5,
    "oiii_4960": 0.35,
    "oiii": 1.05,
    "nii_6549": 0.2,
    "halpha": 1.6,
    "nii": 0.6,
    "s_ii_6718": 0.35,
    "s_ii_6732": 0.28,
}


def stellar_population(rest: np.ndarray, age: float) -> np.ndarray:
    """Starlight at `rest` (n,) Å, one at 5100 Å, from `age` 0 (young, blue) to 1 (old, red)."""
    young, old = _populations()
    return np.interp(rest, _GRID, (1 - age) * young + age * old)


def galaxy(rest: np.ndarray, age: float, line_width: float, line_strength: float) -> np.ndarray:
    """A galaxy at `rest` (n,) Å: starlight with nebular lines.

    `line_width` is the sigma in km/s, `line_strength` the equivalent width of [OII] in Å.
    """
    flux = stellar_population(rest, age)
    level = flux.copy()
    for key, ratio in _GALAXY_LINES.items():
        wave = LINES[key].wave
        sigma = wave * line_width / LIGHT_SPEED
        profile = np.exp(-0.5 * ((rest - wave) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        flux += line_strength * 0.43 * ratio * profile * level
    return flux


def star(wave: np.ndarray, temperature: float) -> np.ndarray:
    """A dwarf star at `wave` (n,) Å, one at 5100 Å: black body, Balmer, metal and TiO lines.

    Temperatures above 15,000 K are taken for white dwarfs, whose Balmer lines are broad.
    """
    flux = planck(_GRID, temperature) / planck(np.array([5100.0]), temperature)
    flux *= _balmer_lines(temperature)
    if temperature < 7500:
        metal = np.clip((7500 - temperature) / 3000, 0.1, 1.2)
        flux *= _line_blanketing() ** metal * _absorption(_OLD_LINES) ** metal
    if temperature < 4200:
        flux *= _titanium_oxide() ** ((4200 - temperature) / 600)
    return np.interp(wave, _GRID, flux)


@cache
def _populations() -> tuple[np.ndarray, np.ndarray]:
    old = 0.75 * _unit_planck(4600.0) + 0.25 * _unit_planck(3700.0)
    old *= _line_blanketing() * _absorption(_OLD_LINES)
    old *= 1 - 0.48 / (1 + np.exp((_GRID - 3990.0) / 18.0))
    old *= 1 - 0.70 / (1 + np.exp((_GRID - 2900.0) / 90.0))
    young = 0.55 * _unit_planck(11000.0) + 0.45 * _unit_planck(4800.0)
    young *= _balmer_lines(9500.0) ** 0.5 * _line_blanketing() ** 0.3
    young *= 1 - 0.25 / (1 + np.exp((_GRID - 3720.0) / 40.0))
    young[LINES["lyman_limit"].wave > _GRID] = 0.0
    at_5100 = int(np.searchsorted(_GRID, 5100.0))
    return young / young[at_5100], old / old[at_5100]


@cache
def _line_blanketing() -> np.ndarray:
    # Stands in for thousands of iron-peak lines: fixed places, denser and deeper to the blue.
    rng = np.random.default_rng(5270)
    depth = np.zeros_like(_GRID)
    for centre in 2000 + 5500 * rng.random(900) ** 1.6:
        depth += rng.exponential(0.07) * np.exp(-0.5 * ((_GRID - centre) / 3.0) ** 2)
    return np.exp(-depth)


def _absorption(lines: dict[str, tuple[float, float]]) -> np.ndarray:
    depth = np.zeros_like(_GRID)
    for key, (width, sigma) in lines.items():
        peak = width / (sigma * np.sqrt(2 * np.pi))
        depth += peak * np.exp(-0.5 * ((_GRID - LINES[key].wave) / sigma) ** 2)
    return np.exp(-depth)


def _balmer_lines(temperature: float) -> np.ndarray:
    strength = np.exp(-0.5 * (np.log(temperature / 9500.0) / 0.28) ** 2)
    sigma, width = (9.0, 11.0 * strength) if temperature < 15000 else (38.0, 32.0)
    return _absorption(dict.fromkeys(BALMER, (width, sigma)))


@cache
def _titanium_oxide() -> np.ndarray:
    depth = np.zeros_like(_GRID)
    for key, length in _TIO_LENGTHS.items():
        beyond = _GRID - LINES[key].wave
        depth += np.where(beyond > 0, 0.42 * np.exp(-beyond / length), 0.0)
    return np.exp(-depth)


def planck(wave: np.ndarray, temperature: float) -> np.ndarray:
    """Light of a black body of `temperature` (K) at `wave` (n,) Å, in any unit per Å."""
    return wave**-5 / np.expm1(SECOND_RADIATION_CONSTANT / (wave * temperature))


def _unit_planck(temperature: float) -> np.ndarray:
    return planck(_GRID, temperature) / planck(np.array([5100.0]), temperature)
