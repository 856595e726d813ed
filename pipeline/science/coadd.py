"""Joining the three arms of a spectrum on one observed-frame grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Spectra:
    """Observed-frame spectra on the joined grid.

    Attributes
    ----------
    targetid : ndarray of int64, shape (n,)
    flux, ivar : ndarray of float32, shape (n, p)
        1e-17 erg/s/cm²/Å and its inverse variance. A pixel is bad where ivar = 0, never NaN.
    mask : ndarray of int32, shape (n, p)
        DESI SPECMASK bits, for display; ivar already obeys them.
    """

    targetid: NDArray[np.int64]
    flux: Floats
    ivar: Floats
    mask: NDArray[np.int32]


@dataclass(frozen=True)
class ArmSpectra:
    """One arm's spectra: flux, ivar (n, k) float32, mask (n, k), first pixel on the joined grid."""

    first_pixel: int
    flux: NDArray
    ivar: NDArray
    mask: NDArray


def join_arms(
    targetid: NDArray[np.int64], arms: list[ArmSpectra], size: int, ivar_floor: float
) -> tuple[Spectra, NDArray[np.int64]]:
    """Join arms with inverse-variance weights where they overlap.

    The arms' pixels coincide exactly in the overlaps, so nothing is interpolated. A pixel counts
    when its mask is 0, its values are finite and its ivar exceeds the floor. A joined pixel's mask
    holds the bits that every arm covering it shares, so it is 0 as soon as one arm is good.

    Parameters
    ----------
    targetid : ndarray of int64, shape (n,)
    arms : list of ArmSpectra
    size : int
        Pixels of the joined grid.
    ivar_floor : float
        A smaller ivar is taken for 0 (desispec coaddition uses 1e-6).

    Returns
    -------
    spectra : Spectra
    n_invalid : ndarray of int64, shape (n,)
        Pixels per spectrum whose flux or ivar was not finite or ivar negative.
    """
    n = len(targetid)
    weighted = np.zeros((n, size), np.float32)
    weight = np.zeros((n, size), np.float32)
    mask = np.full((n, size), -1, np.int32)
    n_invalid = np.zeros(n, np.int64)
    for arm in arms:
        pixels = slice(arm.first_pixel, arm.first_pixel + arm.flux.shape[1])
        is_valid = np.isfinite(arm.flux) & np.isfinite(arm.ivar) & (arm.ivar >= 0)
        n_invalid += np.count_nonzero(~is_valid, axis=1)
        is_good = is_valid & (arm.mask == 0) & (arm.ivar > ivar_floor)
        ivar = np.where(is_good, arm.ivar, 0).astype(np.float32)
        weight[:, pixels] += ivar
        weighted[:, pixels] += ivar * np.where(is_good, arm.flux, 0).astype(np.float32)
        mask[:, pixels] &= arm.mask.astype(np.int64).astype(np.int32)
    flux = np.divide(weighted, weight, out=np.zeros_like(weighted), where=weight > 0)
    mask[:, (mask == -1).all(axis=0)] = 0
    return Spectra(targetid, flux, weight, mask), n_invalid


def measure_snr(flux: NDArray, ivar: NDArray) -> Floats:
    """Return the median signal-to-noise ratio per good pixel, shape (n,); NaN without a good one.

    Parameters
    ----------
    flux, ivar : ndarray, shape (n, p)
    """
    ratio = np.where(ivar > 0, flux * np.sqrt(ivar), np.nan)
    snr = np.full(len(flux), np.nan, np.float32)
    has_signal = (ivar > 0).any(axis=1)
    snr[has_signal] = np.nanmedian(ratio[has_signal], axis=1)
    return snr


def measure_coverage(ivar: NDArray) -> Floats:
    """Return the fraction of good pixels, shape (n,), of ivar (n, p)."""
    return (np.count_nonzero(ivar > 0, axis=1) / ivar.shape[1]).astype(np.float32)
