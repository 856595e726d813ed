"""A batch of spectra with what a model leaves of them, and cuts around wavelengths."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.grids import Sampling
from pipeline.spectra.science.restframe import RestFrameGrid

_BLOCK = 64


class Cut(NamedTuple):
    """Pixels around a wavelength, arrays of shape (n, p); weight 0 outside the window."""

    flux: NDArray
    model: NDArray
    residual: NDArray
    weight: NDArray


@dataclass(frozen=True)
class Residuals:
    """Windows of spectra and their model.

    Attributes
    ----------
    flux, model : ndarray, shape (n, m)
        In units of the window's norm.
    weight : ndarray, shape (n, m)
        Inverse variance of noise and the model's own scatter; 0 where a pixel is not used.
    noise_weight : ndarray, shape (n, m)
        Inverse variance of the noise alone.
    start : ndarray of int, shape (n,)
        First pixel of each window on the grid.
    z : ndarray, shape (n,)
    grid : RestFrameGrid
    sampling : Sampling
        Of the observed spectra.
    """

    flux: NDArray
    model: NDArray
    weight: NDArray
    noise_weight: NDArray
    start: NDArray
    z: NDArray
    grid: RestFrameGrid
    sampling: Sampling

    def __len__(self) -> int:
        return len(self.z)

    @property
    def pixel_velocity(self) -> float:
        """Width of a pixel in km/s."""
        return LIGHT_SPEED * np.log(10) * self.grid.log10_step

    @cached_property
    def residual(self) -> NDArray:
        """Flux minus model, 0 where a pixel is not used, shape (n, m)."""
        return np.where(self.weight > 0, self.flux - self.model, 0.0)

    @cached_property
    def variance(self) -> NDArray:
        """Variance of the noise, NaN where a pixel is not used, shape (n, m)."""
        return divide(np.ones(1), self.noise_weight)

    @cached_property
    def quiet_variance(self) -> NDArray:
        """Variance of the noise without the sky's lines: medians of blocks of 64 pixels, (n, m)."""
        n, m = self.variance.shape
        padded = np.pad(self.variance, ((0, 0), (0, -m % _BLOCK)), constant_values=np.nan)
        blocks = np.sort(padded.reshape(n, -1, _BLOCK), axis=2)
        middle = np.count_nonzero(~np.isnan(blocks), axis=2) // 2
        level = np.take_along_axis(blocks, middle[:, :, None], axis=2)[:, :, 0]
        return np.repeat(level, _BLOCK, axis=1)[:, :m]

    @cached_property
    def observed_wave(self) -> NDArray:
        """Observed wavelengths in Å, shape (n, m)."""
        pixels = self.start[:, None] + np.arange(self.flux.shape[1])
        return self.grid.wave[pixels] * (1 + self.z[:, None])

    def find_pixel(self, wave: float, z: NDArray | float | None = None) -> NDArray[np.intp]:
        """Return the window pixel of a wavelength, shape (n,); it may lie outside the window.

        Parameters
        ----------
        wave : float
            Å in the frame of an object at redshift `z`, which is the spectrum's own by default.
        z : ndarray, shape (n,), or float, optional
        """
        ratio = 1.0 if z is None else (1 + np.asarray(z)) / (1 + self.z)
        place = (np.log10(wave * ratio) - self.grid.log10_start) / self.grid.log10_step
        return np.asarray(np.floor(place)).astype(np.intp) - self.start

    def cut(self, pixel: NDArray, offsets: NDArray) -> Cut:
        """Cut the pixels at some offsets from one pixel of each window.

        Parameters
        ----------
        pixel : ndarray of int, shape (n,)
        offsets : ndarray of int, shape (p,)
        """
        places = pixel[:, None] + offsets
        is_inside = (places >= 0) & (places < self.flux.shape[1])
        places = np.where(is_inside, places, 0)
        flux, model, residual, weight = (
            np.take_along_axis(array, places, axis=1)
            for array in (self.flux, self.model, self.residual, self.weight)
        )
        return Cut(flux, model, residual, np.where(is_inside, weight, 0.0))

    def find_fwhm(self, wave: NDArray) -> NDArray[np.float64]:
        """Return the instrument's FWHM in Å at observed wavelengths, NaN where not known, (n,)."""
        found = np.full(np.shape(wave), np.nan)
        spans = self.sampling.spans
        for arm in self.sampling.arms:
            low, high = spans[arm.name]
            found[(wave >= low) & (wave < high)] = np.nan if arm.fwhm is None else arm.fwhm
        return found

    def to_wave(self, pixel: NDArray) -> NDArray:
        """Return the rest wavelength in Å of a pixel of each window, shape (n,)."""
        place = np.clip(self.start + pixel, 0, self.grid.size - 1)
        return self.grid.wave[place]


def divide(above: NDArray, below: NDArray) -> NDArray:
    """Divide; NaN where the divisor is not positive."""
    above, below = np.broadcast_arrays(above, below)
    unknown = np.full(above.shape, np.nan)
    return np.divide(above, below, out=unknown, where=below > 0)


def slide_sum(values: NDArray, width: int) -> NDArray:
    """Return sums over `width` neighbours along the last axis, which shrinks by width − 1."""
    total = np.cumsum(values, axis=-1, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    return total[..., width:] - total[..., :-width]
