"""Weighted means of flux density over the pixels of another grid, whatever the two grids are."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def find_edges(wave: NDArray) -> NDArray[np.float64]:
    """Return the edges of pixels, shape (p + 1,): amid the centres, the outer ones by symmetry.

    Parameters
    ----------
    wave : ndarray, shape (p,)
        Rising centres, Å; at least two.
    """
    inner = 0.5 * (wave[1:] + wave[:-1])
    return np.concatenate([[2 * wave[0] - inner[0]], inner, [2 * wave[-1] - inner[-1]]])


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
