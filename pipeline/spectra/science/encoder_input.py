"""What the encoder looks at, made of windows: on the CPU in few passes over their pixels.

A pixel passes some twenty operators before the first product, and each reads and writes all of
memory anew. On a GPU, and in a trace for ONNX, the operators stand for themselves.
"""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from pipeline.spectra.science.pca import place_on_grid, rebin


def soften(ivar: Tensor, error: float | Tensor) -> Tensor:
    """Add an error of the model to the noise: 1 / (1 / ivar + error²), 0 where ivar is 0."""
    return ivar / (1 + error**2 * ivar)


def make_patches(flux: Tensor, ivar: Tensor, first: Tensor, patch: int, size: int) -> Tensor:
    """Return compressed flux and trust of patches of pixels, shape (n, size, 2 patch).

    Parameters
    ----------
    flux, ivar : Tensor, shape (n, m)
        The flux of a missing pixel, whose ivar is 0, is not looked at.
    first : Tensor of int64, shape (n,)
        Place of each window's first patch; what lies before and behind the window is 0.
    patch : int
        Pixels of a patch.
    size : int
        Patches of the result.
    """
    n = flux.shape[0]
    if _is_plain(flux):
        patches, height = torch.empty(n, size, 2 * patch), flux.abs().log1p_()
        _fill_patches(*(each.numpy() for each in (flux, height, ivar, first, patches)))
        return patches
    trust = ivar / (ivar + 1)
    flux = torch.where(ivar > 0, flux, 0.0)
    compressed = flux.sign() * flux.abs().log1p() * trust
    pixels = [values.reshape(n, -1, patch) for values in (compressed, trust)]
    return place(torch.cat(pixels, 2), first, size)


def bin_residual(
    flux: Tensor, ivar: Tensor, start: Tensor, mean: Tensor, error: float, factor: int
) -> tuple[Tensor, Tensor]:
    """Return weights in bins of a grid, and weight × (flux − mean), each of shape (n, g).

    Parameters
    ----------
    flux, ivar : Tensor, shape (n, m)
        As of `make_patches`.
    start : Tensor of int64, shape (n,)
        First pixel of each window on the grid.
    mean : Tensor, shape (g,)
        In bins.
    error : float
        See `soften`.
    factor : int
        Pixels of a bin, a power of two.
    """
    if _is_plain(flux):
        weight, pull = torch.empty(2, len(flux), len(mean))
        given = (flux, ivar, start // factor, mean, weight, pull)
        _fill_bins(np.float32(error**2), factor, *(each.numpy() for each in given))
        return weight, pull
    flux = torch.where(ivar > 0, flux, 0.0)
    binned = rebin(flux, soften(ivar, error), factor)
    light, weight = (place_on_grid(values, start // factor, len(mean)) for values in binned)
    return weight, weight * (light - mean)


def place(values: Tensor, first: Tensor, size: int) -> Tensor:
    """Place rows of values (n, p, c) at the given first places of zeros of shape (n, size, c)."""
    if _is_plain(values):
        placed = torch.empty(len(values), size, values.shape[2])
        _fill_places(values.numpy(), first.numpy(), placed.numpy())
        return placed
    rows = torch.arange(values.shape[0], device=values.device)[:, None]
    index = first[:, None] + torch.arange(values.shape[1], device=values.device)
    placed = values.new_zeros(values.shape[0], size, values.shape[2])
    return placed.index_put_((rows, index), values)


def _is_plain(values: Tensor) -> bool:
    is_single = values.is_cpu and values.dtype == torch.float32
    return is_single and not values.requires_grad and not torch.jit.is_tracing()


@njit(cache=True)
def _fill_patches(flux, height, ivar, first, patches):  # type: ignore[no-untyped-def]
    (n, m), patch = flux.shape, patches.shape[2] // 2
    compressed, trust = np.empty(m, np.float32), np.empty(m, np.float32)
    for k in range(n):
        _compress(flux[k], height[k], ivar[k], compressed, trust)
        end = first[k] + m // patch
        patches[k, : first[k]] = 0
        for row in range(m // patch):
            both, begin = patches[k, first[k] + row], row * patch
            for i in range(patch):
                both[i] = compressed[begin + i]
            for i in range(patch):
                both[patch + i] = trust[begin + i]
        patches[k, end:] = 0


@njit(cache=True, error_model="numpy")
def _compress(flux, height, ivar, compressed, trust):  # type: ignore[no-untyped-def]
    for i in range(len(flux)):
        trust[i] = ivar[i] / (ivar[i] + np.float32(1))
    for i in range(len(flux)):
        signed = height[i] if flux[i] > 0 else -height[i]
        compressed[i] = trust[i] * signed if ivar[i] > 0 else np.float32(0)


@njit(cache=True, error_model="numpy")
def _fill_bins(error2, factor, flux, ivar, first, mean, weight, pull):  # type: ignore[no-untyped-def]
    n, m = flux.shape
    power, light = np.empty(m, np.float32), np.empty(m, np.float32)
    powers, lights = np.empty(m, np.float32), np.empty(m, np.float32)
    for k in range(n):
        _weigh(flux[k], ivar[k], error2, power, light)
        size = m
        while size > m // factor:
            size //= 2
            _halve(power, powers[:size])
            _halve(light, lights[:size])
            power, powers, light, lights = powers, power, lights, light
        weight[k], pull[k] = 0, 0
        bins = slice(first[k], first[k] + size)
        weight[k, bins] = power[:size]
        _take_off(light, power, mean[bins], pull[k, bins])


@njit(cache=True, error_model="numpy")
def _weigh(flux, ivar, error2, power, light):  # type: ignore[no-untyped-def]
    for i in range(len(flux)):
        power[i] = ivar[i] / (np.float32(1) + error2 * ivar[i])
    for i in range(len(flux)):
        light[i] = power[i] * flux[i] if ivar[i] > 0 else np.float32(0)


@njit(cache=True)
def _halve(values, sums):  # type: ignore[no-untyped-def]
    for i in range(len(sums)):
        sums[i] = values[2 * i] + values[2 * i + 1]


@njit(cache=True)
def _take_off(light, power, mean, pull):  # type: ignore[no-untyped-def]
    for i in range(len(pull)):
        pull[i] = light[i] - power[i] * mean[i]


@njit(cache=True)
def _fill_places(values, first, placed):  # type: ignore[no-untyped-def]
    for k in range(len(values)):
        end = first[k] + values.shape[1]
        placed[k, : first[k]] = 0
        placed[k, first[k] : end] = values[k]
        placed[k, end:] = 0
