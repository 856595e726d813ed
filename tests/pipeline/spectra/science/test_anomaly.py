"""Fit and statistics: pure noise scores 1, what is planted is seen where it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Arm, Sampling
from catalog_schema.statistics import FILTER_WIDTHS, HYPOTHESES, STATISTICS
from pipeline.spectra.science.anomaly import (
    EXCESS_BIN,
    Fit,
    add_excess,
    find_arm_pixels,
    fit_windows,
    join_fits,
    measure_excess,
    measure_statistics,
    reduced_chi2,
)
from pipeline.spectra.science.hypotheses import Hypotheses
from pipeline.spectra.science.pca import LinearBasis
from pipeline.spectra.science.restframe import RestFrameGrid
from pipeline.spectra.science.ripples import Ripples
from pipeline.spectra.science.vae import ModelShape, SpectrumVAE

GRID, WINDOW = 768, 512
SHAPE = ModelShape(GRID, WINDOW, 16, 4, 3, 5, 8, model_error=0.0)
REST = RestFrameGrid(3.3, 1e-3, GRID, WINDOW, 16)
# Variance × weight of a pixel: here each is independent.
SHARE = np.ones(WINDOW, np.float32)
FIELDS = ("latent", "latent_variance", "divergence", "amplitude", "model", "residual", "weight")


@pytest.fixture(scope="module")
def network() -> SpectrumVAE:
    torch.manual_seed(0)
    made = SpectrumVAE(SHAPE)
    pixels = torch.linspace(0, 1, GRID)
    basis = torch.stack([torch.sin(5 * (k + 1) * pixels) * 0.3 for k in range(SHAPE.basis)])
    made.start_from(LinearBasis(2 + pixels, basis))
    return made.eval()


LOWS = np.array([low for low, _ in SAMPLING.spans.values()])


def make_windows(network: SpectrumVAE, n: int, noise: float = 0.2, seed: int = 0):
    """Draw spectra from the model itself."""
    g = torch.Generator().manual_seed(seed)
    start = 16 * torch.randint(0, (GRID - WINDOW) // 16 + 1, (n,), generator=g)
    with torch.no_grad():
        flux = network.decode(torch.randn(n, SHAPE.latent, generator=g), start)
    flux = flux + noise * torch.randn(flux.shape, generator=g)
    weight = torch.full_like(flux, noise**-2)
    weight[torch.rand(flux.shape, generator=g) < 0.1] = 0
    return torch.where(weight > 0, flux, 0), weight, start


def fit(network: SpectrumVAE, windows, is_learnt: bool = True) -> Fit:
    return fit_windows(network, torch.full((GRID,), is_learnt), *windows)


def measure(network: SpectrumVAE, fits: Fit, start, sampling=SAMPLING) -> dict[str, np.ndarray]:
    wave, z = torch.from_numpy(REST.wave.astype(np.float32)), np.full(len(start), 1.0)
    tools = (
        Hypotheses(network.linear_basis, wave, sampling),
        Ripples(sampling, REST.log10_step, fits.residual.shape[1]),
    )
    return measure_statistics(
        fits, fits.weight, SHARE, *tools, start.numpy(), z, REST, sampling.spans
    )


def test_chi2_of_pure_noise_is_one(network: SpectrumVAE) -> None:
    windows = make_windows(network, 200)
    chi2 = measure(network, fit(network, windows), windows[2])["chi2"]
    error = np.sqrt(2 / (0.9 * WINDOW) / 200)
    assert chi2.mean() == pytest.approx(1, abs=5 * error)
    assert chi2.std() == pytest.approx(np.sqrt(2 / (0.9 * WINDOW)), rel=0.25)


def test_every_statistic_is_there_and_a_number(network: SpectrumVAE) -> None:
    windows = make_windows(network, 20)
    found = measure(network, fit(network, windows), windows[2])
    named = {s.name for s in STATISTICS} - {"isolation"}
    assert set(found) == named | {"emission_wave", "absorption_wave"}
    for name in named:
        assert found[name].shape == (20,), name
        # Without a pixel in an arm what is told of it alone, and nothing else, is not a number.
        of_arm = name.startswith(("chi2_", "power_", "ripple_")) and name.endswith(
            ("_b", "_r", "_z")
        )
        # Nor is what the window does not show.
        assert np.isfinite(found[name]).all() or of_arm or name in HYPOTHESES, name


def test_noise_in_one_arm_shows_in_the_power_of_that_arm(network: SpectrumVAE) -> None:
    flux, weight, start = make_windows(network, 30, seed=8)
    fitted = fit(network, (flux, weight, start))
    before = measure(network, fitted, start)
    observed = 2 * REST.wave[start.numpy()[:, None] + np.arange(WINDOW)]
    for arm, (low, high) in SAMPLING.spans.items():
        is_loud = (observed >= low) & (observed < high)
        loud = replace(fitted, residual=np.where(is_loud, 3 * fitted.residual, fitted.residual))
        after = measure(network, loud, start)
        for width in (1, 4, 16):
            for other in SAMPLING.spans:
                ratio = after[f"power_{width}_{other}"] / before[f"power_{width}_{other}"]
                # A box over a limit of the arm holds pixels of both sides.
                expected = 9 if other == arm else 1
                assert np.nanmedian(ratio) == pytest.approx(expected, rel=0.3)


def test_planted_line_is_named_by_width_place_and_sign(network: SpectrumVAE) -> None:
    flux, weight, start = make_windows(network, 20, seed=3)
    flux[:10, 200:208] += 0.6
    flux[10:, 200:208] -= 0.6
    found = measure(network, fit(network, (flux, weight, start)), start)
    k = FILTER_WIDTHS.index(8)
    # 8 pixels of 3 sigma: 8.5 sigma, less what is missing.
    for rows, kind in ((slice(0, 10), "emission"), (slice(10, 20), "absorption")):
        assert np.median(found[f"{kind}_8"][rows]) == pytest.approx(8.2, abs=1.2)
        expected = REST.wave[start.numpy()[rows] + 204]
        error = np.abs(np.log10(found[f"{kind}_wave"][rows, k] / expected)) / REST.log10_step
        assert np.median(error) <= 2
    assert found["absorption_8"][:10].max() < 5.5
    assert found["chi2"].min() > 0.8


def test_distance_of_normal_spectra_is_that_of_the_prior(network: SpectrumVAE) -> None:
    windows = make_windows(network, 400, seed=4)
    found = measure(network, fit(network, windows), windows[2])
    assert found["distance"].mean() == pytest.approx(SHAPE.latent, rel=0.12)
    for k in range(SHAPE.latent):
        assert found[f"axis_{k}"].std() == pytest.approx(1, rel=0.12)
    assert (found["axis_5"] == 0).all()
    assert (found["kl_divergence"] >= 0).all()


def test_pixels_not_learnt_or_without_weight_are_not_used(network: SpectrumVAE) -> None:
    flux, weight, start = make_windows(network, 4)
    is_learnt = torch.full((GRID,), True)
    is_learnt[300:330] = False
    wild = flux.clone()
    pixels = start[:, None] + torch.arange(WINDOW)
    untrained = (pixels >= 300) & (pixels < 330)
    wild[untrained | (weight == 0)] = 1e3
    one = fit_windows(network, is_learnt, flux, weight, start)
    two = fit_windows(network, is_learnt, wild, weight, start)
    np.testing.assert_array_equal(one.is_used, ((weight > 0) & ~untrained).numpy())
    np.testing.assert_allclose(one.residual, two.residual, atol=1e-5)
    np.testing.assert_allclose(one.latent, two.latent, atol=1e-5)
    assert (one.residual[~one.is_used] == 0).all()


def test_model_is_the_amplitude_times_the_decoded_latent(network: SpectrumVAE) -> None:
    flux, weight, start = make_windows(network, 4)
    fits = fit(network, (1.2 * flux, weight, start))
    with torch.no_grad():
        spectrum = network.decode(torch.from_numpy(fits.latent), start).numpy()
    np.testing.assert_allclose(fits.model, fits.amplitude[:, None] * spectrum, rtol=1e-4)
    expected = np.where(weight > 0, 1.2 * flux.numpy() - fits.model, 0)
    np.testing.assert_allclose(fits.residual, expected, atol=1e-5)
    assert ((fits.latent_variance > 0) & (fits.latent_variance <= 1)).all()


def test_fits_of_batches_are_joined(network: SpectrumVAE) -> None:
    windows = make_windows(network, 7)
    whole = fit(network, windows)
    parts = [
        fit(network, [values[rows] for values in windows]) for rows in (slice(0, 3), slice(3, 7))
    ]
    for name in FIELDS:
        joined = getattr(join_fits(parts), name)
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=1e-3, atol=1e-4)


def draw_scatter(excess, n: int = 400, outliers: float = 0.0, seed: int = 0) -> tuple[Fit, ...]:
    """Draw residuals of noise and of a scatter that is a fraction of the model."""
    rng = np.random.default_rng(seed)
    start = 16 * rng.integers(0, (GRID - WINDOW) // 16 + 1, n)
    weight = rng.gamma(4.0, 100.0, (n, WINDOW)).astype(np.float32)
    weight[rng.random(weight.shape) < 0.1] = 0
    model = rng.uniform(0.5, 2, weight.shape).astype(np.float32)
    bins = (start[:, None] + np.arange(WINDOW)) // EXCESS_BIN
    sigma = np.sqrt(0.8 / np.maximum(weight, 1e-6) + (excess[bins] * model) ** 2)
    residual = sigma * rng.standard_normal(weight.shape)
    residual[rng.random(n) < outliers] *= 20
    residual = np.where(weight > 0, residual, 0).astype(np.float32)
    flat = np.zeros((n, 1), np.float32)
    return Fit(flat, flat + 0.5, flat[:, 0], flat[:, 0] + 1, model, residual, weight), start


@pytest.mark.parametrize("outliers", [0.0, 0.05])
def test_planted_excess_is_measured_whatever_the_outliers(outliers: float) -> None:
    planted = np.linspace(0.02, 0.2, GRID // EXCESS_BIN).astype(np.float32)
    fits, start = draw_scatter(planted, outliers=outliers)
    found = measure_excess(fits, np.full(WINDOW, 0.8), start, GRID)
    # Five per cent of outliers shift a median by an eighth of a quartile.
    np.testing.assert_allclose(found, planted, rtol=0.1 + 2 * outliers, atol=0.01)


def test_no_excess_is_none_and_too_few_spectra_take_the_largest() -> None:
    none = np.zeros(GRID // EXCESS_BIN, np.float32)
    fits, start = draw_scatter(none)
    assert measure_excess(fits, np.full(WINDOW, 0.8), start, GRID).max() < 0.02
    planted = np.linspace(0.05, 0.2, len(none)).astype(np.float32)
    fits, start = draw_scatter(planted)
    kept = (start[:, None] + np.arange(WINDOW)) // EXCESS_BIN != 20
    hidden = Fit(*(getattr(fits, name) for name in FIELDS[:-1]), np.where(kept, fits.weight, 0))
    found = measure_excess(hidden, np.full(WINDOW, 0.8), start, GRID)
    assert found[20] == found.max()
    few = Fit(*(getattr(fits, name)[:5] for name in FIELDS))
    assert (measure_excess(few, np.full(WINDOW, 0.8), start[:5], GRID) == 1).all()


def test_excess_is_added_to_the_noise() -> None:
    planted = np.linspace(0.05, 0.2, GRID // EXCESS_BIN).astype(np.float32)
    fits, start = draw_scatter(planted, n=3)
    weight = add_excess(fits, planted, start)
    bins = (start[:, None] + np.arange(WINDOW)) // EXCESS_BIN
    used = fits.is_used
    variance = 1 / fits.weight[used] + ((planted[bins] * fits.model) ** 2)[used]
    np.testing.assert_allclose(weight[used], 1 / variance, rtol=1e-5)
    assert (weight[~used] == 0).all()
    np.testing.assert_array_equal(add_excess(fits, 0 * planted, start), fits.weight)


def test_arms_split_the_window() -> None:
    wave = np.array([1850.0, 2889.95, 2890.0, 3784.95, 3785.0, 4900.0, 5000.0, 5100.0])
    found = find_arm_pixels(wave, np.array([0, 1, 2]), np.full(3, 1.0), 6, LOWS)
    assert found.tolist() == [[0, 2, 4, 6], [0, 1, 3, 6], [0, 0, 2, 6]]
    beyond = find_arm_pixels(wave, np.array([0, 0]), np.array([0.0, 9.0]), 6, LOWS)
    assert beyond.tolist() == [[0, 6, 6, 6], [0, 0, 0, 6]]


@pytest.mark.parametrize("arm", ["b", "r", "z"])
def test_misfit_in_one_arm_is_the_chi2_of_that_arm(network: SpectrumVAE, arm: str) -> None:
    windows = make_windows(network, 20)
    fits, start = fit(network, windows), windows[2].numpy()
    k = "brz".index(arm)
    arms = find_arm_pixels(REST.wave, start, np.full(20, 1.0), WINDOW, LOWS)
    plain = measure(network, fits, windows[2])
    for row, (first, last) in enumerate(zip(arms[:, k], arms[:, k + 1], strict=True)):
        fits.residual[row, first:last] *= 3
    found = measure(network, fits, windows[2])
    for other in "brz":
        expected = plain[f"chi2_{other}"] * (9 if other == arm else 1)
        np.testing.assert_allclose(found[f"chi2_{other}"], expected, rtol=1e-5)
    is_seen = arms[:, k + 1] > arms[:, k]
    np.testing.assert_array_equal(found["chi2"] > plain["chi2"], is_seen)


def test_what_a_survey_has_no_arm_for_is_unknown(network: SpectrumVAE) -> None:
    windows = make_windows(network, 20)
    fits = fit(network, windows)
    one = Arm("r", 0, SAMPLING.grid.size)
    found = measure(network, fits, windows[2], Sampling(SAMPLING.grid, (one,)))
    np.testing.assert_allclose(found["chi2_r"], found["chi2"], rtol=1e-6)
    for arm in "bz":
        assert np.isnan(found[f"chi2_{arm}"]).all()
        assert np.isnan(found[f"{arm}_offset"]).all()


def test_no_pixel_is_nan_and_not_zero() -> None:
    found = reduced_chi2(np.array([0.0, 25.0]), np.array([0, 1]), np.array([0, 1]), 0)
    np.testing.assert_array_equal(found, [np.nan, 25])


def test_parameters_are_shared_out_by_pixels() -> None:
    total, used, whole = np.array([100.0, 50, 100]), np.array([100, 50, 100]), np.array([100] * 3)
    found = reduced_chi2(total, used, whole, 20)
    np.testing.assert_allclose(found, [100 / 80, 50 / 40, 100 / 80])
    # More parameters than pixels: still a number.
    assert reduced_chi2(total, used, whole, 200)[0] == pytest.approx(10)
