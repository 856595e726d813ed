"""Weighted principal components: a planted basis is found again through missing data."""

from itertools import pairwise

import pytest
import torch

from pipeline.science.pca import LinearBasis, fit_basis, infer_coefficients

GRID, WINDOW, RANK = 96, 64, 3


def make_planted(n: int = 300, noise: float = 0.02, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    pixels = torch.linspace(0, 1, GRID)
    mean = 1 + pixels
    shapes = torch.stack([torch.sin(6 * (k + 1) * pixels) * (1.5 - 0.4 * k) for k in range(RANK)])
    truth = torch.randn(n, RANK, generator=g)
    start = torch.randint(0, GRID - WINDOW + 1, (n,), generator=g)
    index = start[:, None] + torch.arange(WINDOW)
    ivar = torch.full((n, WINDOW), noise**-2)
    ivar[torch.rand(n, WINDOW, generator=g) < 0.2] = 0
    flux = (mean + truth @ shapes).gather(1, index)
    flux = flux + noise * torch.randn(n, WINDOW, generator=g)
    return flux, ivar, start, LinearBasis(mean, shapes), truth


def fit(flux, ivar, start, rank: int = RANK, iterations: int = 100) -> LinearBasis:
    return fit_basis(flux, ivar, start, GRID, rank, iterations, torch.Generator().manual_seed(1))


def test_planted_basis_is_recovered() -> None:
    flux, ivar, start, truth, _ = make_planted()
    basis = fit(flux, ivar, start)
    # The span of the basis, and the mean up to it.
    directions = torch.linalg.qr(basis.components.T)[0]
    for row in truth.components:
        rest = row - directions @ (directions.T @ row)
        assert rest.norm() < 0.05 * row.norm()
    offset = basis.mean - truth.mean
    assert (offset - directions @ (directions.T @ offset)).norm() < 0.05 * truth.mean.norm()


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
    one, two = (fit(values, ivar, start, iterations=3) for values in (flux, wild))
    torch.testing.assert_close(one.mean, two.mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one.components, two.components, rtol=1e-4, atol=1e-4)


def test_components_are_ordered_and_orthogonal() -> None:
    flux, ivar, start, _, _ = make_planted()
    components = fit(flux, ivar, start).components
    norms = components.norm(dim=1)
    assert (norms[:-1] >= norms[1:]).all()
    normal = components @ components.T / (norms[:, None] * norms)
    torch.testing.assert_close(normal, torch.eye(RANK), atol=1e-3, rtol=0)


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
    torch.testing.assert_close(mean.T.cov(), torch.eye(RANK), atol=0.05, rtol=0)
    torch.testing.assert_close(mean.mean(0), torch.zeros(RANK), atol=0.05, rtol=0)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_spectra_give_a_finite_basis(n: int) -> None:
    flux, ivar, start, _, _ = make_planted(n)
    basis = fit(flux, ivar, start, rank=6, iterations=4)
    assert torch.isfinite(basis.mean).all()
    assert torch.isfinite(basis.components).all()
