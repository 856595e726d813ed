"""Rival redshifts: where else a spectrum would fit a normal quasar, and its window there."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.spectra.science.pca import LinearBasis, free_amplitude, measure_misfit, rebin
from pipeline.spectra.science.residuals import Residuals

# Pixels per bin: for every redshift of the grid, and for the places about the best.
_BIN, _FINE = 16, 4
# Rivals are at least this far from the redshift in question and from each other, in pixels.
_SEPARATION = 96


def find_rivals(spectra: Residuals, basis: LinearBasis, n_rivals: int) -> NDArray[np.intp]:
    """Find the shifts at which a spectrum fits a normal quasar better than where it is.

    At every redshift of the grid it is fitted by the mean quasar and its components, and judged by
    the evidence: χ² with what the coefficients cost.

    Parameters
    ----------
    spectra : Residuals
        Windows that start at multiples of 16 pixels.
    basis : LinearBasis
        Mean quasar and components of unit prior variance, on bins of 1, 2 or 4 pixels of the grid.
    n_rivals : int

    Returns
    -------
    ndarray of int, shape (n, n_rivals)
        Pixels by which the window is to be moved on the grid, best first; 0 where there is no
        further rival.
    """
    flux, weight = (
        torch.from_numpy(np.ascontiguousarray(values, np.float32))
        for values in (spectra.flux, spectra.weight)
    )
    coarse, fine = (free_amplitude(basis, spectra.grid.size // bin_) for bin_ in (_BIN, _FINE))
    found = np.zeros((len(spectra), n_rivals), np.intp)
    for row, own in enumerate(spectra.start.tolist()):
        one = flux[row : row + 1], weight[row : row + 1]
        last = spectra.grid.size - flux.shape[1]
        places = torch.arange(0, last + 1, _BIN)
        misfit = _fit_places(*one, places, coarse, _BIN)
        # No rival is what fits worse than the redshift in question.
        misfit[misfit >= misfit[own // _BIN]] = torch.inf
        misfit[(places - own).abs() < _SEPARATION] = torch.inf
        for k in range(n_rivals):
            best = int(misfit.argmin())
            if not torch.isfinite(misfit[best]):
                break
            near = torch.arange(-_BIN, _BIN + 1, _FINE) + places[best]
            near = near[(near >= 0) & (near <= last)]
            finest = _fit_places(*one, near, fine, _FINE)
            found[row, k] = int(near[finest.argmin()]) - own
            misfit[(places - places[best]).abs() < _SEPARATION] = torch.inf
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


def _fit_places(
    flux: Tensor, weight: Tensor, places: Tensor, basis: LinearBasis, pixels: int
) -> Tensor:
    """Return the misfit of one window, (1, m), with its first pixel at each place."""
    every = len(places), -1
    flux, weight = rebin(flux, weight, pixels)
    return measure_misfit(flux.expand(every), weight.expand(every), places // pixels, basis)
