"""Iron templates: the blended multiplets of FeII and FeIII."""

from functools import cache

import numpy as np

from catalog_schema.constants import LIGHT_SPEED
from pipeline.spectra.mock.profile import add_gaussian

_FWHM_TO_SIGMA = 1 / 2.3548
IRON_GRID = np.exp(np.arange(np.log(1000.0), np.log(7000.0), 2e-4))
_IRON_WIDTHS = (1500.0, 2500.0, 4000.0, 6000.0, 9000.0)
# Blends of FeII and FeIII multiplets as (wavelength, height, sigma) in Å, after the shape that
# Vestergaard & Wilkes (2001, fig. 2) found in I Zw 1.
_UV_IRON = np.array(
    [
        (1430, 0.05, 40), (1600, 0.12, 45), (1715, 0.08, 25), (1787, 0.22, 16), (1860, 0.06, 20),
        (1920, 0.22, 22), (1980, 0.12, 25), (2070, 0.42, 28), (2130, 0.25, 30), (2180, 0.22, 25),
        (2240, 0.45, 30), (2300, 0.62, 28), (2340, 0.55, 20), (2385, 0.80, 20), (2420, 0.72, 20),
        (2465, 0.78, 22), (2505, 0.95, 22), (2550, 0.72, 20), (2590, 0.80, 16), (2622, 0.68, 14),
        (2660, 0.30, 18), (2710, 0.40, 16), (2745, 0.62, 14), (2770, 0.35, 12), (2800, 0.20, 20),
        (2840, 0.42, 16), (2880, 0.48, 18), (2930, 0.45, 20), (2970, 0.40, 20), (3020, 0.28, 25),
        (3080, 0.25, 25), (3150, 0.28, 25), (3200, 0.30, 25), (3260, 0.25, 25), (3320, 0.16, 30),
        (3400, 0.10, 40), (3500, 0.06, 40),
    ]
)  # fmt: skip
# FeII multiplets 27, 28, 37, 38, 42, 48, 49, 55 as (wavelength Å, relative flux).
_OPTICAL_IRON = np.array(
    [
        (4129.9, 0.3), (4174.6, 0.5), (4179.9, 0.5), (4234.3, 0.8), (4297.8, 0.4), (4304.4, 0.5),
        (4353.0, 0.6), (4386.6, 0.4), (4418.1, 0.4), (4474.2, 0.3), (4490.4, 0.4), (4492.7, 0.5),
        (4509.6, 0.6), (4516.6, 0.6), (4521.5, 0.7), (4523.9, 0.9), (4535.4, 0.5), (4542.8, 0.4),
        (4550.8, 1.0), (4557.2, 0.6), (4577.6, 0.4), (4585.1, 1.1), (4630.6, 0.7), (4668.0, 0.3),
        (4925.3, 1.3), (5019.8, 1.5), (5170.5, 1.9), (5199.0, 0.7), (5236.1, 0.8), (5266.3, 0.5),
        (5277.5, 1.0), (5286.0, 0.3), (5318.1, 1.2), (5326.0, 0.4), (5339.0, 0.3), (5364.4, 0.6),
        (5414.6, 0.3), (5426.8, 0.3), (5536.4, 0.4), (6150.8, 0.4), (6249.3, 0.5), (6458.2, 0.5),
    ]
)  # fmt: skip


def iron_templates(fwhm: float) -> tuple[np.ndarray, np.ndarray]:
    """UV and optical iron on `IRON_GRID`, broadened to about `fwhm` km/s.

    The first has unit flux in 2200-3090 Å, the second in 4434-4684 Å. The nearest of five widths
    is taken.
    """
    return _broadened(min(_IRON_WIDTHS, key=lambda width: abs(np.log(width / fwhm))))


@cache
def _broadened(fwhm: float) -> tuple[np.ndarray, np.ndarray]:
    ultraviolet = np.zeros_like(IRON_GRID)
    for wave, height, sigma in _UV_IRON:
        width = np.hypot(sigma, wave * fwhm * _FWHM_TO_SIGMA / LIGHT_SPEED * 0.7)
        profile = np.exp(-0.5 * ((IRON_GRID - wave) / width) ** 2)
        ultraviolet += height * sigma / width * profile
    optical = np.zeros_like(IRON_GRID)
    for wave, strength in _OPTICAL_IRON:
        add_gaussian(optical, IRON_GRID, wave, fwhm, strength)
    return (
        ultraviolet / _integral(ultraviolet, 2200.0, 3090.0),
        optical / _integral(optical, 4434.0, 4684.0),
    )


def _integral(template: np.ndarray, low: float, high: float) -> float:
    inside = slice(*np.searchsorted(IRON_GRID, (low, high)))
    return float(np.trapezoid(template[inside], IRON_GRID[inside]))
