"""The shape of a spectral line."""

import numpy as np

from catalog_schema.constants import LIGHT_SPEED

_FWHM_TO_SIGMA = 1 / 2.3548


def add_gaussian(
    flux: np.ndarray, wave: np.ndarray, centre: float, fwhm: float, strength: float
) -> None:
    """Add to `flux` (n,) a line of integral `strength` at `centre` Å, `fwhm` in km/s."""
    sigma = centre * fwhm * _FWHM_TO_SIGMA / LIGHT_SPEED
    low, high = np.searchsorted(wave, (centre - 5 * sigma, centre + 5 * sigma))
    if low == high:
        return
    offset = (wave[low:high] - centre) / sigma
    flux[low:high] += strength / (sigma * np.sqrt(2 * np.pi)) * np.exp(-0.5 * offset**2)
