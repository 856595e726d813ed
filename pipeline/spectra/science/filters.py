"""Matched filters: the most significant excess and lack of flux at every width and place."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

# A filter counts where at least this part of its pixels is good.
_MIN_GOOD = 0.5
# Filters move by this part of their width: the loss of significance is below 4 per cent.
_STRIDE = 8
# Places that a find is sought in together.
_BLOCK = 128
_LANES = 64


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
        Pixels; powers of two, from the narrowest to the widest.
    parts : ndarray of int64, shape (n, number of parts + 1), optional
        The pixel at which each part of a spectrum begins, and the last one's end; none if not
        given.
    """
    if any(width.bit_count() != 1 for width in widths) or sorted(set(widths)) != list(widths):
        raise ValueError(f"widths must be rising powers of two, not {widths}")
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


def measure_boxes(
    residual: NDArray, weight: NDArray, model: NDArray, pixel: NDArray, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the excess in a box as a part of the model there, and its error, each of shape (n,).

    Their ratio is what `scan_widths` finds there. NaN without a box or a model above 0.

    Parameters
    ----------
    residual, weight, model : ndarray, shape (n, m)
    pixel : ndarray of int, shape (n,)
        Middle pixel, as `Scan` has it; -1 without one.
    width : int
    """
    places = np.maximum(pixel - width // 2, 0)[:, None] + np.arange(width)
    left, power, light = (
        np.take_along_axis(each, places, axis=1).astype(np.float64)
        for each in (residual, weight, model)
    )
    total, level = power.sum(1), (power * light).sum(1)
    is_seen = (pixel >= 0) & (level > 0)
    unknown = np.full(len(pixel), np.nan)
    excess = np.divide((power * left).sum(1), level, out=unknown.copy(), where=is_seen)
    return excess, np.divide(np.sqrt(total), level, out=unknown, where=is_seen)


@njit(cache=True)
def _scan(  # type: ignore[no-untyped-def]
    residual, weight, widths, parts, significance, pixel, part_power
):
    n, m = residual.shape
    total, power, good = np.empty(m, np.float32), np.empty(m, np.float32), np.empty(m, np.float32)
    spare, square = np.empty(m, np.float32), np.empty(m, np.float32)
    for k in range(n):
        _weigh(residual[k], weight[k], total, power, good)
        width, stride, places = 1, 1, m
        for j in range(len(widths)):
            # Boxes side by side make one of twice the width: sums of few terms, that need no
            # double precision, where running sums over the spectrum would.
            while width < widths[j]:
                half, width, before = width // stride, 2 * width, stride
                stride = max(width // _STRIDE, 1)
                places = max((m - width) // stride + 1, 0)
                step = stride // before
                _merge(total, total[half:], step, spare[:places])
                total, spare = spare, total
                _merge(power, power[half:], step, spare[:places])
                power, spare = spare, power
                _merge(good, good[half:], step, spare[:places])
                good, spare = spare, good
            found = square[:places]
            squares, counted = _square(total, power, good, np.float32(_MIN_GOOD * width), found)
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
            significance[k, j, 2] = squares / max(counted, np.float32(1))


@njit(cache=True, error_model="numpy")
def _weigh(residual, weight, total, power, good):  # type: ignore[no-untyped-def]
    for i in range(residual.shape[0]):
        total[i] = weight[i] * residual[i]
    for i in range(residual.shape[0]):
        power[i] = weight[i]
        good[i] = np.float32(1) if weight[i] > 0 else np.float32(0)


@njit(cache=True)
def _merge(sums, later, step, merged):  # type: ignore[no-untyped-def]
    """Add the sums at every `step`-th place to those that lie half a box later."""
    if step == 1:
        for i in range(merged.shape[0]):
            merged[i] = sums[i] + later[i]
    else:
        for i in range(merged.shape[0]):
            merged[i] = sums[2 * i] + later[2 * i]


# Free of branches, sums in any order: so the compiler turns the loops into vector instructions.
@njit(cache=True, fastmath={"reassoc"}, error_model="numpy")
def _square(total, power, good, least_good, found):  # type: ignore[no-untyped-def]
    """Write each place's squared significance with the sign of its excess; sum and count them."""
    squares, places = np.float32(0), np.float32(0)
    for i in range(found.shape[0]):
        fits = np.float32(1) if good[i] >= least_good else np.float32(0)
        square = fits * total[i] * total[i] / max(power[i], np.float32(1e-30))
        found[i] = square if total[i] > 0 else -square
        squares += square
        places += fits
    return squares, places


@njit(cache=True, fastmath={"reassoc"}, error_model="numpy")
def _average(squares):  # type: ignore[no-untyped-def]
    """Return the mean of the squares whatever their sign, of those that are not 0; NaN of none."""
    total, places = np.float32(0), np.float32(0)
    for i in range(squares.shape[0]):
        total += abs(squares[i])
        places += np.float32(1) if squares[i] != 0 else np.float32(0)
    return total / places


@njit(cache=True, fastmath={"nnan", "nsz"})
def _find_extremes(values):  # type: ignore[no-untyped-def]
    """Return the largest value and the least, 0 where none lies beyond."""
    # Of every 64th value first: of a single one the compiler makes no vector instructions.
    highest, lowest = np.zeros(_LANES, np.float32), np.zeros(_LANES, np.float32)
    whole = values.shape[0] // _LANES * _LANES
    for begin in range(0, whole, _LANES):
        part = values[begin : begin + _LANES]
        for i in range(_LANES):
            highest[i] = max(highest[i], part[i])
            lowest[i] = min(lowest[i], part[i])
    high, low = highest.max(), lowest.min()
    for i in range(whole, values.shape[0]):
        high, low = max(high, values[i]), min(low, values[i])
    return high, low


@njit(cache=True)
def _find_first(values, wanted):  # type: ignore[no-untyped-def]
    # Block by block without a branch, then within the one that holds it.
    for begin in range(0, values.shape[0], _BLOCK):
        held = 0
        for i in range(begin, min(begin + _BLOCK, values.shape[0])):
            held += values[i] == wanted
        if held:
            for i in range(begin, values.shape[0]):
                if values[i] == wanted:
                    return i
    return -1
