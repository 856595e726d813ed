"""Galactic extinction along the line of sight."""

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Schlafly & Finkbeiner 2011: A(1 µm) = 1.029 E(B-V) of the SFD98 map, the scale DESI uses.
_A_1UM_PER_EBV = 1.029
# exp of this is 0 in float32.
_DARK = -110.0


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
    curve = _magnitudes_per_ebv(np.asarray(wave, np.float64).tobytes(), r_v)
    return _dim(0.4 * np.log(10.0) * curve, np.asarray(ebv, np.float64))


def deredden(
    flux: NDArray[np.float32], ivar: NDArray[np.float32], passed: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return flux and ivar, each (n, p), above the dust that let the fraction `passed` through."""
    return flux / passed, ivar * passed * passed


@lru_cache(maxsize=4)
def _magnitudes_per_ebv(wave: bytes, r_v: float) -> NDArray[np.float64]:
    from astropy import units
    from dust_extinction.parameter_averages import F99

    curve = F99(Rv=r_v)
    shape = curve(np.frombuffer(wave) * units.AA) / curve(10_000 * units.AA)
    return _A_1UM_PER_EBV * np.asarray(shape)


@njit(cache=True)
def _dim(optical_depth, ebv):  # type: ignore[no-untyped-def]
    n, size = ebv.shape[0], optical_depth.shape[0]
    passed = np.empty((n, size), np.float32)
    for k in range(n):
        for i in range(size):
            # exp(x) = exp(x / 1024) ** 1024 by its series: exact to float32 down to its smallest
            # number, and vector instructions, which calls of exp are not.
            x = max(-ebv[k] * optical_depth[i], _DARK) / 1024
            power = 1 + x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6)))))
            for _ in range(10):
                power *= power
            passed[k, i] = power
    return passed
