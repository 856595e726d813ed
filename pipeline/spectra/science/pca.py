"""Weighted principal components of windows that cover different parts of one grid."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.spectra.science.products import Factor, multiply

# Ridge on a spectrum's coefficients, in units of their prior variance (they are whitened).
_COEFFICIENT_RIDGE = 1.0
# Pixels seen by few spectra are shrunk towards the mean spectrum: prior weight of the basis.
_BASIS_RIDGE = 3.0
# Fraction of the mean by which the amplitude, which is fitted too, is free.
AMPLITUDE_SPREAD = 0.3
# Pixels per bin and iterations: the components are found where it is cheap and refined after.
_COARSE, _COARSE_ITERATIONS, _ROBUST_ITERATIONS = 16, 40, 15
_FINE, _FINE_ITERATIONS = 4, 3
# A spectrum of this many times the median chi-squared pulls with half the weight of a normal one.
_HALF_INFLUENCE = 2.0


@dataclass(frozen=True)
class LinearBasis:
    """Mean spectrum (g,) and basis (k, g) on the global grid."""

    mean: Tensor
    components: Tensor

    @cached_property
    def products(self) -> Factor:
        """Products of every two components, shape (k (k + 1) / 2, g)."""
        return Factor(_multiply_pairs(self.components))


def fit_basis(
    flux: Tensor,
    weight: Tensor,
    start: Tensor,
    size: int,
    n_components: int,
    generator: torch.Generator,
) -> LinearBasis:
    """Fit mean and basis by alternating weighted least squares, from coarse to fine bins.

    Minimises Σ w (f − μ − c·V)² over windows that lie at different places of the grid, as
    empca (Bailey 2012, PASP 124, 1015) does on a common one. Spectra that do not fit are weighed
    down, so that anomalies make no component of their own.

    Parameters
    ----------
    flux, weight : Tensor, shape (n, m)
        Windows; weight = 0 marks a missing pixel, and sums of weights are inverse variances.
    start : Tensor of int64, shape (n,)
        First pixel of each window on the grid, a multiple of 16 as `size` and m are.
    size : int
        Pixels of the grid.
    n_components : int
    generator : torch.Generator
        Seeds the first coefficients.

    Returns
    -------
    LinearBasis
    """
    coarse_flux, coarse_weight = rebin(flux, weight, _COARSE)
    coarse_start, coarse_size = start // _COARSE, size // _COARSE
    first = torch.randn(len(flux), n_components, generator=generator)
    basis = _iterate(
        coarse_flux, coarse_weight, coarse_start, coarse_size, first, _COARSE_ITERATIONS
    )
    influence = _weigh_down(coarse_flux, coarse_weight, coarse_start, basis)
    coarse_weight = coarse_weight * influence
    first, _ = infer_coefficients(coarse_flux, coarse_weight, coarse_start, basis)
    basis = _iterate(
        coarse_flux, coarse_weight, coarse_start, coarse_size, first, _ROBUST_ITERATIONS
    )
    fine_flux, fine_weight = rebin(flux, weight * influence, _FINE)
    first, _ = infer_coefficients(coarse_flux, coarse_weight, coarse_start, basis)
    basis = _iterate(fine_flux, fine_weight, start // _FINE, size // _FINE, first, _FINE_ITERATIONS)
    spread = nn.functional.interpolate(
        torch.cat([basis.mean[None], basis.components])[None], scale_factor=_FINE, mode="linear"
    )[0]
    return LinearBasis(spread[0].contiguous(), spread[1:].contiguous())


def free_amplitude(
    basis: LinearBasis, n_bins: int, spread: float = AMPLITUDE_SPREAD
) -> LinearBasis:
    """Return a basis in so many bins, with a share of its mean as one component more."""
    components = torch.cat([basis.components, spread * basis.mean[None]])
    return LinearBasis(
        basis.mean.reshape(n_bins, -1).mean(1),
        components.reshape(len(components), n_bins, -1).mean(2),
    )


def invert_by_cholesky(matrices: Tensor) -> Tensor:
    """Invert symmetric positive definite matrices, shape (n, k, k)."""
    return torch.cholesky_inverse(torch.linalg.cholesky(matrices))


def infer_coefficients(
    flux: Tensor,
    weight: Tensor,
    start: Tensor,
    basis: LinearBasis,
    invert: Callable[[Tensor], Tensor] = invert_by_cholesky,
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the coefficients' posterior, each of shape (n, k).

    With coefficients of unit variance and Gaussian noise this is exact: the posterior of
    probabilistic PCA with missing data (Tipping & Bishop 1999).

    Parameters
    ----------
    flux, weight : Tensor, shape (n, m)
    start : Tensor of int64, shape (n,)
    basis : LinearBasis
    invert : callable
        Inverts positive definite matrices, shape (n, k, k).
    """
    size = basis.mean.shape[0]
    grid_flux, grid_weight = (place_on_grid(values, start, size) for values in (flux, weight))
    return solve_coefficients(grid_weight, grid_weight * (grid_flux - basis.mean), basis, invert)


