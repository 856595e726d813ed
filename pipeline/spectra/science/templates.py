"""Light of stars and galaxies in plain parametric form, for planting them in other spectra."""

import numpy as np
from numpy.typing import NDArray

_SECOND_RADIATION_CONSTANT = 1.4388e8  # Å K
# Centre, width σ and depth (Å, Å, optical depth) of metal lines of late types; vacuum.
_METALS = (
    (3934.8, 7.0, 1.0), (3969.6, 7.0, 0.9), (4227.9, 3.0, 0.4), (4304.4, 9.0, 0.4),
    (4384.0, 6.0, 0.2), (5176.6, 12.0, 0.35), (5270.0, 6.0, 0.2), (5895.6, 4.0, 0.5),
    (8500.4, 3.0, 0.3), (8544.4, 4.0, 0.5), (8664.5, 4.0, 0.45),
)  # fmt: skip
_BALMER = (6564.6, 4862.7, 4341.7, 4102.9, 3971.2, 3890.2, 3836.5, 3798.9)
# Heads and lengths (Å) of the TiO bands, which are degraded to the red.
_MOLECULES = ((4761, 70), (4954, 70), (5167, 70), (5448, 70), (5862, 90), (6159, 100), (6651, 100),
              (7054, 120), (7589, 120), (8206, 80), (8432, 100))  # fmt: skip
_NEBULAR = ((3728.5, 1.0), (4862.7, 0.4), (4960.3, 0.35), (5008.24, 1.0), (6564.6, 1.3),
            (6585.3, 0.5), (6725.0, 0.6))  # fmt: skip


def star_light(wave: NDArray, temperature: float) -> NDArray:
    """Return a star's light at wavelengths in Å, about 1 at 5100 Å.

    A black body with metal lines below 7500 K, TiO below 4200 K and Balmer lines around 9500 K,
    broad ones (a white dwarf's) above 15,000 K.
    """
    light = _planck(wave, temperature) / _planck(np.array([5100.0]), temperature)
    is_dwarf = temperature > 15_000
    strength = 1.0 if is_dwarf else np.exp(-0.5 * (np.log(temperature / 9500) / 0.3) ** 2)
    depth = sum(_bell(wave, line, 35.0 if is_dwarf else 9.0) for line in _BALMER) * 0.6 * strength
    if temperature < 7500:
        depth = depth + np.clip((7500 - temperature) / 3000, 0, 1) * _metals(wave)
    if temperature < 4200:
        bands = sum(
            np.where(wave > head, np.exp(-(wave - head) / length), 0) for head, length in _MOLECULES
        )
        depth = depth + 0.4 * (4200 - temperature) / 600 * bands
    return light * np.exp(-depth)


def galaxy_light(wave: NDArray, age: float, nebular: float) -> NDArray:
    """Return a galaxy's light at its rest wavelengths in Å, about 1 at 5100 Å.

    Parameters
    ----------
    wave : ndarray
    age : float
        0 young and blue, to 1 old: red, with a break at 4000 Å and little ultraviolet light.
    nebular : float
        Equivalent width of [OII] in Å; the other lines follow.
    """
    old = _planck(wave, 4300.0) / _planck(np.array([5100.0]), 4300.0) * np.exp(-_metals(wave))
    old = old * (1 - 0.45 / (1 + np.exp((wave - 3990) / 20)))
    old = old * (1 - 0.75 / (1 + np.exp((wave - 2900) / 100)))
    depth = 0.4 * sum(_bell(wave, line, 8.0) for line in _BALMER)
    young = _planck(wave, 9000.0) / _planck(np.array([5100.0]), 9000.0) * np.exp(-depth)
    light = age * old + (1 - age) * young * (wave > 912)
    sigma = 2.2
    lines = sum(height * _bell(wave, line, sigma) for line, height in _NEBULAR)
    return light * (1 + nebular / (sigma * np.sqrt(2 * np.pi)) * lines)


def _metals(wave: NDArray) -> NDArray:
    total: NDArray = sum(
        (depth * _bell(wave, line, width) for line, width, depth in _METALS), np.zeros_like(wave)
    )
    return total


def _bell(wave: NDArray, centre: float, sigma: float) -> NDArray:
    return np.exp(-0.5 * ((wave - centre) / sigma) ** 2)


def _planck(wave: NDArray, temperature: float) -> NDArray:
    exponent = np.minimum(_SECOND_RADIATION_CONSTANT / (wave * temperature), 200.0)
    return (wave / 5000) ** -5 / np.expm1(exponent)
