"""What lies in front of a quasar: Lyman forest, DLAs, Lyman limits, metals, Galactic dust."""

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import wofz

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES, LYMAN_SERIES, waves

LYMAN_ALPHA, LYMAN_LIMIT = waves("lya", "lyman_limit")
_DOPPLER = 30.0  # km/s
_CELL = 1e-4  # ln(1+z): 30 km/s, below the width of a forest line
_CONTRAST = 1.5
# Equivalent widths of what absorbs together, over that of the first.
_MGII_SYSTEM = {
    "mgii_2796": 1.0,
    "mgii_2804": 0.7,
    "feii_2600": 0.45,
    "feii_2383": 0.4,
    "feii_2587": 0.3,
}
_CIV_SYSTEM = {"civ_1548": 1.0, "civ_1551": 0.65}


def transmission(rng: np.random.Generator, wave: np.ndarray, z: float) -> np.ndarray:
    """Share of light that intervening gas lets pass at observed `wave` (n,) Å, each in [0, 1]."""
    passed = metal_systems(rng, wave, z)
    if (1 + z) * LYMAN_ALPHA < wave[0]:
        return passed
    passed *= lyman_forest(rng, wave, z)
    for z_dla, log_column in draw_dlas(rng, z):
        passed *= dla(wave, z_dla, log_column)
    return passed * lyman_limit_systems(rng, wave, z)


def effective_depth(z: np.ndarray) -> np.ndarray:
    """Effective optical depth of the Lyman-alpha forest at `z` (Kamble et al. 2020)."""
    return 0.00554 * (1 + z) ** 3.182


def lyman_forest(rng: np.random.Generator, wave: np.ndarray, z: float) -> np.ndarray:
    """Transmission (n,) of a log-normal forest of the first five Lyman lines.

    The optical depth is a(z) exp(s g), with g a Gaussian field of unit variance correlated over
    80 and 500 km/s, and a(z) solved so that the mean transmission is exp(-tau_eff(z)).
    """
    top = np.log(1 + z)
    grid = np.arange(np.log(wave[0] / LYMAN_ALPHA), top, _CELL)
    field = _correlated_field(rng, grid.size)
    mean = np.exp(-effective_depth(np.exp(grid) - 1))
    depth = np.exp(_log_amplitude(mean) + _CONTRAST * field)
    total = np.zeros_like(wave)
    log_wave = np.log(wave)
    alpha = LYMAN_SERIES["lya"]
    for line, strength, _ in LYMAN_SERIES.values():
        ratio = strength * line / (alpha.strength * alpha.wave)
        total += ratio * np.interp(log_wave - np.log(line), grid, depth, left=0.0, right=0.0)
    return np.exp(-total)


def draw_dlas(rng: np.random.Generator, z: float) -> list[tuple[float, float]]:
    """Redshift and log10 column (cm^-2) of the DLAs on a sightline, none within 5000 km/s.

    Incidence 0.044 (1+z)^1.27 per unit redshift (Rao et al. 2006); columns from 10^20.3 with
    slope -1.8 to 10^21.8 (after Noterdaeme et al. 2012).
    """
    low, high = 1.9, (1 + z) * (1 - 5000 / LIGHT_SPEED) - 1
    if high <= low:
        return []
    rate = 0.044 * (1 + 0.5 * (low + high)) ** 1.27 * (high - low)
    count = rng.poisson(rate)
    redshifts = rng.uniform(low, high, count)
    columns = np.minimum(20.3 - np.log10(1 - rng.random(count)) / 0.8, 21.8)
    return [(float(at), float(column)) for at, column in zip(redshifts, columns, strict=True)]


