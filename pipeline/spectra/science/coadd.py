"""Joining the three arms of a spectrum on one observed-frame grid."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.spectra.science.median import median_of_good

Floats = NDArray[np.float32]

# Fewer good pixels of one flux than this may be a coincidence.
_FEWEST_FILLED = 10


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

    def take(self, rows: slice | NDArray) -> "Spectra":
        """Return some of the spectra; a slice copies nothing."""
        return Spectra(self.targetid[rows], self.flux[rows], self.ivar[rows], self.mask[rows])

    def keep(self, is_kept: NDArray[np.bool_]) -> "Spectra":
        """Return the spectra that are kept; if all of them are, nothing is copied."""
        return self if is_kept.all() else self.take(is_kept)


@dataclass(frozen=True)
class ArmSpectra:
    """One arm's spectra: flux, ivar (n, k) float32, mask (n, k), first pixel on the joined grid."""

    first_pixel: int
    flux: NDArray
    ivar: NDArray
    mask: NDArray


def join_arms(
    targetid: NDArray[np.int64], arms: list[ArmSpectra], size: int, ivar_floor: float
) -> tuple[Spectra, NDArray[np.int64], NDArray[np.int64]]:
    """Join arms with inverse-variance weights where they overlap.

    The arms' pixels coincide exactly in the overlaps, so nothing is interpolated. A pixel counts
    when its mask is 0, its values are finite and its ivar exceeds the floor. A joined pixel's mask
    holds the bits that every arm covering it shares, so it is 0 as soon as one arm is good.

    A flux of exactly 0, or an arm all of whose pixels have one and the same flux, is a filling and
    no measurement, whatever its ivar says: such pixels do not count.

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
    n_filled : ndarray of int64, shape (n,)
        Pixels per spectrum that looked good but were fillings.
    """
    n = len(targetid)
    # In one piece, so that the next call finds its memory mapped: page faults would take longer.
    planes = np.empty((3, n, size), np.float32)
    flux, ivar, mask = planes[0], planes[1], planes[2].view(np.int32)
    n_bad = np.zeros((2, n), np.int64)
    covered = 0
    for arm in sorted(arms, key=lambda arm: arm.first_pixel):
        values = [np.ascontiguousarray(array) for array in (arm.flux, arm.ivar, arm.mask)]
        n_bad += _add_arm(
            values[0],
            values[1],
            values[2],
            arm.first_pixel,
            covered,
            np.float32(ivar_floor),
            flux,
            ivar,
            mask,
        )
        covered = max(covered, arm.first_pixel + arm.flux.shape[1])
    for array in (flux, ivar, mask):
        array[:, covered:] = 0
    return Spectra(targetid, flux, ivar, mask), n_bad[0], n_bad[1]


@njit(cache=True)
def _add_arm(  # type: ignore[no-untyped-def]
    arm_flux, arm_ivar, arm_mask, first, covered, floor, flux, ivar, mask
):
    """Write an arm behind the pixels that others cover, and average it into these."""
    n, n_pixels = arm_flux.shape
    n_shared = min(max(covered - first, 0), n_pixels)
    n_bad = np.zeros((2, n), np.int64)
    for k in range(n):
        for i in range(covered, first):
            flux[k, i], ivar[k, i], mask[k, i] = 0, 0, 0
        split, stop = first + n_shared, first + n_pixels
        filling = _find_filling(arm_flux[k], arm_ivar[k], arm_mask[k], floor)
        averaged = _average_arm(
            arm_flux[k, :n_shared],
            arm_ivar[k, :n_shared],
            arm_mask[k, :n_shared],
            floor,
            filling,
            flux[k, first:split],
            ivar[k, first:split],
            mask[k, first:split],
        )
        copied = _copy_arm(
            arm_flux[k, n_shared:],
            arm_ivar[k, n_shared:],
            arm_mask[k, n_shared:],
            floor,
            filling,
            flux[k, split:stop],
            ivar[k, split:stop],
            mask[k, split:stop],
        )
        n_bad[0, k], n_bad[1, k] = averaged[0] + copied[0], averaged[1] + copied[1]
    return n_bad


