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
    """

    emission: NDArray[np.float32]
    absorption: NDArray[np.float32]
    emission_pixel: NDArray[np.int32]
    absorption_pixel: NDArray[np.int32]
    power: NDArray[np.float32]


def scan_widths(residual: NDArray, weight: NDArray, widths: tuple[int, ...]) -> Scan:
    """Slide box filters over residuals.

    For a box B the maximum-likelihood excess is Σ w r / Σ w over B, its signal-to-noise ratio
    Σ w r / √Σ w. The weights must be those whose sums are inverse variances (`resample`).

    Parameters
    ----------
    residual, weight : ndarray, shape (n, m)
        Flux minus model and its weight; weight = 0 marks a missing pixel.
    widths : tuple of int
        Pixels.
    """
    n, n_widths = len(residual), len(widths)
    significance = np.zeros((n, n_widths, 3), np.float32)
    pixel = np.full((n, n_widths, 2), -1, np.int32)
    _scan(np.ascontiguousarray(residual), np.ascontiguousarray(weight),
          np.array(widths), significance, pixel)  # fmt: skip
    return Scan(
        significance[:, :, 0], significance[:, :, 1], pixel[:, :, 0], pixel[:, :, 1],
        significance[:, :, 2],
    )  # fmt: skip


@njit(cache=True)
def _scan(residual, weight, widths, significance, pixel):  # type: ignore[no-untyped-def]
    n, m = residual.shape
    total, power, good = np.zeros(m + 1), np.zeros(m + 1), np.zeros(m + 1)
    for k in range(n):
        for i in range(m):
            total[i + 1] = total[i] + weight[k, i] * residual[k, i]
            power[i + 1] = power[i] + weight[k, i]
            good[i + 1] = good[i] + (weight[k, i] > 0)
        for j in range(len(widths)):
            width = widths[j]
            highest, lowest, squares, places = 0.0, 0.0, 0.0, 0
            for i in range(0, m - width + 1, max(width // _STRIDE, 1)):
                if good[i + width] - good[i] < _MIN_GOOD * width:
                    continue
                excess = total[i + width] - total[i]
                square = excess * excess / max(power[i + width] - power[i], 1e-30)
                squares += square
                places += 1
                if excess > 0 and square > highest:
                    highest = square
                    pixel[k, j, 0] = i + width // 2
                elif excess < 0 and square > lowest:
                    lowest = square
                    pixel[k, j, 1] = i + width // 2
            significance[k, j, 0] = np.sqrt(highest)
            significance[k, j, 1] = np.sqrt(lowest)
            significance[k, j, 2] = squares / max(places, 1)
