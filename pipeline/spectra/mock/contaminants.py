"""Light that is not a quasar's: galaxies and stars, in plain parametric form."""

from functools import cache

import numpy as np

_GRID = np.arange(850.0, 10500.0, 1.0)
# Strong stellar absorption as (wavelength, equivalent width, sigma) in Å for an old population.
_OLD_LINES = (
    (3934.8, 9.0, 8.0), (3969.6, 8.0, 8.0), (4304.4, 6.0, 9.0), (4384.0, 4.0, 8.0),
    (4862.7, 1.8, 5.0), (5176.6, 6.0, 14.0), (5270.0, 2.5, 7.0), (5335.0, 2.0, 6.0),
    (5895.6, 4.5, 5.0), (8500.4, 1.5, 4.0), (8544.4, 3.8, 4.5), (8664.5, 3.2, 4.5),
)  # fmt: skip
_BALMER = (6564.6, 4862.7, 4341.7, 4102.9, 3971.2, 3890.2, 3836.5, 3798.9, 3771.7, 3751.2)
_TIO_HEADS = ((4761, 60), (4954, 60), (5167, 70), (5448, 60), (5862, 80), (6159, 90), (6651, 90),
              (7054, 110), (7589, 110), (8206, 80), (8432, 90))  # fmt: skip
_GALAXY_LINES = ((3727.1, 1.0), (3729.9, 1.35), (3869.9, 0.15), (4341.7, 0.2), (4862.7, 0.5),
                 (4960.3, 0.35), (5008.2, 1.05), (6549.9, 0.2), (6564.6, 1.6), (6585.3, 0.6),
                 (6718.3, 0.35), (6732.7, 0.28))  # fmt: skip


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
    for wave, ratio in _GALAXY_LINES:
        sigma = wave * line_width / 299792.458
        profile = np.exp(-0.5 * ((rest - wave) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        flux += line_strength * 0.43 * ratio * profile * level
    return flux


def star(wave: np.ndarray, temperature: float) -> np.ndarray:
    """A dwarf star at `wave` (n,) Å, one at 5100 Å: black body, Balmer, metal and TiO lines.

    Temperatures above 15,000 K are taken for white dwarfs, whose Balmer lines are broad.
    """
    flux = _planck(_GRID, temperature) / _planck(np.array([5100.0]), temperature)
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
    young[_GRID < 912] = 0.0
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


def _absorption(lines: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    depth = np.zeros_like(_GRID)
    for centre, width, sigma in lines:
        peak = width / (sigma * np.sqrt(2 * np.pi))
        depth += peak * np.exp(-0.5 * ((_GRID - centre) / sigma) ** 2)
    return np.exp(-depth)


def _balmer_lines(temperature: float) -> np.ndarray:
    strength = np.exp(-0.5 * (np.log(temperature / 9500.0) / 0.28) ** 2)
    sigma, width = (9.0, 11.0 * strength) if temperature < 15000 else (38.0, 32.0)
    return _absorption(tuple((wave, width, sigma) for wave in _BALMER))


@cache
def _titanium_oxide() -> np.ndarray:
    depth = np.zeros_like(_GRID)
    for head, length in _TIO_HEADS:
        beyond = _GRID - head
        depth += np.where(beyond > 0, 0.42 * np.exp(-beyond / length), 0.0)
    return np.exp(-depth)


def _planck(wave: np.ndarray, temperature: float) -> np.ndarray:
    return wave**-5 / np.expm1(1.4388e8 / (wave * temperature))


def _unit_planck(temperature: float) -> np.ndarray:
    return _planck(_GRID, temperature) / _planck(np.array([5100.0]), temperature)
