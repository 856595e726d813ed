"""Rival redshifts: where else the lines of a spectrum would fit, and its window there."""

import numpy as np
from numpy.typing import NDArray

from pipeline.spectra.science.residuals import Residuals, divide

# Pixels per bin, and bins over which the continuum is averaged.
_BIN, _CONTINUUM = 8, 75
# Rivals are at least this far from the redshift in question and from each other, in bins.
_SEPARATION = 12


def find_rivals(spectra: Residuals, template: NDArray, n_rivals: int) -> NDArray[np.intp]:
    """Find the shifts at which the lines of a spectrum match those of an ordinary quasar best.

    Spectrum and template are divided by their running means and correlated at every shift,
    weighted by inverse variance. Where two lines of the spectrum coincide with two others of the
    template, there is a peak.

    Parameters
    ----------
    spectra : Residuals
        Windows that start at multiples of 8 pixels.
    template : ndarray, shape (grid.size,)
        Mean quasar on the global grid.
    n_rivals : int

    Returns
    -------
    ndarray of int, shape (n, n_rivals)
        Pixels by which the window is to be moved on the grid, best first; 0 where there is no
        further rival.
    """
    n, m = spectra.flux.shape
    weight = spectra.weight.reshape(n, -1, _BIN).sum(2)
    flux = divide((spectra.weight * spectra.flux).reshape(n, -1, _BIN).sum(2), weight)
    lines, weight = _flatten(np.nan_to_num(flux), weight)
    mean = template.reshape(1, -1, _BIN).mean(2)
    shape = _flatten(mean, (mean > 0).astype(float))[0][0]
    shifted = np.lib.stride_tricks.sliding_window_view(shape, m // _BIN)
    signal = (weight * lines) @ shifted.T
    match = np.nan_to_num(divide(signal, np.sqrt(weight @ (shifted**2).T)))
    own = spectra.start // _BIN
    places = np.arange(match.shape[1])
    found = np.zeros((n, n_rivals), np.intp)
    match[np.abs(places - own[:, None]) < _SEPARATION] = 0
    for k in range(n_rivals):
        best = np.argmax(match, axis=1)
        is_match = match[np.arange(n), best] > 0
        found[:, k] = np.where(is_match, (best - own) * _BIN, 0)
        match[np.abs(places - best[:, None]) < _SEPARATION] = 0
    return found


def move_window(
    values: NDArray, start: NDArray, shift: NDArray, align: int
) -> tuple[NDArray, NDArray[np.int32]]:
    """Move windows on the grid, as another redshift would.

    Parameters
    ----------
    values : ndarray, shape (n, m)
    start, shift : ndarray of int, shape (n,)
        First pixel, and pixels to move it by.
    align : int
        Windows start at multiples of this many pixels.

    Returns
    -------
    values : ndarray, shape (n, m)
        Moved within their windows by what alignment leaves; emptied pixels are 0.
    start : ndarray of int32, shape (n,)
    """
    moved = start + shift
    first = moved // align * align
    source = np.arange(values.shape[1]) - (moved - first)[:, None]
    taken = np.take_along_axis(values, np.maximum(source, 0), axis=1)
    return np.where(source >= 0, taken, 0).astype(values.dtype), first.astype(np.int32)


def shift_redshift(z: NDArray, shift: NDArray, log10_step: float) -> NDArray[np.float64]:
    """Return the redshift whose window lies `shift` pixels further on the grid, shape (n,)."""
    return (1 + z) * 10.0 ** (-log10_step * shift) - 1


def confuse_lines(
    z: float, lines: tuple[float, ...], observed: tuple[float, float], rng: np.random.Generator
) -> float | None:
    """Return a redshift at which one line in the observed range (Å) is taken for another."""
    seen = [line for line in lines if observed[0] < line * (1 + z) < observed[1]]
    mistakes = [(1 + z) * line / other - 1 for line in seen for other in lines if line != other]
    possible = [wrong for wrong in mistakes if wrong > 0]
    return float(rng.choice(possible)) if possible else None


def _flatten(flux: NDArray, weight: NDArray) -> tuple[NDArray, NDArray]:
    """Return flux over its running mean, minus 1, and the weight of that."""
    kernel = np.ones(_CONTINUUM)
    top, total = (
        np.apply_along_axis(np.convolve, 1, values, kernel, mode="same")
        for values in (weight * flux, weight)
    )
    level = np.nan_to_num(divide(top, total))
    # A continuum below its own noise makes no line.
    is_bright = level**2 * total > 1
    ratio = np.where(is_bright, divide(flux, np.where(level > 0, level, np.nan)) - 1, 0)
    return np.nan_to_num(ratio), np.where(is_bright & (level > 0), weight * level**2, 0)
