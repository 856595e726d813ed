"""Weighted principal components of windows that cover different parts of one grid."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Ridge on a spectrum's coefficients, in units of their prior variance (they are whitened).
_COEFFICIENT_RIDGE = 1.0
# Pixels seen by few spectra are shrunk towards the mean spectrum: prior weight of the basis.
_BASIS_RIDGE = 3.0


@dataclass(frozen=True)
class LinearBasis:
    """Mean spectrum (g,) and basis (k, g) on the global grid."""

    mean: Tensor
    components: Tensor


def fit_basis(
    flux: Tensor, ivar: Tensor, start: Tensor, size: int, n_components: int,
    n_iterations: int, generator: torch.Generator,
) -> LinearBasis:  # fmt: skip
    """Fit mean and basis by alternating weighted least squares.

    Minimises Σ w (f − μ − c·V)² over windows that lie at different places of the grid, as
    empca (Bailey 2012, PASP 124, 1015) does on a common one.

    Parameters
    ----------
    flux, ivar : Tensor, shape (n, m)
        Windows; ivar = 0 marks a missing pixel.
    start : Tensor of int64, shape (n,)
        First pixel of each window on the grid.
    size : int
        Pixels of the grid.
    n_components, n_iterations : int
    generator : torch.Generator
        Seeds the first coefficients.

    Returns
    -------
    LinearBasis
    """
    grid_flux, grid_ivar = (_place(values, start, size) for values in (flux, ivar))
    weight = grid_ivar.sum(0)
    mean = (grid_flux * grid_ivar).sum(0) / weight.clamp(min=1e-12)
    coefficients = torch.randn(len(flux), n_components, generator=generator)
    components = torch.zeros(n_components, size)
    for _ in range(n_iterations):
        design = torch.cat([torch.ones(len(flux), 1), coefficients], 1)
        solved = _solve(grid_flux.T, grid_ivar.T, design, _BASIS_RIDGE)
        mean, components = solved[:, 0], solved[:, 1:].T.contiguous()
        coefficients = _solve(grid_flux - mean, grid_ivar, components.T, _COEFFICIENT_RIDGE)
        coefficients, components = _whiten(coefficients, components)
    return LinearBasis(mean.contiguous(), components.contiguous())


def infer_coefficients(
    flux: Tensor, ivar: Tensor, start: Tensor, basis: LinearBasis
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the coefficients' posterior, each of shape (n, k).

    With coefficients of unit variance and Gaussian noise this is exact: the posterior of
    probabilistic PCA with missing data (Tipping & Bishop 1999).

    Parameters
    ----------
    flux, ivar : Tensor, shape (n, m)
    start : Tensor of int64, shape (n,)
    basis : LinearBasis
    """
    size = basis.mean.shape[0]
    grid_flux, grid_ivar = (_place(values, start, size) for values in (flux, ivar))
    design = basis.components.T
    normal = _make_normal(grid_ivar, design, _COEFFICIENT_RIDGE)
    target = (grid_ivar * (grid_flux - basis.mean)) @ design
    covariance = torch.linalg.inv(normal)
    mean = (covariance @ target[:, :, None])[:, :, 0]
    return mean, covariance.diagonal(dim1=1, dim2=2)


def _place(windows: Tensor, start: Tensor, size: int) -> Tensor:
    index = start[:, None] + torch.arange(windows.shape[1], device=windows.device)
    return windows.new_zeros(len(windows), size).scatter_(1, index, windows)


def _solve(target: Tensor, weight: Tensor, design: Tensor, ridge: float) -> Tensor:
    """Solve min_x Σ w (t − D x)² + ridge |x|² for every row; t, w (r, q), D (q, k) → (r, k)."""
    normal = _make_normal(weight, design, ridge)
    return torch.linalg.solve(normal, (weight * target) @ design)


def _make_normal(weight: Tensor, design: Tensor, ridge: float) -> Tensor:
    """Return Dᵀ diag(w) D + ridge for every row of w (r, q), D (q, k) → (r, k, k)."""
    k = design.shape[1]
    upper = torch.triu_indices(k, k, device=design.device)
    packed = weight @ (design[:, upper[0]] * design[:, upper[1]])
    normal = weight.new_zeros(len(weight), k, k)
    normal[:, upper[0], upper[1]] = packed
    normal[:, upper[1], upper[0]] = packed
    normal.diagonal(dim1=1, dim2=2).add_(ridge)
    return normal


def _whiten(coefficients: Tensor, components: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate to uncorrelated coefficients of zero mean and unit variance, largest part first."""
    unitary, scale = torch.linalg.qr(coefficients - coefficients.mean(0))
    left, norms, right = torch.linalg.svd(scale @ components, full_matrices=False)
    size = max(len(coefficients) - 1, 1) ** 0.5
    return size * (unitary @ left), norms[:, None] / size * right
