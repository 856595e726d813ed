"""Weighted means of flux density over the pixels of another grid, whatever the two grids are."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from catalog_schema.grids import Grid


def find_edges(wave: NDArray) -> NDArray[np.float64]:
    """Return the edges of pixels, shape (p + 1,): amid the centres, the outer ones by symmetry.

    Parameters
    ----------
    wave : ndarray, shape (p,)
        Rising centres, Å; at least two.
    """
    inner = 0.5 * (wave[1:] + wave[:-1])
    return np.concatenate([[2 * wave[0] - inner[0]], inner, [2 * wave[-1] - inner[-1]]])


@dataclass(frozen=True)
class Laid:
    """A spectrum on a grid: flux and ivar, shape (size,), ivar 0 where there is nothing.

    Attributes
    ----------
    n_beyond : int
        Good pixels that lie beyond the grid.
    is_resampled : bool
        Whether its own pixels are others than the grid's.
    """

    flux: NDArray[np.float64]
    ivar: NDArray[np.float64]
    n_beyond: int
    is_resampled: bool


def lay_out(
    wave: NDArray, flux: NDArray, ivar: NDArray, grid: Grid, tolerance: float = 0.05
) -> Laid:
    """Put a spectrum of any rising wavelengths on a grid.

    Where its wavelengths are the grid's, to a part of a pixel, values stay as they are, and pixels
    that it lacks are bad. Other ones are averaged by `rebin`; a gap of more than twice the usual
    distance of pixels is no pixel.

    Parameters
    ----------
    wave : ndarray, shape (p,)
        Rising, Å in vacuum; at least two.
    flux, ivar : ndarray, shape (p,)
        ivar = 0 marks a bad pixel.
    grid : Grid
    tolerance : float
        In pixels of the grid.
    """
    pixel = grid.to_pixel(wave)
    nearest = np.rint(pixel).astype(np.int64)
    is_inside = (nearest >= 0) & (nearest < grid.size)
    n_beyond = int(np.count_nonzero(ivar[~is_inside] > 0))
    laid = np.zeros((2, grid.size))
    if np.abs(pixel - nearest).max() <= tolerance and (np.diff(nearest) > 0).all():
        laid[:, nearest[is_inside]] = flux[is_inside], ivar[is_inside]
        return Laid(laid[0], laid[1], n_beyond, False)
    wave, flux, ivar = _fill_gaps(wave, flux, ivar)
    edges = grid.to_wave(np.arange(grid.size + 1) - 0.5)
    own = find_edges(wave)
    place = np.interp(edges, own, np.arange(len(own)))
    return Laid(*rebin(np.where(ivar > 0, flux, 0.0), ivar, place), n_beyond, True)


def rebin(
    flux: NDArray, ivar: NDArray, place: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average a spectrum over other pixels, weighted by inverse variance.

    With a the overlap of a pixel in units of its width and w its ivar, flux = Σ a w f / Σ a w and
    weight = Σ a w: the sum of the weights, and so the inverse variance of any mean over many
    pixels, is kept. Neighbours share a pixel that an edge cuts and are correlated, so that the
    variance of a single one is less than 1 / weight (see `restframe.find_noise_share`).

    Parameters
    ----------
    flux, ivar : ndarray, shape (p,)
        ivar = 0 marks a bad pixel.
    place : ndarray, shape (m + 1,)
        Rising edges of the wanted pixels in pixels of the given ones: i is the lower edge of pixel
        i. Beyond 0 and p there is nothing.

    Returns
    -------
    flux, weight : ndarray, shape (m,)
        Both 0 where no good pixel overlaps.
    """
    place = np.clip(place, 0, len(flux))
    pixel = place.astype(np.int32)
    weight = np.append(ivar.astype(np.float64), [0.0, 0.0])
    product = weight * np.append(flux.astype(np.float64), [0.0, 0.0])
    m = len(place) - 1
    total, weighted = np.empty(m), np.empty(m)
    sum_bins(weight, product, pixel, place - pixel, total, weighted)
    return np.divide(weighted, total, out=np.zeros(m), where=total > 0), total


@njit(cache=True)
def sum_bins(weight, product, pixel, part, total, weighted):  # type: ignore[no-untyped-def]
    """Write Σ a w and Σ a w f of each bin; only its first and last pixel have a < 1."""
    first, left = np.int64(pixel[0]), part[0]
    for j in range(total.shape[0]):
        last, right = np.int64(pixel[j + 1]), part[j + 1]
        if last - first < 2:
            is_cut = last > first
            low = 1.0 - left if is_cut else right - left
            high = right if is_cut else 0.0
            total[j] = low * weight[first] + high * weight[first + 1]
            weighted[j] = low * product[first] + high * product[first + 1]
        else:
            low = 1.0 - left
            inner_weight, inner_product = weight[first + 1], product[first + 1]
            for i in range(first + 2, last):
                inner_weight += weight[i]
                inner_product += product[i]
            total[j] = low * weight[first] + inner_weight + right * weight[last]
            weighted[j] = low * product[first] + inner_product + right * product[last]
        first, left = last, right


def _fill_gaps(wave: NDArray, flux: NDArray, ivar: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Put bad pixels at both ends of a gap, so that its neighbours stay as wide as they are."""
    step = np.diff(wave)
    # The usual distance nearby, for that changes along a grid.
    usual = np.minimum(np.append(step[1:], np.inf), np.insert(step[:-1], 0, np.inf))
    gaps = np.flatnonzero((step > 2 * usual) & np.isfinite(usual))
    if not len(gaps):
        return wave, flux, ivar
    added = np.column_stack([wave[gaps] + usual[gaps], wave[gaps + 1] - usual[gaps]]).ravel()
    places = np.repeat(gaps + 1, 2)
    return (
        np.insert(wave, places, added),
        np.insert(flux, places, 0.0),
        np.insert(ivar, places, 0.0),
    )