@njit(cache=True)
def _find_filling(flux, ivar, mask, floor):  # type: ignore[no-untyped-def]
    """Return the flux that all good pixels of an arm have, or 0 as soon as two differ."""
    filling, n_good = np.float32(0), 0
    for i in range(flux.shape[0]):
        if mask[i] == 0 and ivar[i] > floor and flux[i] - flux[i] == 0:
            if n_good and flux[i] != filling:
                return np.float32(0)
            filling = np.float32(flux[i])
            n_good += 1
    return filling if n_good >= _FEWEST_FILLED else np.float32(0)


# The two loops are free of branches, and the count, exact in float32 below 2**24, may be summed in
# any order: so the compiler turns them into vector instructions.
@njit(cache=True, fastmath={"reassoc"})
def _copy_arm(arm_flux, arm_ivar, arm_mask, floor, filling, flux, ivar, mask):  # type: ignore[no-untyped-def]
    zero, one = np.float32(0), np.float32(1)
    n_invalid = n_filled = zero
    for i in range(arm_flux.shape[0]):
        # A difference from itself is 0 for finite numbers only.
        is_finite = (arm_flux[i] - arm_flux[i] == zero) & (arm_ivar[i] - arm_ivar[i] == zero)
        is_valid = is_finite & (arm_ivar[i] >= zero)
        is_filled = (arm_flux[i] == zero) | (arm_flux[i] == filling)
        looks_good = is_valid & (arm_mask[i] == 0) & (arm_ivar[i] > floor)
        is_good = looks_good & ~is_filled
        flux[i] = arm_flux[i] if is_good else zero
        ivar[i] = arm_ivar[i] if is_good else zero
        mask[i] = np.int32(arm_mask[i])
        n_invalid += zero if is_valid else one
        n_filled += one if looks_good & is_filled else zero
    return n_invalid, n_filled


@njit(cache=True, fastmath={"reassoc"}, error_model="numpy")
def _average_arm(arm_flux, arm_ivar, arm_mask, floor, filling, flux, ivar, mask):  # type: ignore[no-untyped-def]
    zero, one = np.float32(0), np.float32(1)
    n_invalid = n_filled = zero
    for i in range(arm_flux.shape[0]):
        is_finite = (arm_flux[i] - arm_flux[i] == zero) & (arm_ivar[i] - arm_ivar[i] == zero)
        is_valid = is_finite & (arm_ivar[i] >= zero)
        is_filled = (arm_flux[i] == zero) | (arm_flux[i] == filling)
        looks_good = is_valid & (arm_mask[i] == 0) & (arm_ivar[i] > floor)
        is_good = looks_good & ~is_filled
        new_flux = arm_flux[i] if is_good else zero
        new_ivar = arm_ivar[i] if is_good else zero
        total = ivar[i] + new_ivar
        weighted = ivar[i] * flux[i] + new_ivar * new_flux
        flux[i] = weighted / (total if total > zero else one)
        ivar[i] = total
        mask[i] &= np.int32(arm_mask[i])
        n_invalid += zero if is_valid else one
        n_filled += one if looks_good & is_filled else zero
    return n_invalid, n_filled


def measure_snr(flux: NDArray, ivar: NDArray) -> Floats:
    """Return the median signal-to-noise ratio per good pixel, shape (n,); NaN without a good one.

    Parameters
    ----------
    flux, ivar : ndarray, shape (n, p)
    """
    return median_of_good(flux * np.sqrt(ivar), ivar > 0).astype(np.float32)


def measure_coverage(ivar: NDArray) -> Floats:
    """Return the fraction of good pixels, shape (n,), of ivar (n, p)."""
    return (np.count_nonzero(ivar > 0, axis=1) / ivar.shape[1]).astype(np.float32)
