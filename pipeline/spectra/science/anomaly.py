"""A model's fit to spectra, and every statistic of how far a spectrum departs from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from catalog_schema.statistics import (
    ARM_POWER_WIDTHS,
    FILTER_WIDTHS,
    HYPOTHESES,
    LATENT_AXES,
    POWER_WIDTHS,
    SOURCES,
)
from catalog_schema.vocabulary import Arm
from pipeline.spectra.science.filters import scan_widths
from pipeline.spectra.science.hypotheses import Hypotheses
from pipeline.spectra.science.line_sets import scan_line_sets
from pipeline.spectra.science.restframe import RestFrameGrid
from pipeline.spectra.science.ripples import Ripples
from pipeline.spectra.science.vae import AMPLITUDE_PRIOR, SpectrumVAE

# Pixels per bin of the excess scatter, and how many values make a bin worth measuring.
EXCESS_BIN = 16
_MIN_VALUES, _MAX_VALUES = 200, 20_000
# Median of chi-squared with one degree of freedom.
_MEDIAN_CHI2 = 0.4549
_MAX_EXCESS, _HALVINGS = 1.0, 18
# A posterior as wide as the prior says nothing about the latent.
_MIN_INFORMATION = 1e-3


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

    def first(self, n: int) -> "Fit":
        """Return the fit of the first n windows."""
        return Fit(*(getattr(self, f.name)[:n] for f in fields(self)))


@torch.no_grad()
def fit_windows(
    network: SpectrumVAE, is_learnt: Tensor, flux: Tensor, weight: Tensor, start: Tensor
) -> Fit:
    """Fit windows at their posterior means.

    Parameters
    ----------
    network : SpectrumVAE
    is_learnt : Tensor of bool, shape (grid,)
        Pixels of the global grid that may be used.
    flux, weight : Tensor, shape (n, m)
    start : Tensor of int64, shape (n,)
    """
    trusted = torch.empty(weight.shape)
    _trust(is_learnt.numpy(), weight.numpy(), start.numpy(), trusted.numpy())
    posterior = network.encode(flux, trusted, start)
    # As `decode` and `fit_amplitude` do, in one pass over each window.
    model, residual = np.empty(flux.shape, np.float32), np.empty(flux.shape, np.float32)
    amplitude = np.empty(len(flux), np.float32)
    given = (network.decode_grid(posterior.mean), flux, trusted, start)
    arrays = [*(each.numpy() for each in given), amplitude, model, residual]
    _fit(np.float32(network.shape.model_error**2), *arrays)
    return Fit(
        posterior.mean.numpy(),
        posterior.log_variance.exp().numpy(),
        posterior.divergence().numpy(),
        amplitude,
        model,
        residual,
        trusted.numpy(),
    )


def join_fits(fits: Sequence[Fit]) -> Fit:
    """Return the fits of several batches as one."""
    return Fit(*(np.concatenate([getattr(fit, f.name) for fit in fits]) for f in fields(Fit)))


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
    scatter = np.repeat(excess.astype(np.float32), EXCESS_BIN)
    return _add_excess(fit.weight, fit.model, scatter, start)


def measure_statistics(
    fit: Fit,
    weight: NDArray,
    noise_share: NDArray,
    hypotheses: Hypotheses,
    ripples: Ripples,
    start: NDArray,
    z: NDArray,
    grid: RestFrameGrid,
    spans: Mapping[str, tuple[float, float]],
) -> dict[str, NDArray]:
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
    ripples : Ripples
    start, z : ndarray, shape (n,)
    grid : RestFrameGrid
    spans : mapping
        Observed wavelengths (Å) that each arm answers for.
    """
    wave = grid.wave
    lows = np.array([low for low, _ in spans.values()])
    arms = find_arm_pixels(wave, start, z, weight.shape[1], lows)
    squares, counts = _sum_squares(fit.residual, fit.weight, weight, noise_share, arms)
    n_parameters = fit.latent.shape[1] + 1
    unknown = np.full(len(z), np.nan, np.float32)
    chi2 = {f"chi2_{arm}": unknown for arm in Arm.values()} | {
        f"chi2_{arm}": reduced_chi2(squares[:, k], counts[:, k], counts.sum(1), n_parameters)
        for k, arm in enumerate(spans)
    }
    chi2["chi2"] = reduced_chi2(squares.sum(1), counts.sum(1), counts.sum(1), n_parameters)
    scan = scan_widths(fit.residual, weight, FILTER_WIDTHS, arms)
    powers = {f"power_{w}": scan.power[:, FILTER_WIDTHS.index(w)] for w in POWER_WIDTHS}
    for w in ARM_POWER_WIDTHS:
        powers |= {f"power_{w}_{arm}": unknown for arm in Arm.values()}
        powers |= {
            f"power_{w}_{arm}": scan.part_power[:, k, FILTER_WIDTHS.index(w)]
            for k, arm in enumerate(spans)
        }
    residual, weights, model = map(torch.from_numpy, (fit.residual, weight, fit.model))
    scores, sources = hypotheses.test(
        residual,
        weights,
        model,
        torch.from_numpy(start.astype(np.int64)),
        torch.from_numpy(z.astype(np.float32)),
    )
    return {
        **chi2,
        **{f"emission_{w}": scan.emission[:, k] for k, w in enumerate(FILTER_WIDTHS)},
        **{f"absorption_{w}": scan.absorption[:, k] for k, w in enumerate(FILTER_WIDTHS)},
        **powers,
        **dict(zip(HYPOTHESES, scores.numpy().T, strict=True)),
        **dict(zip(SOURCES, sources.numpy().T, strict=True)),
        **scan_line_sets(fit.residual, weight, fit.model, grid.log10_step),
        **{
            name: values.numpy()
            for name, values in ripples.measure(residual, weights, model).items()
        },
        **_measure_latent(fit),
        "emission_wave": _to_wave(wave, start, scan.emission_pixel),
        "absorption_wave": _to_wave(wave, start, scan.absorption_pixel),
    }


