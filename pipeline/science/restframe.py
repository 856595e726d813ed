"""Rest-frame windows: flux-conserving resampling on one global logarithmic grid.

A redshift is a shift on a logarithmic grid, so each spectrum keeps a window of fixed length and
the pixel at which the window starts. Values are resampled once.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# A norm below this many standard errors would blow noise up to the size of a signal.
_NORM_FLOOR_SIGMA = 3.0


@dataclass(frozen=True)
class ObservedGrid:
    """Linear observed grid: first pixel centre, step (Å), number of pixels."""

    start: float
    step: float
    size: int

    @property
    def wave(self) -> NDArray[np.float64]:
        """Pixel centres in Å, shape (size,)."""
        return np.linspace(self.start, self.start + self.step * (self.size - 1), self.size)


@dataclass(frozen=True)
class RestFrameGrid:
    """Global log10 rest-frame grid.

    Attributes
    ----------
    log10_start : float
        log10 of the lower edge of pixel 0, Å.
    log10_step : float
        Pixel width in dex.
    size : int
        Pixels of the global grid.
    window : int
        Pixels of one spectrum's window.
    align : int
        Windows start at multiples of this many pixels.
    """

    log10_start: float
    log10_step: float
    size: int
    window: int
    align: int

    @property
    def wave(self) -> NDArray[np.float64]:
        """Pixel centres in Å, shape (size,)."""
        exponents: NDArray[np.float64] = np.arange(self.size, dtype=np.float64) + 0.5
        return np.power(10.0, self.log10_start + self.log10_step * exponents)


def make_grid(
    observed: ObservedGrid, z_min: float, z_max: float, log10_step: float, align: int
) -> RestFrameGrid:
    """Return the smallest aligned grid that holds the window of every redshift in a range."""
    low, high = _log10_edges(observed)
    window = _round_up(int(np.ceil((high - low) / log10_step)) + align, align)
    start = np.floor((low - np.log10(1 + z_max)) / log10_step) * log10_step
    span = (np.log10(1 + z_max) - np.log10(1 + z_min)) / log10_step
    size = _round_up(int(np.ceil(span)) + window + align, align)
    return RestFrameGrid(float(start), log10_step, size, window, align)


def find_window_starts(
    grid: RestFrameGrid, observed: ObservedGrid, z: NDArray
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return each spectrum's first window pixel (n,) and whether the window lies on the grid."""
    low, _ = _log10_edges(observed)
    pixel = np.floor((low - np.log10(1 + z) - grid.log10_start) / grid.log10_step + 1e-9)
    start = (pixel // grid.align * grid.align).astype(np.int32)
    return start, (start >= 0) & (start + grid.window <= grid.size)


def resample(
    flux: Floats, ivar: Floats, z: NDArray, start: NDArray[np.int32],
    observed: ObservedGrid, grid: RestFrameGrid,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Resample observed spectra to their rest-frame windows.

    With a the overlap of an observed pixel in units of its width and w its ivar,
    flux = Σ a w f / Σ a w and ivar = (Σ a w)² / Σ a² w: the weighted mean flux density over the
    pixel and its exact inverse variance for independent input pixels.

    Parameters
    ----------
    flux, ivar : ndarray of float32, shape (n, p)
        On the observed grid; ivar = 0 marks a bad pixel.
    z : ndarray, shape (n,)
    start : ndarray of int32, shape (n,)
    observed : ObservedGrid
    grid : RestFrameGrid

    Returns
    -------
    flux, ivar : ndarray of float32, shape (n, window)
        In the input's units; both 0 where no good pixel overlaps.
    """
    ratios = 10 ** (grid.log10_step * np.arange(grid.window + 1))
    edges = 10 ** (grid.log10_start + grid.log10_step * start.astype(np.float64)) * (1 + z)
    # Pixel i of the observed grid covers [i, i + 1) in this coordinate.
    offset = observed.start / observed.step - 0.5
    return _resample(
        np.ascontiguousarray(flux),
        np.ascontiguousarray(ivar),
        edges / observed.step,
        ratios,
        offset,
    )


def normalise(flux: Floats, ivar: Floats) -> Floats:
    """Return a positive scale for each spectrum, shape (n,), that survives faint and negative ones.

    The median flux over good pixels, but at least three standard errors of the mean flux, so that
    a spectrum of noise stays noise.

    Parameters
    ----------
    flux, ivar : ndarray of float32, shape (n, m)
    """
    good = np.where(ivar > 0, flux, np.nan)
    norm = np.ones(len(flux), np.float32)
    has_signal = (ivar > 0).any(axis=1)
    error = 1 / np.sqrt(ivar[has_signal].sum(axis=1, dtype=np.float64))
    median = np.nanmedian(good[has_signal], axis=1)
    norm[has_signal] = np.maximum(median, _NORM_FLOOR_SIGMA * error)
    return norm


def _log10_edges(observed: ObservedGrid) -> tuple[float, float]:
    low = observed.start - observed.step / 2
    return float(np.log10(low)), float(np.log10(low + observed.step * observed.size))


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


@njit(cache=True, fastmath=True)
def _resample(flux, ivar, first_edge, ratios, offset):  # type: ignore[no-untyped-def]
    n, n_in = flux.shape
    n_out = ratios.shape[0] - 1
    out_flux = np.zeros((n, n_out), np.float32)
    out_ivar = np.zeros((n, n_out), np.float32)
    for k in range(n):
        low = first_edge[k] * ratios[0] - offset
        for j in range(n_out):
            high = first_edge[k] * ratios[j + 1] - offset
            left = max(low, 0.0)
            right = min(high, float(n_in))
            low = high
            if right <= left:
                continue
            first = int(left)
            last = int(right)
            # Only the first and the last observed pixel are partly covered.
            overlap = min(right, first + 1.0) - left
            weight = overlap * ivar[k, first]
            total = weight * flux[k, first]
            square = overlap * weight
            for i in range(first + 1, last):
                weight += ivar[k, i]
                total += ivar[k, i] * flux[k, i]
                square += ivar[k, i]
            if first < last < n_in:
                overlap = right - last
                weighted = overlap * ivar[k, last]
                weight += weighted
                total += weighted * flux[k, last]
                square += overlap * weighted
            if weight > 0.0:
                out_flux[k, j] = total / weight
                out_ivar[k, j] = weight * weight / square
    return out_flux, out_ivar
