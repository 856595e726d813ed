"""One published spectrum as arrays, and what is computed from it for display."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling

Array = NDArray[np.float64]

# Bits of DESI's SPECMASK, by position.
MASK_BITS = (
    "SOMEBADPIX",
    "ALLBADPIX",
    "COSMIC",
    "LOWFLAT",
    "BADFIBERFLAT",
    "BRIGHTSKY",
    "BADSKY",
    "BAD2DFIT",
    "NODATA",
    "BADFIBER",
    "BADCOLUMN",
)
# How far, in units of the central range, an axis follows its extreme values.
_REACH = 1.5
# Into how many blocks a chart's pixels are cut, somewhat more than a screen has columns.
_N_BLOCKS = 1_000
UNMASKED = "ivar = 0 without a bit"


@dataclass(frozen=True)
class Spectrum:
    """Observed wavelengths (vacuum, Angstrom), flux, inverse variance, mask bits and model.

    All have one value a pixel, in the order of wavelengths; `sampling` has the arms.
    """

    wave: Array
    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    mask: NDArray[np.int32]
    model: NDArray[np.float32]
    sampling: Sampling = SAMPLING

    @property
    def n_good(self) -> int:
        """Number of pixels with information."""
        return int(np.count_nonzero(self.ivar > 0))


@dataclass(frozen=True)
class Curves:
    """What the chart draws, one value per pixel; NaN where nothing is known."""

    wave: Array
    flux: Array
    sigma: Array
    model: Array
    residual: Array


def make_curves(spectrum: Spectrum, width: int) -> Curves:
    """Smooth a spectrum with inverse-variance weights.

    Parameters
    ----------
    spectrum : Spectrum
    width : int
        Pixels under the boxcar, odd; 1 leaves the spectrum as it is.

    Returns
    -------
    Curves
        The weighted mean flux and its one-sigma error, and the significance of the mean residual
        of the unsmoothed spectrum in units of that error.
    """
    ivar = spectrum.ivar.astype(np.float64)
    model = spectrum.model.astype(np.float64)
    weight = _sum_windows(ivar, width)
    seen = weight > 0
    inverse = np.divide(1.0, weight, out=np.full_like(weight, np.nan), where=seen)
    flux = _sum_windows(ivar * spectrum.flux, width) * inverse
    # The model is undefined (NaN) where it has learnt from too few spectra.
    fitted = np.where(np.isfinite(model), ivar, 0.0)
    evidence = _sum_windows(fitted, width)
    total = _sum_windows(fitted * (spectrum.flux - np.nan_to_num(model)), width)
    compared = (evidence > 0) & seen
    residual = np.full_like(total, np.nan)
    residual[compared] = total[compared] / np.sqrt(evidence[compared])
    return Curves(spectrum.wave, flux, np.sqrt(inverse), model, residual)


def name_arms(spectrum: Spectrum) -> list[str]:
    """Return the arm of each pixel; the overlaps are cut in the middle."""
    arms = spectrum.sampling.arms
    pixels = [(left.last + right.first) // 2 for left, right in pairwise(arms)]
    # Between two pixels, where no rounding of a wavelength reaches.
    cuts = spectrum.sampling.grid.to_wave(np.array(pixels) - 0.5)
    return [arms[k].name for k in np.searchsorted(cuts, spectrum.wave)]


def shift_like(
    spectrum: Spectrum, z: float, wanted: Spectrum, wanted_z: float, width: int
) -> tuple[Array, Array]:
    """Move a spectrum to another's redshift and level, for comparison by eye.

    Parameters
    ----------
    spectrum, wanted : Spectrum
    z, wanted_z : float
    width : int
        Pixels that are averaged into one.

    Returns
    -------
    wave, flux : ndarray
        Observed Angstrom and flux density, as if the object stood where the wanted one does.
    """
    size = len(spectrum.flux) // width * width
    ivar = spectrum.ivar[:size].reshape(-1, width).astype(np.float64)
    total = ivar.sum(axis=1)
    flux = (ivar * spectrum.flux[:size].reshape(-1, width)).sum(axis=1)
    flux = np.divide(flux, total, out=np.full_like(total, np.nan), where=total > 0)
    wave = spectrum.wave[:size].reshape(-1, width).mean(axis=1) * (1 + wanted_z) / (1 + z)
    inside = (wave >= wanted.wave[0]) & (wave <= wanted.wave[-1])
    return wave[inside], flux[inside] * _measure_level(wanted) / _measure_level(spectrum)


def list_masked(spectrum: Spectrum) -> list[tuple[str, float, float, int]]:
    """List runs of bad pixels: name of the bit, first and last observed wavelength, pixels."""
    edges = _find_edges(spectrum.wave)
    layers = [(name, (spectrum.mask & (1 << bit)) != 0) for bit, name in enumerate(MASK_BITS)]
    layers.append((UNMASKED, (spectrum.ivar <= 0) & (spectrum.mask == 0)))
    return [
        (name, float(edges[first]), float(edges[last]), int(last - first))
        for name, bad in layers
        for first, last in _runs(bad)
    ]


def robust_range(values: Array) -> tuple[float, float]:
    """Return limits with a margin that hold every value unless a few dwarf all others."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return 0.0, 1.0
    low, high = np.quantile(known, [0.001, 0.999])
    span = float(high - low) or 1.0
    low = max(float(known.min()), low - _REACH * span)
    high = min(float(known.max()), high + _REACH * span)
    return float(low - 0.05 * span), float(high + 0.05 * span)


def split_pixels(size: int, inside: tuple[int, int] | None) -> NDArray[np.int64]:
    """Cut pixels into blocks of which each gets a column of the screen.

    Parameters
    ----------
    size : int
    inside : tuple of int, or None
        First and one past the last pixel of a part that fills the screen. What lies beside it is
        cut as coarsely as without one, so that it is there when the part is left.

    Returns
    -------
    ndarray
        The first pixel of each block.
    """
    first, last = inside or (0, 0)
    parts = ((0, first, size), (first, last, last - first), (last, size, size))
    return np.concatenate([np.arange(low, high, size_block(n)) for low, high, n in parts])


def size_block(n: int) -> int:
    """Return how many of so many pixels share a column of the screen that they fill."""
    return max(1, -(-n // _N_BLOCKS))


def pick_extremes(values: Array, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, in order, the pixels with the least and the greatest known value of each block."""
    sizes = np.diff(starts, append=len(values))
    order = np.lexsort((values, np.repeat(np.arange(len(starts)), sizes)))
    known = np.add.reduceat(np.isfinite(values).astype(np.int64), starts)
    # NaN sorts last; a block of nothing else gives one, which is drawn as a gap.
    return np.unique([order[starts], order[starts + np.maximum(known, 1) - 1]])


def _measure_level(spectrum: Spectrum) -> float:
    """Return a positive level of the flux that neither lines nor noise decide."""
    good = spectrum.flux[spectrum.ivar > 0]
    level = float(np.median(np.abs(good))) if good.size else 1.0
    return level or 1.0


def _sum_windows(values: Array, width: int) -> Array:
    if width == 1:
        return values
    return np.convolve(values, np.ones(width), mode="same")


def _runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return first and one past the last index of each run of true values."""
    steps = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return steps.reshape(-1, 2)


def _find_edges(wave: Array) -> Array:
    """Return the wavelengths between which the pixels lie, one more than there are pixels."""
    middles = (wave[1:] + wave[:-1]) / 2
    return np.concatenate(([2 * wave[0] - middles[0]], middles, [2 * wave[-1] - middles[-1]]))