def solve_coefficients(
    weight: Tensor,
    pull: Tensor,
    basis: LinearBasis,
    invert: Callable[[Tensor], Tensor] = invert_by_cholesky,
) -> tuple[Tensor, Tensor]:
    """Do as `infer_coefficients` from weight and weight × (flux − mean), shape (n, g)."""
    k = len(basis.components)
    normal = _make_normal(weight, basis.products, k, _COEFFICIENT_RIDGE)
    target = pull @ basis.components.T
    covariance = invert(normal)
    mean = (covariance @ target[:, :, None])[:, :, 0]
    return mean, covariance.diagonal(dim1=1, dim2=2)


def measure_misfit(flux: Tensor, weight: Tensor, start: Tensor, basis: LinearBasis) -> Tensor:
    """Return −2 ln of the evidence for windows under the basis, without its constant, shape (n,).

    χ² at the best coefficients, their prior's share, and ln of how much the data narrow them down.
    Parameters as of `infer_coefficients`.
    """
    size = basis.mean.shape[0]
    grid_flux, grid_weight = (place_on_grid(values, start, size) for values in (flux, weight))
    residual = grid_flux - basis.mean
    normal = _make_normal(grid_weight, basis.products, len(basis.components), _COEFFICIENT_RIDGE)
    target = (grid_weight * residual) @ basis.components.T
    factor = torch.linalg.cholesky(normal)
    explained = torch.linalg.solve_triangular(factor, target[:, :, None], upper=False)
    narrowed = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1)
    return (grid_weight * residual**2).sum(1) - explained.square().sum((1, 2)) + narrowed


def rebin(flux: Tensor, weight: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Average windows (n, m) over bins of `factor` pixels; weights add up, shapes (n, m/factor)."""
    total, product = _add_up(weight, factor), _add_up(flux * weight, factor)
    return torch.where(total > 0, product / total.clamp(min=1e-30), 0.0), total


def _add_up(values: Tensor, factor: int) -> Tensor:
    # Of a short axis a sum of slices takes a fraction of the time of the library's own.
    first, *others = values.reshape(values.shape[0], -1, factor).unbind(2)
    return sum(others, start=first)


def _iterate(
    flux: Tensor, weight: Tensor, start: Tensor, size: int, coefficients: Tensor, n_iterations: int
) -> LinearBasis:
    grid_flux, grid_weight = (place_on_grid(values, start, size) for values in (flux, weight))
    mean, components = torch.zeros(size), torch.zeros(coefficients.shape[1], size)
    for _ in range(n_iterations):
        design = torch.cat([torch.ones(len(flux), 1), coefficients], 1)
        solved = _solve(grid_flux.T, grid_weight.T, design, _BASIS_RIDGE)
        mean, components = solved[:, 0], solved[:, 1:].T.contiguous()
        coefficients = _solve(grid_flux - mean, grid_weight, components.T, _COEFFICIENT_RIDGE)
        coefficients, components = _whiten(coefficients, components)
    return LinearBasis(mean.contiguous(), components.contiguous())


def _weigh_down(flux: Tensor, weight: Tensor, start: Tensor, basis: LinearBasis) -> Tensor:
    """Return each spectrum's influence in (0, 1], shape (n, 1), falling with its chi-squared."""
    coefficients, _ = infer_coefficients(flux, weight, start, basis)
    spectrum = basis.mean + coefficients @ basis.components
    model = spectrum.gather(1, start[:, None] + torch.arange(flux.shape[1]))
    chi2 = (weight * (flux - model) ** 2).sum(1) / (weight > 0).sum(1).clamp(min=1)
    return 1 / (1 + (chi2 / (_HALF_INFLUENCE * chi2.median())) ** 2)[:, None]


def place_on_grid(windows: Tensor, start: Tensor, size: int) -> Tensor:
    """Place windows (n, m) at the given first places of zeros of shape (n, size)."""
    index = start[:, None] + torch.arange(windows.shape[1], device=windows.device)
    return windows.new_zeros(windows.shape[0], size).scatter_(1, index, windows)


def _solve(target: Tensor, weight: Tensor, design: Tensor, ridge: float) -> Tensor:
    """Solve min_x Σ w (t − D x)² + ridge |x|² for every row; t, w (r, q), D (q, k) → (r, k)."""
    normal = _make_normal(weight, _multiply_pairs(design.T), design.shape[1], ridge)
    return torch.linalg.solve(normal, (weight * target) @ design)


def _multiply_pairs(columns: Tensor) -> Tensor:
    rows, others = (torch.from_numpy(index) for index in np.triu_indices(len(columns)))
    return columns[rows] * columns[others]


def _make_normal(weight: Tensor, products: Tensor | Factor, k: int, ridge: float) -> Tensor:
    """Return Dᵀ diag(w) D + ridge for every row of w (r, q), D (q, k) → (r, k, k).

    `products` are those of every two columns of D, shape (k (k + 1) / 2, q).
    """
    upper = np.triu_indices(k)
    place = np.empty((k, k), np.int64)
    place[upper] = place[upper[::-1]] = np.arange(len(upper[0]))
    packed = multiply(weight, products)
    index = torch.from_numpy(place).to(weight.device)
    return packed[:, index] + ridge * torch.eye(k, device=weight.device)


def _whiten(coefficients: Tensor, components: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate to uncorrelated coefficients of zero mean and unit variance, largest part first."""
    unitary, scale = torch.linalg.qr(coefficients - coefficients.mean(0))
    left, norms, right = torch.linalg.svd(scale @ components, full_matrices=False)
    size = max(len(coefficients) - 1, 1) ** 0.5
    return size * (unitary @ left), norms[:, None] / size * right