def reduced_chi2(
    total: NDArray, n_used: NDArray, n_all: NDArray, n_parameters: int
) -> NDArray[np.float32]:
    """Return χ² per degree of freedom, shape (n,); NaN without a pixel.

    Parameters
    ----------
    total : ndarray, shape (n,)
        χ² of a part of the spectrum, e.g. one arm.
    n_used, n_all : ndarray, shape (n,)
        Pixels of the part and of the whole spectrum.
    n_parameters : int
        Fitted parameters of the whole, taken off in proportion to the pixels.
    """
    freedom = n_used * np.maximum(1 - n_parameters / np.maximum(n_all, 1), 0.1)
    unknown = np.full(len(n_used), np.nan)
    return np.divide(total, freedom, out=unknown, where=n_used > 0).astype(np.float32)


def find_arm_pixels(
    wave: NDArray, start: NDArray, z: NDArray, window: int, lows: NDArray
) -> NDArray[np.int64]:
    """Return the window's pixel at which each arm's begin, and their end, shape (n, arms + 1).

    Parameters
    ----------
    wave : ndarray, shape (g,)
        Rest wavelengths of the grid, Å.
    start, z : ndarray, shape (n,)
    window : int
    lows : ndarray, shape (arms,)
        Observed wavelength (Å) at which each arm takes over.
    """
    first = np.searchsorted(wave, lows / (1 + z[:, None])) - start[:, None]
    return np.column_stack([np.clip(first, 0, window), np.full(len(z), window)])


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


@njit(cache=True)
def _trust(is_learnt, weight, start, trusted):  # type: ignore[no-untyped-def]
    for k in range(len(weight)):
        learnt = is_learnt[start[k] : start[k] + weight.shape[1]]
        for i in range(weight.shape[1]):
            trusted[k, i] = weight[k, i] if learnt[i] else np.float32(0)


@njit(cache=True, error_model="numpy")
def _fit(error2, grid, flux, weight, start, amplitude, model, residual):  # type: ignore[no-untyped-def]
    prior = np.float32(AMPLITUDE_PRIOR)
    for k in range(len(flux)):
        spectrum = grid[k, start[k] : start[k] + flux.shape[1]]
        cross, power = _sum_products(error2, flux[k], weight[k], spectrum)
        amplitude[k] = (cross + prior) / (power + prior)
        for i in range(flux.shape[1]):
            model[k, i] = amplitude[k] * spectrum[i]
        for i in range(flux.shape[1]):
            left = flux[k, i] - model[k, i]
            residual[k, i] = left if weight[k, i] > 0 else np.float32(0)


@njit(cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _sum_products(error2, flux, weight, spectrum):  # type: ignore[no-untyped-def]
    """Return Σ w f m and Σ w m² with the softened weight."""
    cross, power = np.float32(0), np.float32(0)
    for i in range(len(flux)):
        weighted = weight[i] / (np.float32(1) + error2 * weight[i]) * spectrum[i]
        cross += weighted * flux[i]
        power += weighted * spectrum[i]
    return cross, power


@njit(cache=True, error_model="numpy")
def _add_excess(weight, model, excess, start):  # type: ignore[no-untyped-def]
    softened = np.empty_like(weight)
    for k in range(len(weight)):
        part = excess[start[k] : start[k] + weight.shape[1]]
        for i in range(weight.shape[1]):
            scatter = part[i] * model[k, i]
            softened[k, i] = weight[k, i] / (np.float32(1) + weight[k, i] * scatter * scatter)
    return softened


@njit(cache=True, error_model="numpy")
def _sum_squares(residual, noise_weight, weight, noise_share, arms):  # type: ignore[no-untyped-def]
    """Return χ² and number of used pixels in each arm, shape (n, 3)."""
    n, n_arms = len(residual), arms.shape[1] - 1
    squares, counts = np.zeros((n, n_arms)), np.zeros((n, n_arms), np.int64)
    for k in range(n):
        for arm in range(n_arms):
            part = slice(arms[k, arm], arms[k, arm + 1])
            squares[k, arm], counts[k, arm] = _sum_part(
                residual[k, part], noise_weight[k, part], weight[k, part], noise_share[part]
            )
    return squares, counts


# Free of branches, sums in any order: so the compiler turns the loop into vector instructions.
@njit(cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _sum_part(residual, noise_weight, weight, noise_share):  # type: ignore[no-untyped-def]
    square, count = np.float32(0), np.float32(0)
    for i in range(len(residual)):
        # The noise of a single pixel, and the model's scatter that `weight` has too:
        # 1 / variance = 1 / ((share - 1) / noise_weight + 1 / weight).
        both = noise_weight[i] * weight[i]
        lower = (noise_share[i] - np.float32(1)) * weight[i] + noise_weight[i]
        used = np.float32(1) if noise_weight[i] > 0 else np.float32(0)
        square += (
            residual[i] * residual[i] * both / (lower if noise_weight[i] > 0 else np.float32(1))
        )
        count += used
    return square, count
