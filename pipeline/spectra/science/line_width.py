"""Width of a narrow excess against what the instrument makes of an infinitely narrow line."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pipeline.science.measured import Measured
from pipeline.spectra.science.residuals import Residuals, divide

# Pixels of the rest-frame window that are fitted to either side.
_REACH = 12
# Standard deviations and shifts of the centre that are tried, in pixels of the window: from less
# than a pixel of any survey to what is still narrow.
_SIGMAS = np.geomspace(0.1, 6.0, 80)
_SHIFTS = np.linspace(-1.5, 1.5, 25)
# How the pixels of spectrum and window fall on a line that is hardly wider than they are is not
# modelled; by resampled lines of 0 to 6 Å at 4200, 6500 and 9000 Å it scatters the ratio by this
# much of (pixel over resolution)² / (1 + ratio).
_SAMPLING_ERROR = 0.3
_FWHM = 2 * np.sqrt(2 * np.log(2))


def _make_profiles() -> NDArray[np.float64]:
    """Return Gaussians added up over pixels, shape (widths, shifts, pixels)."""
    edges = np.arange(-_REACH, _REACH + 2) - 0.5
    beyond = (edges - _SHIFTS[:, None]) / _SIGMAS[:, None, None]
    return np.diff(ndtr(beyond), axis=2)


_PROFILES = _make_profiles()


def measure_width(spectra: Residuals, place: NDArray[np.intp]) -> Measured:
    """Return the FWHM of an excess over the FWHM that the instrument gives a line there, minus 1.

    A Gaussian on a constant, added up over pixels, is fitted by least squares; the error is half of
    the range of widths whose χ² is at most 1 above the least, with `_SAMPLING_ERROR`. Taken off in
    quadrature is the observed pixel, a box as which the window holds it. NaN where no arm says what
    its resolution is, and where the excess is wider than what is tried.

    Parameters
    ----------
    spectra : Residuals
    place : ndarray of int, shape (n,)
        Brightest pixel of the excess in each window.
    """
    cut = spectra.cut(place, np.arange(-_REACH, _REACH + 1))
    gain = _fit(cut.residual, cut.weight)
    best = np.argmax(gain, axis=1)
    beyond, peak = _find_peak(gain, best)
    wave = spectra.to_wave(place) * (1 + spectra.z)
    pixel = wave * np.log(10) * spectra.grid.log10_step
    grid = spectra.sampling.grid
    box = wave * np.log(10) * grid.step if grid.is_log else np.full(len(wave), grid.step)
    own = np.maximum((pixel[:, None] * _SIGMAS) ** 2 - box[:, None] ** 2 / 12, 0)
    fwhm = spectra.find_fwhm(wave)
    ratio = divide(_FWHM * np.sqrt(own), fwhm[:, None])
    low, high = (_cross(gain, ratio, best, peak - 1, side) for side in (-1, 1))
    value = _interpolate(ratio, best, beyond)
    error = np.hypot(0.5 * (high - low), _SAMPLING_ERROR * (pixel / fwhm) ** 2 / (1 + value))
    is_seen = (peak > 1) & np.isfinite(high)
    value, error = (np.where(is_seen, each, np.nan) for each in (value - 1, error))
    return Measured(value, error, spectra.to_wave(place))


def _fit(residual: NDArray, weight: NDArray) -> NDArray[np.float64]:
    """Return by how much each width lowers χ² at its best centre, shape (n, widths)."""
    flat = _PROFILES.reshape(-1, _PROFILES.shape[2])
    total = weight.sum(1)
    share = divide(weight @ flat.T, total[:, None])
    top = (weight * residual) @ flat.T - (weight * residual).sum(1)[:, None] * share
    power = weight @ (flat**2).T - total[:, None] * share**2
    gain = divide(np.maximum(top, 0) ** 2, power)
    return np.nan_to_num(gain).reshape(len(residual), *_PROFILES.shape[:2]).max(axis=2)


def _find_peak(gain: NDArray, best: NDArray) -> tuple[NDArray, NDArray]:
    """Return where between its neighbours the parabola through the best is highest, and how high.

    The place is in steps from the best one, shape (n,), at most half a step; at an end it is 0.
    """
    rows, middle = np.arange(len(gain)), np.clip(best, 1, gain.shape[1] - 2)
    before, here, after = (gain[rows, middle + k] for k in (-1, 0, 1))
    step = np.nan_to_num(0.5 * divide(after - before, 2 * here - before - after))
    step = np.where(middle == best, np.clip(step, -0.5, 0.5), 0.0)
    return step, gain[rows, best] + 0.25 * (after - before) * step


def _interpolate(values: NDArray, best: NDArray, beyond: NDArray) -> NDArray[np.float64]:
    rows, last = np.arange(len(values)), values.shape[1] - 1
    near = np.clip(best + np.sign(beyond).astype(np.intp), 0, last)
    here = values[rows, best]
    return np.asarray(here + np.abs(beyond) * (values[rows, near] - here))


def _cross(
    gain: NDArray, ratio: NDArray, best: NDArray, least: NDArray, side: int
) -> NDArray[np.float64]:
    """Return the ratio at which the gain falls below the least to one side of the best, (n,).

    To the narrow side the narrowest counts where it does not fall; to the wide side NaN does.
    """
    rows, k = np.arange(len(gain)), best.copy()
    last = 0 if side < 0 else gain.shape[1] - 1
    inside = gain[rows, k] > least
    while inside.any():
        inside &= k != last
        k[inside] += side
        inside &= gain[rows, k] > least
    before = np.clip(k - side, 0, gain.shape[1] - 1)
    fall = gain[rows, before] - gain[rows, k]
    part = np.clip(np.nan_to_num(divide(gain[rows, before] - least, fall)), 0, 1)
    crossing = ratio[rows, before] + part * (ratio[rows, k] - ratio[rows, before])
    is_open = gain[rows, k] > least
    return np.where(is_open, ratio[:, 0] if side < 0 else np.nan, crossing)
