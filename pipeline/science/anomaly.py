"""Statistics of how badly a model fits a spectrum and how far out its latent lies."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.science.vae import SpectrumVAE, fit_amplitude, soften

# Observed wavelengths (Å) at which the arms hand over: the middle of their overlaps.
_ARM_EDGES = {"b": (0.0, 5780.0), "r": (5780.0, 7570.0), "z": (7570.0, np.inf)}


@dataclass(frozen=True)
class Fit:
    """A model's fit to windows.

    Attributes
    ----------
    latent : ndarray, shape (n, k)
    divergence : ndarray, shape (n,)
        Kullback–Leibler divergence of the posterior, nats.
    amplitude : ndarray, shape (n,)
    model : ndarray, shape (n, m)
        Reconstruction times amplitude, in units of the window's norm.
    chi : ndarray, shape (n, m)
        (flux − model)·√weight; 0 where the pixel is missing or the model untrained.
    is_used : ndarray of bool, shape (n, m)
        Pixels that enter the statistics.
    """

    latent: NDArray
    divergence: NDArray
    amplitude: NDArray
    model: NDArray
    chi: NDArray
    is_used: NDArray


@torch.no_grad()
def fit_windows(
    network: SpectrumVAE, support: Tensor, min_support: int,
    flux: Tensor, ivar: Tensor, start: Tensor,
) -> Fit:  # fmt: skip
    """Fit windows at their posterior means.

    The noise is softened by the model's fractional error times the model itself, so that bright
    spectra are not called strange for a misfit of a few per cent.

    Parameters
    ----------
    network : SpectrumVAE
    support : Tensor, shape (grid,)
        Training spectra per pixel of the global grid.
    min_support : int
        Pixels with less support are not used: the model has not learnt them.
    flux, ivar : Tensor, shape (n, m)
    start : Tensor of int64, shape (n,)
    """
    pixels = start[:, None] + torch.arange(flux.shape[1])
    trusted = torch.where(support[pixels] >= min_support, ivar, 0.0)
    posterior = network.encode(flux, trusted, start)
    spectrum = network.decode(posterior.mean, start)
    weight = soften(trusted, network.shape.model_error)
    amplitude = fit_amplitude(flux, weight, spectrum)
    model = amplitude * spectrum
    weight = soften(trusted, network.shape.model_error * model.abs().clamp(min=1))
    chi = (flux - model) * weight.sqrt()
    return Fit(
        posterior.mean.numpy(), posterior.divergence().numpy(), amplitude[:, 0].numpy(),
        model.numpy(), chi.numpy(), (trusted > 0).numpy(),
    )  # fmt: skip


def reduced_chi2(fit: Fit, n_parameters: int, within: NDArray | None = None) -> NDArray[np.float32]:
    """Return χ² per degree of freedom, shape (n,); NaN without a pixel.

    Parameters
    ----------
    fit : Fit
    n_parameters : int
        Fitted parameters, taken off in proportion to the pixels used.
    within : ndarray of bool, shape (n, m), optional
        Restrict to these pixels, e.g. one arm.
    """
    used = fit.is_used if within is None else fit.is_used & within
    n_used = np.count_nonzero(used, axis=1)
    n_all = np.maximum(np.count_nonzero(fit.is_used, axis=1), 1)
    freedom = n_used * np.maximum(1 - n_parameters / n_all, 0.1)
    total = np.einsum("ij,ij->i", np.where(used, fit.chi, 0.0), fit.chi, dtype=np.float64)
    unknown = np.full(len(n_used), np.nan)
    return np.divide(total, freedom, out=unknown, where=n_used > 0).astype(np.float32)


def find_arm(observed_wave: NDArray, arm: str) -> NDArray[np.bool_]:
    """Mark the pixels, by observed wavelength in Å of any shape, that an arm measures best."""
    low, high = _ARM_EDGES[arm]
    return (observed_wave >= low) & (observed_wave < high)


class Isolation:
    """Isolation Forest (Liu et al. 2008) grown on the latents of the training sample.

    Parameters
    ----------
    latents : ndarray, shape (n, k)
    n_trees : int
    seed : int
    """

    def __init__(self, latents: NDArray, n_trees: int, seed: int) -> None:
        from sklearn.ensemble import IsolationForest

        self._forest = IsolationForest(n_estimators=n_trees, random_state=seed).fit(latents)

    def score(self, latents: NDArray) -> NDArray[np.float32]:
        """Return scores in (0, 1), shape (n,), for latents (n, k); higher is more isolated."""
        if not len(latents):
            return np.zeros(0, np.float32)
        return -self._forest.score_samples(latents).astype(np.float32)
