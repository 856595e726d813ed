"""A model's fit to spectra, and every statistic of how far a spectrum departs from it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catalog_schema.statistics import FILTER_WIDTHS, HYPOTHESES, LATENT_AXES, POWER_WIDTHS
from pipeline.science.filters import scan_widths
from pipeline.science.hypotheses import ARM_EDGES, Hypotheses
from pipeline.science.restframe import RestFrameGrid
from pipeline.science.vae import SpectrumVAE, fit_amplitude, soften

# Pixels per bin of the excess scatter, and how many values make a bin worth measuring.
EXCESS_BIN = 16
_MIN_VALUES, _MAX_VALUES = 200, 20_000
# Median of chi-squared with one degree of freedom.
_MEDIAN_CHI2 = 0.4549
_MAX_EXCESS, _HALVINGS = 1.0, 18
# A posterior as wide as the prior says nothing about the latent.
_MIN_INFORMATION = 1e-3
_TINY = 1e-30


@dataclass(frozen=True)
class Fit:
    """A model's fit to windows.

    Attributes
    ----------
    latent, latent_variance : ndarray, shape (n, k)
        Mean and variance of the posterior.
    divergence : ndarray, shape (n,)
        Kullback–Leibler divergence of the posterior, nats.
    amplitude : ndarray, shape (n,)
    model : ndarray, shape (n, m)
        Reconstruction times amplitude, in units of the window's norm.
    residual : ndarray, shape (n, m)
        Flux minus model; 0 where the pixel is not used.
    weight : ndarray, shape (n, m)
        Weight of the pixel; 0 where it is missing or the model untrained.
    """

    latent: NDArray
    latent_variance: NDArray
    divergence: NDArray
    amplitude: NDArray
    model: NDArray
    residual: NDArray
    weight: NDArray

    @property
    def is_used(self) -> NDArray[np.bool_]:
        """Pixels that enter the statistics, shape (n, m)."""
        return self.weight > 0


@torch.no_grad()
def fit_windows(
    network: SpectrumVAE, support: Tensor, min_support: int,
    flux: Tensor, weight: Tensor, start: Tensor,
) -> Fit:  # fmt: skip
    """Fit windows at their posterior means.

    Parameters
    ----------
    network : SpectrumVAE
    support : Tensor, shape (grid,)
        Training spectra per pixel of the global grid.
    min_support : int
        Pixels with less support are not used: the model has not learnt them.
    flux, weight : Tensor, shape (n, m)
    start : Tensor of int64, shape (n,)
    """
    pixels = start[:, None] + torch.arange(flux.shape[1])
    trusted = torch.where(support[pixels] >= min_support, weight, 0.0)
    posterior = network.encode(flux, trusted, start)
    spectrum = network.decode(posterior.mean, start)
    amplitude = fit_amplitude(flux, soften(trusted, network.shape.model_error), spectrum)
    model = amplitude * spectrum
    residual = torch.where(trusted > 0, flux - model, 0.0)
    return Fit(
        posterior.mean.numpy(), posterior.log_variance.exp().numpy(),
        posterior.divergence().numpy(), amplitude[:, 0].numpy(),
        model.numpy(), residual.numpy(), trusted.numpy(),
    )  # fmt: skip


def join_fits(fits: Sequence[Fit]) -> Fit:
    """Return the fits of several batches as one."""
    return Fit(*(np.concatenate([getattr(fit, f.name) for fit in fits]) for f in fields(Fit)))


def take_fit(fit: Fit, rows: NDArray) -> Fit:
    """Return the given rows of a fit."""
    return Fit(*(getattr(fit, f.name)[rows] for f in fields(Fit)))


def measure_excess(
    fit: Fit, noise_share: NDArray, start: NDArray, size: int
) -> NDArray[np.float32]:
    """Measure by which fraction of the model its residuals scatter beyond the noise.

    In each bin of the rest frame the excess is what brings the median of r² / (noise + excess²
    model²) to that of pure noise: the median does not see anomalies.

    Parameters
    ----------
    fit : Fit
        Of spectra that the model has not seen.
    noise_share : ndarray, shape (m,)
        Variance × weight of a pixel of the window.
    start : ndarray of int, shape (n,)
        First pixel of each window.
    size : int
        Pixels of the grid.

    Returns
    -------
    ndarray, shape (size / 16,)
        Where too few spectra tell, the largest excess measured.
    """
    bins = (start[:, None] + np.arange(fit.residual.shape[1])) // EXCESS_BIN
    used = fit.is_used
    order = np.argsort(bins[used], kind="stable")
    edges = np.searchsorted(bins[used][order], np.arange(size // EXCESS_BIN + 1))
    noise = np.divide(noise_share, fit.weight, where=used, out=np.zeros_like(fit.weight))
    values = [array[used][order] for array in (fit.residual**2, noise, fit.model**2)]
    excess = np.full(size // EXCESS_BIN, np.nan, np.float32)
    for k, (first, last) in enumerate(pairwise(edges)):
        if last - first >= _MIN_VALUES:
            stride = slice(first, last, -(-(last - first) // _MAX_VALUES))
            excess[k] = _solve_excess(*(array[stride] for array in values))
    largest = float(np.nanmax(excess)) if np.isfinite(excess).any() else _MAX_EXCESS
    return np.nan_to_num(excess, nan=largest)


def add_excess(fit: Fit, excess: NDArray, start: NDArray) -> NDArray[np.float32]:
    """Return the weights of a fit with the model's own scatter added to the noise, shape (n, m)."""
    bins = (start[:, None] + np.arange(fit.model.shape[1])) // EXCESS_BIN
    return fit.weight / (1 + fit.weight * (excess[bins] * fit.model) ** 2)


