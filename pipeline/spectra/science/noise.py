"""Whether flux and inverse variance can be what they are said to be, by the spectrum itself.

The second difference of neighbouring pixels, f[i-1] - 2 f[i] + f[i+1], hardly sees the object: its
scatter is that of the noise, √6 standard deviations. So each arm tells what its noise is, and
whether the inverse variance that comes with it says the same, where it is large and where it is
small. If it does not, but would as a standard deviation or as a variance, it is one.

Measured on 8 spectra of DESI, 28 published ones, 835 of a made survey with real noise and 2,447 of
the mock: the misfit of ivar is above 0.25 in three arms, and another reading's is nowhere less than
8.9 times as large; with standard deviations or variances written into the same files it is at most
0.35 times as large in 99 of 100 arms, and every spectrum is told. See docs/method.md.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri

Arm = tuple[int, int]


class Doubt(StrEnum):
    """Why a spectrum cannot be what it says."""

    NONE = ""
    FLUX = "flux"
    IVAR = "ivar"
    SIGMA = "sigma"
    VARIANCE = "variance"
    SCATTER = "scatter"
    SMOOTH = "smooth"


# 1e-17 erg/s/cm²/Å: 3C 273, the brightest quasar of the sky, has 2.5e3; the largest mean flux of
# the measured spectra is 128.
MAX_FLUX = 1e4
# Of the inverse of that squared. The measured spectra have 0.1 to 155; a hundred times DESI's
# longest exposures, and the shortest by moonlight, are inside.
IVAR_RANGE = (1e-4, 1e6)
# Mean of |flux| in standard deviations: 0.8 for nothing but noise, 0.3 for smoothed noise.
_MIN_SIGNAL = 0.01
# Scatter in units of what the inverse variance says: 0.95 to 1.5 in the spectra measured; a mean
# over three pixels has 0.27.
_MIN_LEVEL, _MAX_LEVEL = 0.5, 5.0
# Misfit above which another reading of the values counts, if its own is below both of these, the
# second a share of the former.
_MIN_MISFIT, _MAX_OTHER, _MAX_RATIO = 0.25, 0.5, 0.5
# Pixels that a level needs, in an arm or in its quieter or noisier part.
_MIN_PIXELS = 100
# Half of all Gaussian deviates are smaller than this many standard deviations.
_HALF = 0.6744897501960817


def find_doubts(flux: NDArray, ivar: NDArray, arms: Sequence[Arm]) -> NDArray[np.str_]:
    """Name what makes each spectrum implausible, shape (n,); empty where nothing does.

    Parameters
    ----------
    flux, ivar : ndarray of float32, shape (n, p)
        1e-17 erg/s/cm²/Å; ivar is 0 where a pixel is bad.
    arms : sequence of tuple
        First pixel and one past the last pixel of each arm.
    """
    sums = np.zeros((len(flux), len(arms), 3))
    misfits, level = compare_readings(measure_levels(flux, ivar, arms, sums))
    weight, n_good, signal = sums.sum(axis=1).T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_flux, mean_ivar = signal / weight, weight / n_good
        own, other = misfits[..., 0], misfits[..., 1:]
        is_other = (own > _MIN_MISFIT) & (
            other.min(axis=-1) < np.minimum(_MAX_OTHER, _MAX_RATIO * own)
        )
        is_sigma = is_other & (other[..., 0] <= other[..., 1])
        doubts = {
            Doubt.FLUX: (mean_flux > MAX_FLUX) | (mean_flux * np.sqrt(mean_ivar) < _MIN_SIGNAL),
            Doubt.IVAR: (mean_ivar < IVAR_RANGE[0]) | (mean_ivar > IVAR_RANGE[1]),
            Doubt.SIGMA: is_sigma.any(axis=1),
            Doubt.VARIANCE: is_other.any(axis=1),
            Doubt.SCATTER: level > _MAX_LEVEL,
            Doubt.SMOOTH: level < _MIN_LEVEL,
        }
    return np.select(list(doubts.values()), [doubt.value for doubt in doubts], Doubt.NONE.value)


def measure_levels(
    flux: NDArray, ivar: NDArray, arms: Sequence[Arm], sums: NDArray | None = None
) -> NDArray:
    """Return the scatter of neighbouring pixels in units of what is expected, by three readings.

    Parameters
    ----------
    flux, ivar : ndarray of float32, shape (n, p)
    arms : sequence of tuple, length a
    sums : ndarray of float, shape (n, a, 3), optional
        Takes, by arm, Σ ivar, the number of good pixels, and Σ ivar |flux|.

    Returns
    -------
    ndarray, shape (n, a, 2, 3)
        By arm, in its quieter and its noisier pixels, if the values of `ivar` are inverse
        variances, standard deviations, variances; NaN where there are too few pixels.
    """
    n = len(flux)
    sums = np.zeros((n, len(arms), 3)) if sums is None else sums
    counts = np.zeros((n, len(arms), 2, 4))
    limits = np.array(arms)
    _count(flux, ivar, limits, np.float32(6 * _HALF**2), counts, sums)
    n_triples = counts[..., 3:]
    # Kept from 0 and 1, whose levels are infinite and 0.
    share = counts[..., :3].clip(0.5, n_triples - 0.5) / np.maximum(n_triples, 1)
    levels = _HALF / ndtri(0.5 + np.where(n_triples >= _MIN_PIXELS, share, 0.25) / 2)
    return np.where(n_triples >= _MIN_PIXELS, levels, np.nan)


def compare_readings(levels: NDArray) -> tuple[NDArray, NDArray]:
    """Return how badly each reading fits, and the level of whole spectra if ivar is what it says.

    Parameters
    ----------
    levels : ndarray, shape (n, a, 2, 3)

    Returns
    -------
    misfits : ndarray, shape (n, a + 1, 3)
        Root mean square of the logarithms of the levels, of each arm and of all together; infinite
        for a reading that does not make the levels of a spectrum more alike: noise that is wrong
        by a factor, or smoothed away, is not misread. NaN without pixels.
    level : ndarray, shape (n,)
        Geometric mean.
    """
    logs = np.log(levels)
    n, n_arms, n_parts, n_readings = logs.shape
    # An arm's levels, and behind the last arm those of all.
    windows = np.full((n, n_arms + 1, n_arms * n_parts, n_readings), np.nan)
    windows[:, :-1, :n_parts] = logs
    windows[:, -1] = logs.reshape(n, n_arms * n_parts, n_readings)
    is_known = np.isfinite(windows)
    n_known = np.maximum(is_known.sum(axis=2), 1)
    known = np.where(is_known, windows, 0)
    mean = known.sum(axis=2) / n_known
    square = (known**2).sum(axis=2) / n_known
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    misfits = np.where(is_known.any(axis=2), np.sqrt(square), np.nan)
    is_less_alike = spread > spread[..., :1] + 0.1
    return np.where(is_less_alike, np.inf, misfits), np.exp(mean[:, -1, 0])


@njit(cache=True)
def _count(flux, ivar, limits, limit, counts, sums):  # type: ignore[no-untyped-def]
    for k in range(flux.shape[0]):
        for a in range(limits.shape[0]):
            arm = slice(limits[a, 0], limits[a, 1])
            _add_up(flux[k, arm], ivar[k, arm], sums[k, a])
            mean = np.float32(sums[k, a, 0] / max(sums[k, a, 1], 1))
            _count_arm(flux[k, arm], ivar[k, arm], mean, limit, counts[k, a])


# Sums of exact numbers and of what needs no exactness, so that the compiler may use vectors.
@njit(cache=True, fastmath={"reassoc"})
def _add_up(flux, ivar, sums):  # type: ignore[no-untyped-def]
    zero, one = np.float32(0), np.float32(1)
    weight = n_good = signal = zero
    for i in range(flux.shape[0]):
        weight += ivar[i]
        n_good += one if ivar[i] > zero else zero
        signal += ivar[i] * abs(flux[i])
    sums[0], sums[1], sums[2] = weight, n_good, signal


@njit(cache=True, fastmath={"reassoc"})
def _count_arm(flux, ivar, mean, limit, counts):  # type: ignore[no-untyped-def]
    """Count triples of good pixels whose second difference is in the lower half, by reading."""
    zero, one = np.float32(0), np.float32(1)
    quiet0 = quiet1 = quiet2 = quiet = all0 = all1 = all2 = every = zero
    for i in range(1, flux.shape[0] - 1):
        value = ivar[i]
        difference = flux[i - 1] - flux[i] - flux[i] + flux[i + 1]
        square = difference * difference
        is_good = (ivar[i - 1] > zero) & (value > zero) & (ivar[i + 1] > zero)
        is_quiet = is_good & (value > mean)
        as_ivar, as_sigma = square * value < limit, square < limit * value * value
        as_variance = square < limit * value
        quiet0 += one if as_ivar & is_quiet else zero
        quiet1 += one if as_sigma & is_quiet else zero
        quiet2 += one if as_variance & is_quiet else zero
        quiet += one if is_quiet else zero
        all0 += one if as_ivar & is_good else zero
        all1 += one if as_sigma & is_good else zero
        all2 += one if as_variance & is_good else zero
        every += one if is_good else zero
    counts[0, 0], counts[0, 1], counts[0, 2], counts[0, 3] = quiet0, quiet1, quiet2, quiet
    counts[1, 0], counts[1, 1], counts[1, 2] = all0 - quiet0, all1 - quiet1, all2 - quiet2
    counts[1, 3] = every - quiet
