"""Weighted principal components: a planted basis is found again through missing data."""

from itertools import pairwise

import pytest
import torch

from pipeline.spectra.science.pca import LinearBasis, fit_basis, infer_coefficients, rebin

GRID, WINDOW, RANK = 768, 512, 3


def make_planted(n: int = 300, noise: float = 0.02, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    pixels = torch.linspace(0, 1, GRID)
    mean = 1 + pixels
    shapes = torch.stack([torch.sin(30 * (k + 1) * pixels) * (1.5 - 0.4 * k) for k in range(RANK)])
    truth = torch.randn(n, RANK, generator=g)
    start = 16 * torch.randint(0, (GRID - WINDOW) // 16 + 1, (n,), generator=g)
    index = start[:, None] + torch.arange(WINDOW)
    ivar = torch.full((n, WINDOW), noise**-2)
    ivar[torch.rand(n, WINDOW, generator=g) < 0.2] = 0
    flux = (mean + truth @ shapes).gather(1, index)
    flux = flux + noise * torch.randn(n, WINDOW, generator=g)
    return flux, ivar, start, LinearBasis(mean, shapes), truth


def fit(flux, ivar, start, rank: int = RANK) -> LinearBasis:
    return fit_basis(flux, ivar, start, GRID, rank, torch.Generator().manual_seed(1))


def find_misfit(basis: LinearBasis, truth: LinearBasis) -> float:
    """Return the largest part of a planted shape, and of the mean, that the basis cannot write."""
    directions = torch.linalg.qr(basis.components.T)[0]
    wanted = torch.cat([truth.components, (basis.mean - truth.mean)[None]])
    rest = wanted - wanted @ directions @ directions.T
    sizes = torch.cat([truth.components, truth.mean[None]]).norm(dim=1)
    return float((rest.norm(dim=1) / sizes).max())


def test_planted_basis_is_recovered() -> None:
    flux, ivar, start, truth, _ = make_planted()
    basis = fit(flux, ivar, start)
    assert find_misfit(basis, truth) < 0.05


def test_narrow_shape_is_recovered_at_its_width() -> None:
    """Found in bins of 16 pixels, refined in bins of 4: a line 12 pixels wide stays one."""
    flux, ivar, start, _, _ = make_planted()
    line = torch.exp(-0.5 * ((torch.arange(GRID) - 380.0) / 5) ** 2)
    strength = torch.randn(len(flux), 1, generator=torch.Generator().manual_seed(3))
    flux = flux + (strength * line).gather(1, start[:, None] + torch.arange(WINDOW))
    directions = torch.linalg.qr(fit(flux, ivar, start, rank=RANK + 1).components.T)[0]
    rest = line - directions @ (directions.T @ line)
    assert rest.norm() < 0.15 * line.norm()


def test_anomalies_make_no_component() -> None:
    """One spectrum in 25 with a feature of its own does not displace a planted shape."""
    flux, ivar, start, truth, _ = make_planted()
    spoilt = flux.clone()
    spoilt[::25, 200:260] += 8
    clean, robust = fit(flux, ivar, start), fit(spoilt, ivar, start)
    assert find_misfit(robust, truth) < 0.08
    box = torch.zeros(GRID)
    box[300:360] = 1
    directions = torch.linalg.qr(robust.components.T)[0]
    known = torch.linalg.qr(clean.components.T)[0]
    assert (directions.T @ box).norm() < (known.T @ box).norm() + 0.1 * box.norm()


@pytest.mark.parametrize("factor", [1, 4, 16])
def test_bins_keep_the_weighted_mean_and_the_weight(factor: int) -> None:
    flux, ivar, _, _, _ = make_planted(5)
    ivar[0] = 0
    ivar[1, :factor] = 0
    wild = torch.where(ivar == 0, torch.tensor(1e6), flux)
    binned, total = rebin(wild, ivar, factor)
    assert binned.shape == total.shape == (5, WINDOW // factor)
    torch.testing.assert_close(total.sum(1), ivar.sum(1))
    torch.testing.assert_close((binned * total).sum(1), (flux * ivar).sum(1), rtol=1e-4, atol=1e-2)
    assert (binned[total == 0] == 0).all()
    assert total[1, 0] == 0


def test_fit_predicts_the_missing_pixels() -> None:
    flux, ivar, start, truth, coefficients = make_planted()
    basis = fit(flux, ivar, start)
    mean, _ = infer_coefficients(flux, ivar, start, basis)
    whole = basis.mean + mean @ basis.components
    expected = truth.mean + coefficients @ truth.components
    assert (whole - expected).abs().median() < 0.02


def test_missing_pixels_have_no_say() -> None:
    flux, ivar, start, _, _ = make_planted(60)
    wild = torch.where(ivar == 0, torch.tensor(1e3), flux)
    one, two = (fit(values, ivar, start) for values in (flux, wild))
    torch.testing.assert_close(one.mean, two.mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one.components, two.components, rtol=1e-4, atol=1e-4)


def test_components_are_ordered_and_orthogonal() -> None:
    flux, ivar, start, _, _ = make_planted()
    components = fit(flux, ivar, start).components
    norms = components.norm(dim=1)
    assert (norms[:-1] >= norms[1:]).all()
    normal = components @ components.T / (norms[:, None] * norms)
    # Orthogonal in bins; drawn out to pixels, nearly so.
    torch.testing.assert_close(normal, torch.eye(RANK), atol=5e-3, rtol=0)


def test_posterior_is_that_of_a_dense_solution() -> None:
    flux, ivar, start, truth, _ = make_planted(4)
    mean, variance = infer_coefficients(flux, ivar, start, truth)
    for k in range(4):
        design = truth.components[:, start[k] : start[k] + WINDOW].T.double()
        weight = torch.diag(ivar[k].double())
        covariance = torch.linalg.inv(design.T @ weight @ design + torch.eye(RANK).double())
        target = flux[k].double() - truth.mean[start[k] : start[k] + WINDOW]
        expected = covariance @ design.T @ weight @ target
        torch.testing.assert_close(mean[k].double(), expected, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(
            variance[k].double(), covariance.diagonal(), rtol=1e-2, atol=1e-7
        )


def test_variance_shrinks_with_ivar_and_is_one_without_data() -> None:
    flux, ivar, start, truth, _ = make_planted(5)
    factors = (0.0, 1e-4, 1e-2, 1.0)
    variances = [infer_coefficients(flux, ivar * f, start, truth)[1] for f in factors]
    torch.testing.assert_close(variances[0], torch.ones(5, RANK))
    for more, less in pairwise(variances):
        assert (less < more).all()
    torch.testing.assert_close(
        infer_coefficients(flux, ivar * 0, start, truth)[0], torch.zeros(5, RANK)
    )


def test_coefficients_are_those_of_the_prior() -> None:
    """The latent's prior is a unit Gaussian: unit variance is not enough, nor is centring."""
    flux, ivar, start, _, _ = make_planted()
    mean, _ = infer_coefficients(flux, ivar, start, fit(flux, ivar, start))
    torch.testing.assert_close(mean.T.cov(), torch.eye(RANK), atol=0.1, rtol=0)
    torch.testing.assert_close(mean.mean(0), torch.zeros(RANK), atol=0.05, rtol=0)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_spectra_give_a_finite_basis(n: int) -> None:
    flux, ivar, start, _, _ = make_planted(n)
    basis = fit(flux, ivar, start, rank=6)
    assert torch.isfinite(basis.mean).all()
    assert torch.isfinite(basis.components).all()
