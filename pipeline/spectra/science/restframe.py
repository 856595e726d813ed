"""Rest-frame windows: flux-conserving resampling on one global logarithmic grid.

A redshift is a shift on a logarithmic grid, so each spectrum keeps a window of fixed length and
the pixel at which the window starts. Values are resampled once.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from catalog_schema.grids import Grid
from pipeline.spectra.science.median import median_of_good
from pipeline.spectra.science.rebin import rebin, sum_bins

Floats = NDArray[np.float32]
# A norm below this many standard errors would blow noise up to the size of a signal.
_NORM_FLOOR_SIGMA = 3.0


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
    observed: Grid, z_min: float, z_max: float, log10_step: float, align: int
) -> RestFrameGrid:
    """Return the smallest aligned grid that holds the window of every redshift in a range."""
    low, high = _log10_edges(observed)
    window = _round_up(int(np.ceil((high - low) / log10_step)) + align, align)
    start = np.floor((low - np.log10(1 + z_max)) / log10_step) * log10_step
    span = (np.log10(1 + z_max) - np.log10(1 + z_min)) / log10_step
    size = _round_up(int(np.ceil(span)) + window + align, align)
    return RestFrameGrid(float(start), log10_step, size, window, align)


def find_window_starts(
    grid: RestFrameGrid, observed: Grid, z: NDArray
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return each spectrum's first window pixel (n,) and whether the window lies on the grid."""
    low, _ = _log10_edges(observed)
    pixel = np.floor((low - np.log10(1 + z) - grid.log10_start) / grid.log10_step + 1e-9)
    start = (pixel // grid.align * grid.align).astype(np.int32)
    return start, (start >= 0) & (start + grid.window <= grid.size)


def find_reach(grid: RestFrameGrid, observed: Grid) -> float:
    """Return the observed wavelength in Å up to which every window reaches."""
    low, _ = _log10_edges(observed)
    return float(10 ** (low + (grid.window - grid.align) * grid.log10_step))


def resample(
    flux: Floats,
    ivar: Floats,
    z: NDArray,
    start: NDArray[np.int32],
    observed: Grid,
    grid: RestFrameGrid,
) -> tuple[Floats, Floats]:
    """Resample observed spectra to their rest-frame windows.

    With a the overlap of an observed pixel in units of its width and w its ivar,
    flux = Σ a w f / Σ a w, the weighted mean flux density over the pixel, and weight = Σ a w.
    Weights add up over pixels to the inverse variance of their mean, exactly, which the inverse
    variances of single pixels do not: neighbours share an observed pixel and so its noise. A
    single pixel's own variance is less than 1 / weight by `find_noise_share`.

    Parameters
    ----------
    flux, ivar : ndarray of float32, shape (n, p)
        On the observed grid; ivar = 0 marks a bad pixel.
    z : ndarray, shape (n,)
    start : ndarray of int32, shape (n,)
    observed : Grid
    grid : RestFrameGrid

    Returns
    -------
    flux, weight : ndarray of float32, shape (n, window)
        In the input's units; both 0 where no good pixel overlaps.
    """
    if observed.is_log:
        return _resample_log_rows(flux, ivar, z, start, observed, grid)
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


def resample_log(
    flux: NDArray,
    ivar: NDArray,
    log10_first: float,
    log10_step: float,
    z: float,
    start: int,
    grid: RestFrameGrid,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Resample one spectrum of a logarithmic observed grid to a rest-frame window.

    Parameters
    ----------
    flux, ivar : ndarray, shape (p,)
        ivar = 0 marks a bad pixel.
    log10_first, log10_step : float
        log10 of the centre (Å) of the first pixel, and the width of a pixel in dex.
    z : float
    start : int
        First pixel of the window.
    grid : RestFrameGrid

    Returns
    -------
    flux, weight : ndarray, shape (window,)
        As of `resample`.
    """
    edges = grid.log10_start + grid.log10_step * (start + np.arange(grid.window + 1))
    place = (edges + np.log10(1 + z) - log10_first) / log10_step + 0.5
    return rebin(flux, ivar, place)


def find_noise_share(grid: RestFrameGrid, observed: Grid) -> Floats:
    """Return variance × weight of a resampled pixel, shape (window,), below 1.

    A pixel as wide as L observed ones, averaged over where its edges fall and with equal ivar, has
    Σ a² / Σ a = 1 − 1/(3 L), and L − L²/3 where L < 1.
    """
    low, _ = _log10_edges(observed)
    # A window starts up to `align` pixels blueward of the first observed pixel.
    pixels = np.arange(grid.window, dtype=np.float64) + 0.5 * (1 - grid.align)
    wave = 10 ** (low + grid.log10_step * pixels)
    width = observed.step * np.log(10) * wave if observed.is_log else observed.step
    ratio = wave * np.log(10) * grid.log10_step / width
    return np.where(ratio < 1, ratio - ratio**2 / 3, 1 - 1 / (3 * ratio)).astype(np.float32)


def normalise(flux: Floats, ivar: Floats) -> Floats:
    """Return a positive scale for each spectrum, shape (n,), that survives faint and negative ones.

    The median flux over good pixels, but at least three standard errors of the mean flux, so that
    a spectrum of noise stays noise.

    Parameters
    ----------
    flux, ivar : ndarray of float32, shape (n, m)
    """
    norm = np.ones(len(flux), np.float32)
    total = ivar.sum(axis=1, dtype=np.float64)
    has_signal = total > 0
    median = median_of_good(flux, ivar > 0)[has_signal]
    norm[has_signal] = np.maximum(median, _NORM_FLOOR_SIGMA / np.sqrt(total[has_signal]))
    return norm


def _resample_log_rows(
    flux: NDArray, ivar: NDArray, z: NDArray, start: NDArray, observed: Grid, grid: RestFrameGrid
) -> tuple[Floats, Floats]:
    windows = np.zeros((2, len(z), grid.window), np.float32)
    for row in range(len(z)):
        windows[:, row] = resample_log(
            flux[row], ivar[row], observed.start, observed.step, z[row], start[row], grid
        )
    return windows[0], windows[1]


def _log10_edges(observed: Grid) -> tuple[float, float]:
    low = observed.start - observed.step / 2
    high = low + observed.step * observed.size
    return (low, high) if observed.is_log else (float(np.log10(low)), float(np.log10(high)))


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


@njit(cache=True, error_model="numpy")
def _resample(flux, ivar, first_edge, ratios, offset):  # type: ignore[no-untyped-def]
    n, n_in = flux.shape
    n_out = ratios.shape[0] - 1
    out = np.empty((2, n, n_out), np.float32)
    out_flux, out_weight = out[0], out[1]
    # Two pixels without weight follow, for edges that lie at the end of the observed grid.
    weight, product = np.zeros(n_in + 2), np.zeros(n_in + 2)
    pixel, part = np.empty(n_out + 1, np.int32), np.empty(n_out + 1)
    sums = np.empty(n_out), np.empty(n_out)
    for k in range(n):
        # Passes of their own: all but the sums over a bin's pixels become vector instructions.
        for i in range(n_in):
            weight[i] = ivar[k, i]
            product[i] = np.float64(ivar[k, i]) * flux[k, i] if ivar[k, i] > 0 else 0.0
        for j in range(n_out + 1):
            place = first_edge[k] * ratios[j] - offset
            # In this order NaN becomes 0.
            place = place if place > 0.0 else 0.0
            place = place if place < n_in else float(n_in)
            pixel[j] = np.int32(place)
            part[j] = place - pixel[j]
        sum_bins(weight, product, pixel, part, *sums)
        for j in range(n_out):
            total, weighted = sums[0][j], sums[1][j]
            out_flux[k, j] = weighted / total if total > 0.0 else 0.0
            out_weight[k, j] = total
    return out_flux, out_weight
