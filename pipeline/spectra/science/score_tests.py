"""Score tests of added light in windows of few bins, after what a linear model can absorb.

With V the model's components, N the noise and M = 1 + VᵀN⁻¹V, a template t has A = VᵀN⁻¹t in common
with the components. The score is tᵀC⁻¹r, C = N + VVᵀ, and its variance

    tᵀN⁻¹t − Aᵀ (M⁻¹ + M⁻² + M⁻³) A.

With M = LLᵀ and P = L⁻¹L⁻ᵀ the matrix in the middle is L⁻ᵀ(1 + P + P²)L⁻¹ = KᵀK, K = RᵀL⁻¹ with
RRᵀ = 1 + P + P²: for a bank of fixed templates one product of KVᵀN⁻¹ with all of them, and no
equation to solve for each.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from pipeline.spectra.science.products import multiply

# A variance of this share of tᵀN⁻¹t, or less, is left to rounding: the model explains the template.
_LEAST_LEFT = 1e-3
_LEAST = 1e-6


@dataclass(frozen=True)
class Bank:
    """Templates of several sources, of each of which the best one counts.

    Attributes
    ----------
    templates, squares : Tensor, shape (t, b)
        Light in each bin, and its square.
    ends : ndarray of int64, shape (s + 1,)
        Where the templates of each source begin, and the end of the last one's.
    """

    templates: Tensor
    squares: Tensor
    ends: NDArray[np.int64]


def join_banks(sources: list[Tensor]) -> Bank:
    """Return one bank of the templates of several sources, each of shape (t, b)."""
    templates = torch.cat(sources)
    ends = np.cumsum([0, *(len(source) for source in sources)])
    return Bank(templates, templates.square(), ends)


@dataclass(frozen=True)
class Absorption:
    """What the components could absorb of each of n windows.

    Attributes
    ----------
    components, weighted : Tensor, shape (n, k, b)
        Vᵀ and VᵀN⁻¹.
    inverse : Tensor, shape (n, k, k)
        L⁻¹.
    """

    components: Tensor
    weighted: Tensor
    inverse: Tensor

    def take_off(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the components leave of values of shape (n, j, b), and |L⁻¹u|², (n, j).

        N C⁻¹ t = t − Vu with u = M⁻¹ VᵀN⁻¹ t.
        """
        shared = self.weighted @ values.transpose(1, 2)
        solved = self.inverse.transpose(1, 2) @ (self.inverse @ shared)
        left = values - solved.transpose(1, 2) @ self.components
        return left, (self.inverse @ solved).square().sum(1)


def find_absorption(components: Tensor, first: Tensor, weight: Tensor) -> Absorption:
    """Return what components could absorb of windows.

    Parameters
    ----------
    components : Tensor, shape (k, g)
        Of unit prior variance, on the bins of a grid.
    first : Tensor of int64, shape (n,)
        First bin of each window.
    weight : Tensor, shape (n, b)
        Inverse variance of each bin.
    """
    shape = len(weight), len(components), weight.shape[1]
    cut, weighted = torch.empty(shape), torch.empty(shape)
    _cut(*(values.numpy() for values in (components, first, weight, cut, weighted)))
    normal = weighted @ cut.transpose(1, 2)
    normal.diagonal(dim1=1, dim2=2).add_(1.0)
    return Absorption(cut, weighted, _invert_root(torch.linalg.cholesky(normal)))


def score_left(left: Tensor, shared: Tensor, residual: Tensor, weight: Tensor) -> Tensor:
    """Return the score of each window's own templates, shape (n, j).

    From what is left of each of them: most are nearly the model's own, and a difference of two
    sums over all of the template would be left to rounding.

    Parameters
    ----------
    left, shared : Tensor, shape (n, j, b) and (n, j)
        Of `Absorption.take_off`.
    residual, weight : Tensor, shape (n, b)
    """
    scores = torch.empty(shared.shape)
    _score_left(*(each.numpy() for each in (left, shared, residual, weight, scores)))
    return scores


def scan_bank(absorption: Absorption, bank: Bank, left: Tensor, weight: Tensor) -> Tensor:
    """Return the largest score of any template of each source, shape (n, s).

    Parameters
    ----------
    absorption : Absorption
    bank : Bank
    left : Tensor, shape (n, b)
        What the components leave of the residual.
    weight : Tensor, shape (n, b)
    """
    inverse = absorption.inverse
    narrowed = inverse @ inverse.transpose(1, 2)
    middle = narrowed + narrowed @ narrowed
    middle.diagonal(dim1=1, dim2=2).add_(1.0)
    root = torch.linalg.cholesky(middle).transpose(1, 2) @ inverse
    rows = torch.cat([root @ absorption.weighted, (weight * left)[:, None]], 1)
    seen, whole = multiply(rows, bank.templates), multiply(weight, bank.squares)
    best = torch.empty(len(left), len(bank.ends) - 1)
    _find_best(seen.numpy(), whole.numpy(), bank.ends, best.numpy())
    return best


def _invert_root(root: Tensor) -> Tensor:
    one = torch.eye(root.shape[1]).expand_as(root)
    return torch.linalg.solve_triangular(root, one, upper=False)


@njit(cache=True)
def _cut(components, first, weight, cut, weighted):  # type: ignore[no-untyped-def]
    """Write each window's part of the components, plain and times the weight."""
    n, k, b = cut.shape
    for i in range(n):
        for j in range(k):
            part = components[j, first[i] : first[i] + b]
            for p in range(b):
                cut[i, j, p] = part[p]
                weighted[i, j, p] = part[p] * weight[i, p]


@njit(cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _score_left(left, shared, residual, weight, scores):  # type: ignore[no-untyped-def]
    n, j, b = left.shape
    for i in range(n):
        for t in range(j):
            score, variance = np.float32(0), np.float32(0)
            for p in range(b):
                weighted = weight[i, p] * left[i, t, p]
                score += weighted * residual[i, p]
                variance += weighted * left[i, t, p]
            variance = max(variance - shared[i, t], np.float32(_LEAST))
            scores[i, t] = score / np.sqrt(variance)


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _find_best(seen, whole, ends, best):  # type: ignore[no-untyped-def]
    """Write the best score; the last row of `seen` are the scores, the others their variance."""
    n, rows, t = seen.shape
    variance = np.empty(t, np.float32)
    for i in range(n):
        variance[:] = whole[i]
        for j in range(rows - 1):
            for p in range(t):
                variance[p] -= seen[i, j, p] * seen[i, j, p]
        for p in range(t):
            least = max(np.float32(_LEAST_LEFT) * whole[i, p], np.float32(_LEAST))
            variance[p] = seen[i, rows - 1, p] / np.sqrt(max(variance[p], least))
        for s in range(len(ends) - 1):
            best[i, s] = variance[ends[s] : ends[s + 1]].max()