def dla(wave: np.ndarray, z: float, log_column: float) -> np.ndarray:
    """Transmission (n,) of a damped absorber: Voigt profiles of Lyman alpha to epsilon."""
    depth = np.zeros_like(wave)
    speed = _DOPPLER * 1e5
    for line, strength, damping in LYMAN_SERIES.values():
        offset = (wave / (line * (1 + z)) - 1) * LIGHT_SPEED / _DOPPLER
        damped = damping * line * 1e-8 / (4 * np.pi * speed)
        centre = 1.497e-2 * 10**log_column * strength * line * 1e-8 / speed
        depth += centre * wofz(offset + 1j * damped).real
    return np.exp(-depth) * _limit_of(wave, z, log_column)


def lyman_limit_systems(rng: np.random.Generator, wave: np.ndarray, z: float) -> np.ndarray:
    """Transmission (n,) below the limits of the systems with tau > 1.

    Incidence 2.80 ((1+z)/4.5)^1.94 per unit redshift (Songaila & Cowie 2010).
    """
    low = wave[0] / LYMAN_LIMIT - 1
    passed = np.ones_like(wave)
    if z <= low:
        return passed
    rate = 2.80 * ((1 + 0.5 * (z + low)) / 4.5) ** 1.94 * (z - low)
    for at in rng.uniform(low, z, rng.poisson(rate)):
        column = min(17.2 - np.log10(1 - rng.random()) / 0.5, 20.3)
        passed *= _limit_of(wave, at, column)
    return passed


def metal_systems(rng: np.random.Generator, wave: np.ndarray, z: float) -> np.ndarray:
    """Transmission (n,) of intervening MgII and CIV systems (Nestor et al. 2005; Cooksey 2013)."""
    passed = np.ones_like(wave)
    for system, rate in ((_MGII_SYSTEM, 0.5), (_CIV_SYSTEM, 1.2)):
        first = LINES[next(iter(system))].wave
        low = max(wave[0] / first - 1, (1 + z) * LYMAN_ALPHA / first - 1)
        high = min(wave[-1] / first - 1, (1 + z) * (1 - 3000 / LIGHT_SPEED) - 1)
        high = max(high, low)
        for at in rng.uniform(low, high, rng.poisson(rate * (high - low))):
            width = 0.25 + rng.exponential(0.5)
            for key, ratio in system.items():
                centre = LINES[key].wave * (1 + at)
                passed *= narrow_absorption(wave, centre, width * ratio * (1 + at))
    return passed


def narrow_absorption(wave: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Transmission (n,) of a line at observed `centre` Å of observed equivalent `width` Å."""
    sigma = max(centre * 60 / LIGHT_SPEED, width / 2.2)
    depth = min(width / (sigma * np.sqrt(2 * np.pi)), 0.95)
    return 1 - depth * np.exp(-0.5 * ((wave - centre) / sigma) ** 2)


def _correlated_field(rng: np.random.Generator, size: int) -> np.ndarray:
    fine = gaussian_filter1d(rng.standard_normal(size), 2.7, mode="wrap")
    coarse = gaussian_filter1d(rng.standard_normal(size), 17.0, mode="wrap")
    # A white field smoothed over sigma cells keeps the variance 1 / (2 sqrt(pi) sigma).
    fine *= np.sqrt(2 * np.sqrt(np.pi) * 2.7)
    coarse *= np.sqrt(2 * np.sqrt(np.pi) * 17.0)
    return np.sqrt(0.75) * fine + np.sqrt(0.25) * coarse


@cache
def _mean_transmission() -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    log_amplitude = np.linspace(-9.0, 4.0, 200)
    depth = np.exp(log_amplitude[:, None] + _CONTRAST * nodes)
    return log_amplitude, np.exp(-depth) @ weights / np.sqrt(2 * np.pi)


def _log_amplitude(mean: np.ndarray) -> np.ndarray:
    log_amplitude, transmitted = _mean_transmission()
    return np.interp(mean, transmitted[::-1], log_amplitude[::-1])


def _limit_of(wave: np.ndarray, z: float, log_column: float) -> np.ndarray:
    limit = LYMAN_LIMIT * (1 + z)
    depth = 6.3e-18 * 10**log_column * (wave / limit) ** 3
    return np.where(wave < limit, np.exp(-depth), 1.0)
