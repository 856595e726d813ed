"""The loss and the excess, each against the formula in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import chi2
from toy_model import SHAPE, SIZE, WINDOW, make_network

from pipeline.spectra.science.anomaly import EXCESS_BIN, Fit, add_excess, measure_excess
from pipeline.spectra.science.vae import fit_amplitude, negative_elbo, soften

N = 5
SEEDS = st.integers(0, 99)


def draw_windows(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    weight = 9 * torch.rand(N, WINDOW, generator=g)
    weight[torch.rand(N, WINDOW, generator=g) < 0.2] = 0
    start = 16 * torch.randint(0, (SIZE - WINDOW) // 16 + 1, (N,), generator=g)
    return 2 + torch.randn(N, WINDOW, generator=g), weight, start


@given(seed=SEEDS, beta=st.floats(0, 3))
def test_the_bound_is_half_chi2_and_divergence_by_pixel(seed: int, beta: float) -> None:
    network, (flux, weight, start) = make_network(), draw_windows(seed)
    noise = torch.randn(N, SHAPE.latent, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        found = negative_elbo(network, flux, weight, start, noise, beta).numpy()
        posterior = network.encode(flux, weight, start)
        spread = posterior.log_variance.double().exp().sqrt()
        light = network.decode((posterior.mean + spread * noise).float(), start).double().numpy()
    f, w = flux.double().numpy(), weight.double().numpy()
    soft = np.divide(1, 1 / np.where(w > 0, w, 1) + SHAPE.model_error**2) * (w > 0)
    amplitude = ((soft * f * light).sum(1) + 0.1) / ((soft * light**2).sum(1) + 0.1)
    chi2_half = 0.5 * (soft * (f - amplitude[:, None] * light) ** 2).sum(1)
    mean, variance = posterior.mean.double().numpy(), spread.numpy() ** 2
    divergence = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum(1)
    expected = (chi2_half + beta * divergence) / (w > 0).sum(1)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@given(factor=st.floats(0.1, 100), weight=st.floats(1e-6, 1e3))
def test_an_amplitude_weighs_its_pixels_against_one_of_little_weight(
    factor: float, weight: float
) -> None:
    """As if one more pixel, of model and flux 1, had an inverse variance of a tenth."""
    model = torch.linspace(0.5, 1.5, 20).double()[None]
    w = torch.full_like(model, weight)
    found = fit_amplitude(factor * model, w, model)
    more = [torch.cat([values, torch.ones(1, 1).double()], 1) for values in (factor * model, model)]
    joined = torch.cat([w, torch.full((1, 1), 0.1).double()], 1)
    expected = (joined * more[0] * more[1]).sum() / (joined * more[1] ** 2).sum()
    assert float(found) == pytest.approx(float(expected))
    assert min(1.0, factor) - 1e-12 <= float(found) <= max(1.0, factor) + 1e-12


@given(error=st.floats(0, 0.5), more=st.floats(0, 0.5))
def test_softening_twice_adds_the_variances(error: float, more: float) -> None:
    ivar = torch.tensor([0.0, 0.1, 4.0, 1e6]).double()
    twice = soften(soften(ivar, error), more)
    torch.testing.assert_close(twice, soften(ivar, (error**2 + more**2) ** 0.5))
    assert (twice <= ivar).all()


def draw_fit(seed: int, n: int = 60, excess: float = 0.1) -> tuple[Fit, np.ndarray]:
    rng = np.random.default_rng(seed)
    start = 16 * rng.integers(0, (SIZE - WINDOW) // 16 + 1, n)
    weight = rng.gamma(3, 2, (n, WINDOW)).astype(np.float32)
    weight[rng.random(weight.shape) < 0.1] = 0
    model = rng.uniform(0.5, 2, weight.shape).astype(np.float32)
    sigma = np.sqrt(0.7 / np.maximum(weight, 1e-6) + (excess * model) ** 2)
    residual = np.where(weight > 0, sigma * rng.standard_normal(weight.shape), 0)
    flat = np.zeros((n, 1), np.float32)
    return Fit(
        flat, flat, flat[:, 0], flat[:, 0], model, residual.astype(np.float32), weight
    ), start


def measure(fit: Fit, start: np.ndarray) -> np.ndarray:
    return measure_excess(fit, np.full(WINDOW, 0.7, np.float32), start, SIZE)


def test_excess_of_each_bin_brings_the_median_to_that_of_noise() -> None:
    fit, start = draw_fit(0)
    found = measure(fit, start)
    bins = (start[:, None] + np.arange(WINDOW)) // EXCESS_BIN
    for k in range(0, SIZE // EXCESS_BIN, 5):
        inside = (bins == k) & fit.is_used
        if inside.sum() < 200:
            continue
        square, power = fit.residual[inside] ** 2.0, fit.model[inside] ** 2.0
        noise = 0.7 / fit.weight[inside]

        def find_surplus(x: float, square=square, noise=noise, power=power) -> float:
            return float(np.median(square / (noise + x**2 * power)) - chi2(1).median())

        expected = 0.0 if find_surplus(0) <= 0 else brentq(find_surplus, 0, 1)
        assert found[k] == pytest.approx(expected, abs=3e-4)


@given(seed=SEEDS, power=st.integers(-3, 3))
def test_excess_is_a_fraction_and_knows_neither_unit_nor_order(seed: int, power: int) -> None:
    fit, start = draw_fit(seed, n=30)
    found, scale = measure(fit, start), np.float32(2.0**power)
    scaled = Fit(
        fit.latent,
        fit.latent_variance,
        fit.divergence,
        fit.amplitude,
        fit.model * scale,
        fit.residual * scale,
        fit.weight / scale**2,
    )
    np.testing.assert_allclose(measure(scaled, start), found, rtol=1e-4, atol=1e-5)
    order = np.random.default_rng(seed).permutation(30)
    moved = Fit(*(getattr(fit, name)[order] for name in Fit.__dataclass_fields__))
    np.testing.assert_array_equal(measure(moved, start[order]), found)


def test_pixels_that_are_not_used_tell_nothing_of_the_excess() -> None:
    fit, start = draw_fit(1)
    wild = Fit(
        fit.latent,
        fit.latent_variance,
        fit.divergence,
        fit.amplitude,
        np.where(fit.is_used, fit.model, 1e6).astype(np.float32),
        np.where(fit.is_used, fit.residual, 1e6).astype(np.float32),
        fit.weight,
    )
    np.testing.assert_array_equal(measure(wild, start), measure(fit, start))


@given(seed=SEEDS)
def test_added_excess_is_one_more_independent_error(seed: int) -> None:
    fit, start = draw_fit(seed, n=4)
    excess = np.random.default_rng(seed).uniform(0, 0.3, SIZE // EXCESS_BIN).astype(np.float32)
    once = add_excess(fit, excess, start)
    again = Fit(*(getattr(fit, n) for n in list(Fit.__dataclass_fields__)[:-1]), once)
    twice = add_excess(again, excess, start)
    np.testing.assert_allclose(
        twice, add_excess(fit, np.sqrt(np.float32(2)) * excess, start), rtol=1e-5
    )
    assert (once <= fit.weight).all()
