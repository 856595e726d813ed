"""Matched filters: the most significant excess and lack of flux at every width and place."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

# A filter counts where at least this part of its pixels is good.
_MIN_GOOD = 0.5
# Filters move by this part of their width: the loss of significance is below 4 per cent.
_STRIDE = 8


@dataclass(frozen=True)
class Scan:
    """Strongest finds of box filters, arrays of shape (n, number of widths).

    Attributes
    ----------
    emission, absorption : ndarray
        Largest signal-to-noise ratio of an excess, and of a lack, of flux; 0 where no filter fits.
    emission_pixel, absorption_pixel : ndarray of int32
        Middle pixel of the find in the window, -1 without one.
    power : ndarray
        Mean squared signal-to-noise ratio over all places; 0 without any.
    part_power : ndarray, shape (n, number of parts, number of widths)
        The same over the places whose middle lies in each part; NaN without any. A ratio that is
        exactly 0 counts as no place here.
    """

    emission: NDArray[np.float32]
    absorption: NDArray[np.float32]
    emission_pixel: NDArray[np.int32]
    absorption_pixel: NDArray[np.int32]
    power: NDArray[np.float32]
    part_power: NDArray[np.float32]


def scan_widths(
    residual: NDArray,
    weight: NDArray,
    widths: tuple[int, ...],
    parts: NDArray[np.int64] | None = None,
) -> Scan:
    """Slide box filters over residuals.

    For a box B the maximum-likelihood excess is Σ w r / Σ w over B, its signal-to-noise ratio
    Σ w r / √Σ w. The weights must be those whose sums are inverse variances (`resample`).

    Parameters
    ----------
    residual, weight : ndarray, shape (n, m)
        Flux minus model and its weight; weight = 0 marks a missing pixel.
    widths : tuple of int
        Pixels.
    parts : ndarray of int64, shape (n, number of parts + 1), optional
        The pixel at which each part of a spectrum begins, and the last one's end; none if not
        given.
    """
    n, n_widths = len(residual), len(widths)
    if parts is None:
        parts = np.zeros((n, 1), np.int64)
    part_power = np.full((n, parts.shape[1] - 1, n_widths), np.nan, np.float32)
    significance = np.zeros((n, n_widths, 3), np.float32)
    pixel = np.full((n, n_widths, 2), -1, np.int32)
    _scan(
        np.ascontiguousarray(residual),
        np.ascontiguousarray(weight),
        np.array(widths),
        parts,
        significance,
        pixel,
        part_power,
    )
    return Scan(
        significance[:, :, 0],
        significance[:, :, 1],
        pixel[:, :, 0],
        pixel[:, :, 1],
        significance[:, :, 2],
        part_power,
    )


@njit(cache=True)
def _scan(  # type: ignore[no-untyped-def]
    residual, weight, widths, parts, significance, pixel, part_power
):
    n, m = residual.shape
    total, power, good = np.zeros(m + 1), np.zeros(m + 1), np.zeros(m + 1)
    square = np.empty(m)
    for k in range(n):
        for i in range(m):
            total[i + 1] = total[i] + weight[k, i] * residual[k, i]
            power[i + 1] = power[i] + weight[k, i]
            good[i + 1] = good[i] + (weight[k, i] > 0)
        for j in range(len(widths)):
            width = widths[j]
            stride = max(width // _STRIDE, 1)
            # Every stride-th of the running sums, in one piece.
            sums = total[::stride].copy(), power[::stride].copy(), good[::stride].copy()
            found = square[: max(len(sums[0]) - width // stride, 0)]
            squares, places = _square(sums[0], sums[1], sums[2], _MIN_GOOD * width, found)
            for part in range(part_power.shape[1]):
                # The first places whose middle lies at or beyond each limit.
                first = -(-(parts[k, part] - width // 2) // stride)
                end = -(-(parts[k, part + 1] - width // 2) // stride)
                part_power[k, part, j] = _average(found[max(first, 0) : max(end, 0)])
            highest, lowest = _find_extremes(found)
            if highest > 0:
                pixel[k, j, 0] = _find_first(found, highest) * stride + width // 2
            if lowest < 0:
                pixel[k, j, 1] = _find_first(found, lowest) * stride + width // 2
            significance[k, j, 0] = np.sqrt(highest)
            significance[k, j, 1] = np.sqrt(-lowest)
            significance[k, j, 2] = squares / max(places, 1.0)


# Free of branches, sums in any order: so the compiler turns the two loops into vector instructions.
@njit(cache=True, fastmath={"reassoc"}, error_model="numpy")
def _square(total, power, good, least_good, found):  # type: ignore[no-untyped-def]
    """Write each place's squared significance with the sign of its excess; sum and count them."""
    squares, places = 0.0, 0.0
    span = total.shape[0] - found.shape[0]
    for i in range(found.shape[0]):
        excess = total[i + span] - total[i]
        fits = 1.0 if good[i + span] - good[i] >= least_good else 0.0
        square = fits * excess * excess / max(power[i + span] - power[i], 1e-30)
        found[i] = square if excess > 0 else -square
        squares += square
        places += fits
    return squares, places


@njit(cache=True, fastmath={"reassoc"}, error_model="numpy")
def _average(squares):  # type: ignore[no-untyped-def]
    """Return the mean of the squares whatever their sign, of those that are not 0; NaN of none."""
    total, places = 0.0, 0.0
    for i in range(squares.shape[0]):
        total += abs(squares[i])
        places += 1.0 if squares[i] != 0 else 0.0
    return total / places


@njit(cache=True, fastmath={"reassoc", "nnan", "nsz"})
def _find_extremes(values):  # type: ignore[no-untyped-def]
    highest, lowest = 0.0, 0.0
    for i in range(values.shape[0]):
        highest = max(highest, values[i])
        lowest = min(lowest, values[i])
    return highest, lowest


@njit(cache=True)
def _find_first(values, wanted):  # type: ignore[no-untyped-def]
    for i in range(values.shape[0]):
        if values[i] == wanted:
            return i
    return -1