def measure_statistics(
    fit: Fit, weight: NDArray, noise_share: NDArray, hypotheses: Hypotheses,
    start: NDArray, z: NDArray, grid: RestFrameGrid,
) -> dict[str, NDArray]:  # fmt: skip
    """Return every statistic of `catalog_schema.statistics` but `isolation`.

    Also ``emission_wave`` and ``absorption_wave``: where in the rest frame (Å) each width's most
    significant excess and lack of flux lie, shape (n, number of widths), NaN without one.

    Parameters
    ----------
    fit : Fit
    weight : ndarray, shape (n, m)
        Of `add_excess`.
    noise_share : ndarray, shape (m,)
    hypotheses : Hypotheses
    start, z : ndarray, shape (n,)
    grid : RestFrameGrid
    """
    wave = grid.wave
    observed = wave[start[:, None] + np.arange(weight.shape[1])] * (1 + z[:, None])
    n_parameters = fit.latent.shape[1] + 1
    scatter = 1 / np.maximum(weight, _TINY) - 1 / np.maximum(fit.weight, _TINY)
    variance = noise_share / np.maximum(fit.weight, _TINY) + scatter
    chi = np.where(fit.is_used, fit.residual / np.sqrt(variance), 0.0)
    chi2 = {"chi2": reduced_chi2(chi, fit.is_used, n_parameters)} | {
        f"chi2_{arm}": reduced_chi2(chi, fit.is_used, n_parameters, find_arm(observed, arm))
        for arm in ARM_EDGES
    }
    scan = scan_widths(fit.residual, weight, FILTER_WIDTHS)
    powers = {f"power_{w}": scan.power[:, FILTER_WIDTHS.index(w)] for w in POWER_WIDTHS}
    scores = hypotheses.test(
        torch.from_numpy(fit.residual), torch.from_numpy(weight), torch.from_numpy(fit.model),
        torch.from_numpy(start.astype(np.int64)), torch.from_numpy(z.astype(np.float32)),
    ).numpy()  # fmt: skip
    return {
        **chi2,
        **{f"emission_{w}": scan.emission[:, k] for k, w in enumerate(FILTER_WIDTHS)},
        **{f"absorption_{w}": scan.absorption[:, k] for k, w in enumerate(FILTER_WIDTHS)},
        **powers,
        **dict(zip(HYPOTHESES, scores.T, strict=True)),
        **_measure_latent(fit),
        "emission_wave": _to_wave(wave, start, scan.emission_pixel),
        "absorption_wave": _to_wave(wave, start, scan.absorption_pixel),
    }


def reduced_chi2(
    chi: NDArray, is_used: NDArray, n_parameters: int, within: NDArray | None = None
) -> NDArray[np.float32]:
    """Return χ² per degree of freedom, shape (n,); NaN without a pixel.

    Parameters
    ----------
    chi : ndarray, shape (n, m)
    is_used : ndarray of bool, shape (n, m)
    n_parameters : int
        Fitted parameters, taken off in proportion to the pixels used.
    within : ndarray of bool, shape (n, m), optional
        Restrict to these pixels, e.g. one arm.
    """
    used = is_used if within is None else is_used & within
    n_used = np.count_nonzero(used, axis=1)
    n_all = np.maximum(np.count_nonzero(is_used, axis=1), 1)
    freedom = n_used * np.maximum(1 - n_parameters / n_all, 0.1)
    total = np.einsum("ij,ij->i", np.where(used, chi, 0.0), chi, dtype=np.float64)
    unknown = np.full(len(n_used), np.nan)
    return np.divide(total, freedom, out=unknown, where=n_used > 0).astype(np.float32)


def find_arm(observed_wave: NDArray, arm: str) -> NDArray[np.bool_]:
    """Mark the pixels, by observed wavelength in Å of any shape, that an arm measures best."""
    low, high = ARM_EDGES[arm]
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


def _measure_latent(fit: Fit) -> dict[str, NDArray]:
    """Return how far out the latent lies, as a whole and along its leading axes."""
    # The posterior mean of a normal spectrum scatters by what its data tell of the latent.
    axes = fit.latent / np.sqrt(np.maximum(1 - fit.latent_variance, 0) + _MIN_INFORMATION)
    known = axes.shape[1]
    return {
        "distance": (axes**2).sum(1),
        "kl_divergence": np.maximum(fit.divergence, 0),
        **{
            f"axis_{k}": axes[:, k] if k < known else np.zeros(len(axes))
            for k in range(LATENT_AXES)
        },
    }


def _to_wave(wave: NDArray, start: NDArray, pixel: NDArray) -> NDArray[np.float32]:
    place = np.where(pixel >= 0, start[:, None] + pixel, 0)
    return np.where(pixel >= 0, wave[place], np.nan).astype(np.float32)


def _solve_excess(square: NDArray, noise: NDArray, power: NDArray) -> float:
    low, high = 0.0, _MAX_EXCESS
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if np.median(square / (noise + middle**2 * power)) > _MEDIAN_CHI2:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
