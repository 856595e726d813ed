"""Joining the three arms of a spectrum on one observed-frame grid."""

from dataclasses import dataclass

import numpy as np
from numba import njit
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
    flux, weight = np.zeros((n, size), np.float32), np.zeros((n, size), np.float32)
    mask = np.full((n, size), -1, np.int32)
    n_invalid = np.zeros(n, np.int64)
    for arm in arms:
        values = [np.ascontiguousarray(array) for array in (arm.flux, arm.ivar, arm.mask)]
        _add_arm(
            values[0], values[1], values[2], arm.first_pixel, ivar_floor,
            flux, weight, mask, n_invalid,
        )  # fmt: skip
    _divide(flux, weight, mask)
    return Spectra(targetid, flux, weight, mask), n_invalid


@njit(cache=True)
def _add_arm(  # type: ignore[no-untyped-def]
    arm_flux, arm_ivar, arm_mask, first_pixel, ivar_floor, weighted, weight, mask, n_invalid
):
    n, n_pixels = arm_flux.shape
    zero = np.float32(0)
    floor = np.float32(ivar_floor)
    for k in range(n):
        # Rows of their own and no branches, so that the loop becomes vector instructions.
        flux, ivar, bits = arm_flux[k], arm_ivar[k], arm_mask[k]
        row = slice(first_pixel, first_pixel + n_pixels)
        sum_flux, sum_weight, shared = weighted[k, row], weight[k, row], mask[k, row]
        n_bad = 0
        for i in range(n_pixels):
            # A difference from itself is 0 for finite numbers only.
            is_valid = (flux[i] - flux[i] == zero) & (ivar[i] - ivar[i] == zero) & (ivar[i] >= zero)
            is_good = is_valid & (bits[i] == 0) & (ivar[i] > floor)
            one_weight = ivar[i] if is_good else zero
            one_flux = flux[i] if is_good else zero
            sum_weight[i] += one_weight
            sum_flux[i] += one_weight * one_flux
            shared[i] &= np.int32(bits[i])
            n_bad += not is_valid
        n_invalid[k] += n_bad


@njit(cache=True)
def _divide(weighted, weight, mask):  # type: ignore[no-untyped-def]
    n, n_pixels = weighted.shape
    for k in range(n):
        for i in range(n_pixels):
            if weight[k, i] > 0.0:
                weighted[k, i] /= weight[k, i]
            if mask[k, i] == -1:
                # No arm covers the pixel.
                mask[k, i] = 0


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
