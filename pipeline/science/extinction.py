"""Galactic extinction along the line of sight."""

import numpy as np
from numpy.typing import NDArray

# Schlafly & Finkbeiner 2011: A(1 µm) = 1.029 E(B-V) of the SFD98 map, the scale DESI uses.
_A_1UM_PER_EBV = 1.029


def transmission(wave: NDArray, ebv: NDArray, r_v: float) -> NDArray[np.float32]:
    """Return the fraction of light that Galactic dust lets through.

    Parameters
    ----------
    wave : ndarray, shape (p,)
        Observed frame, vacuum, Å; 1000 Å to 3.3 µm.
    ebv : ndarray, shape (n,)
        E(B-V) of Schlegel, Finkbeiner & Davis (1998), mag.
    r_v : float
        Ratio of total to selective extinction.

    Returns
    -------
    ndarray of float32, shape (n, p)

    Notes
    -----
    Fitzpatrick (1999) curve, normalised at 1 µm as by Schlafly & Finkbeiner (2011).
    """
    from astropy import units
    from dust_extinction.parameter_averages import F99

    curve = F99(Rv=r_v)
    shape = curve(wave * units.AA) / curve(10_000 * units.AA)
    magnitudes = _A_1UM_PER_EBV * np.asarray(ebv)[:, None] * shape[None, :]
    return (10 ** (-0.4 * magnitudes)).astype(np.float32)


def deredden(
    flux: NDArray[np.float32], ivar: NDArray[np.float32], passed: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return flux and ivar, each (n, p), above the dust that let the fraction `passed` through."""
    return flux / passed, ivar * passed * passed
