"""Wavelengths in air and in vacuum."""

import numpy as np
from numpy.typing import NDArray


def to_vacuum(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert wavelengths in standard air to those in vacuum.

    Parameters
    ----------
    wave : ndarray
        Å in dry air of 15 °C and 1 atm, 2000 to 25,000 Å.

    Returns
    -------
    ndarray
        Å in vacuum: the refractive index of Ciddor (1996, Appl. Opt. 35, 1566), in the closed form
        for air that N. Piskunov fitted for VALD. With `to_air` there and back is exact to 1e-8
        above 3000 Å, and to 3e-7 below.
    """
    s = (1e4 / wave) ** 2
    return wave * (
        1
        + 8.336624212083e-5
        + 2.408926869968e-2 / (130.1065924522 - s)
        + 1.599740894897e-4 / (38.92568793293 - s)
    )


def to_air(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert wavelengths in vacuum to those in standard air.

    Parameters
    ----------
    wave : ndarray
        Å in vacuum, 2000 to 25,000 Å.

    Returns
    -------
    ndarray
        Å in air: λ / n, with n of Ciddor (1996), eq. 1 with the constants of its Appendix A for air
        with 450 ppm of CO2.
    """
    s = (1e4 / wave) ** 2
    return np.asarray(wave / (1 + 0.05792105 / (238.0185 - s) + 0.00167917 / (57.362 - s)))
