"""Residual statistics: pure noise scores 1, each arm its own, nothing without pixels."""

import numpy as np
import pytest
import torch

from pipeline.science.anomaly import Fit, Isolation, find_arm, fit_windows, reduced_chi2
from pipeline.science.pca import LinearBasis
from pipeline.science.vae import ModelShape, SpectrumVAE

GRID, WINDOW = 768, 512
SHAPE = ModelShape(GRID, WINDOW, 16, 4, 3, 5, 8, model_error=0.0)


def make_fit(chi, is_used=None) -> Fit:
    chi = np.asarray(chi, float)
    n = len(chi)
    used = np.ones(chi.shape, bool) if is_used is None else np.asarray(is_used, bool)
    return Fit(np.zeros((n, 2)), np.zeros(n), np.ones(n), chi, np.where(used, chi, 0), used)


@pytest.fixture(scope="module")
def network() -> SpectrumVAE:
    torch.manual_seed(0)
    made = SpectrumVAE(SHAPE)
    pixels = torch.linspace(0, 1, GRID)
    basis = torch.stack([torch.sin(5 * (k + 1) * pixels) * 0.3 for k in range(SHAPE.basis)])
    made.start_from(LinearBasis(2 + pixels, basis))
    return made.eval()


def make_windows(network: SpectrumVAE, n: int, noise: float = 0.2, seed: int = 0):
    """Draw spectra from the model itself."""
    g = torch.Generator().manual_seed(seed)
    start = 16 * torch.randint(0, (GRID - WINDOW) // 16 + 1, (n,), generator=g)
    with torch.no_grad():
        flux = network.decode(torch.randn(n, SHAPE.latent, generator=g), start)
    flux = flux + noise * torch.randn(flux.shape, generator=g)
    ivar = torch.full_like(flux, noise**-2)
    ivar[torch.rand(flux.shape, generator=g) < 0.1] = 0
    return torch.where(ivar > 0, flux, 0), ivar, start


def fit(network: SpectrumVAE, windows, support: int = 99, least: int = 20) -> Fit:
    return fit_windows(network, torch.full((GRID,), support), least, *windows)


def test_chi2_of_pure_noise_is_one(network: SpectrumVAE) -> None:
    fits = fit(network, make_windows(network, 200))
    chi2 = reduced_chi2(fits, SHAPE.latent + 1)
    error = np.sqrt(2 / (0.9 * WINDOW) / 200)
    assert chi2.mean() == pytest.approx(1, abs=5 * error)
    assert chi2.std() == pytest.approx(np.sqrt(2 / (0.9 * WINDOW)), rel=0.25)


def test_a_misfit_is_seen_where_it_is(network: SpectrumVAE) -> None:
    flux, ivar, start = make_windows(network, 3)
    flux[1, 100:130] += 2
    fits = fit(network, (flux, ivar, start))
    chi2 = reduced_chi2(fits, 4)
    assert np.argmax(chi2) == 1
    assert chi2[1] > 2
    inside = np.zeros(fits.chi.shape, bool)
    inside[:, 100:130] = True
    assert reduced_chi2(fits, 4, inside)[1] > 20
    assert reduced_chi2(fits, 4, ~inside)[1] < 2


def test_pixels_without_support_or_ivar_are_not_used(network: SpectrumVAE) -> None:
    flux, ivar, start = make_windows(network, 4)
    support = torch.full((GRID,), 99)
    support[300:330] = 19
    wild = flux.clone()
    pixels = start[:, None] + torch.arange(WINDOW)
    untrained = (pixels >= 300) & (pixels < 330)
    wild[untrained | (ivar == 0)] = 1e3
    one = fit_windows(network, support, 20, flux, ivar, start)
    two = fit_windows(network, support, 20, wild, ivar, start)
    np.testing.assert_array_equal(one.is_used, ((ivar > 0) & ~untrained).numpy())
    np.testing.assert_allclose(one.chi, two.chi, atol=1e-5)
    np.testing.assert_allclose(one.latent, two.latent, atol=1e-5)
    assert (one.chi[~one.is_used] == 0).all()


def test_model_is_the_amplitude_times_the_decoded_latent(network: SpectrumVAE) -> None:
    flux, ivar, start = make_windows(network, 4)
    fits = fit(network, (1.2 * flux, ivar, start))
    with torch.no_grad():
        spectrum = network.decode(torch.from_numpy(fits.latent), start).numpy()
    np.testing.assert_allclose(fits.model, fits.amplitude[:, None] * spectrum, rtol=1e-4)
    expected = (1.2 * flux.numpy() - fits.model) * np.sqrt(ivar.numpy())
    np.testing.assert_allclose(fits.chi, expected, atol=1e-3)


def test_arms_split_the_chi2() -> None:
    wave = np.array([[3700.0, 5779.9, 5780.0, 7569.9, 7570.0, 9800.0]])
    marks = [find_arm(wave, arm) for arm in "brz"]
    assert [m.astype(int).tolist()[0] for m in marks] == [
        [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]
    ]  # fmt: skip
    fits = make_fit([[1, 1, 2, 2, 3, 3]])
    chi2 = [reduced_chi2(fits, 0, mark)[0] for mark in marks]
    assert chi2 == [1, 4, 9]
    assert reduced_chi2(fits, 0)[0] == pytest.approx(28 / 6)


def test_no_pixel_is_nan_and_not_zero() -> None:
    fits = make_fit([[5.0, 5.0], [5.0, 5.0]], [[0, 0], [0, 1]])
    np.testing.assert_array_equal(reduced_chi2(fits, 0), [np.nan, 25])
    np.testing.assert_array_equal(
        reduced_chi2(fits, 0, np.array([[True, False]] * 2)), [np.nan, np.nan]
    )


def test_parameters_are_shared_out_by_pixels() -> None:
    fits = make_fit(np.ones((1, 100)))
    half = np.arange(100)[None] < 50
    assert reduced_chi2(fits, 20)[0] == pytest.approx(100 / 80)
    assert reduced_chi2(fits, 20, half)[0] == pytest.approx(50 / 40)
    # More parameters than pixels: still a number.
    assert reduced_chi2(fits, 200)[0] == pytest.approx(10)


def test_isolation_grows_outwards() -> None:
    rng = np.random.default_rng(0)
    cloud = rng.standard_normal((500, 4))
    isolation = Isolation(cloud, 50, seed=1)
    scores = isolation.score(np.array([[0.0] * 4, [2.0] * 4, [8.0] * 4]))
    assert scores[0] < scores[1] < scores[2]
    assert ((scores > 0) & (scores < 1)).all()
    np.testing.assert_array_equal(scores, Isolation(cloud, 50, 1).score(
        np.array([[0.0] * 4, [2.0] * 4, [8.0] * 4])))  # fmt: skip
    assert isolation.score(np.zeros((0, 4))).shape == (0,)
