"""Score tests of added light in windows of few bins, after what a linear model can absorb.

With V the model's components, N the noise and M = 1 + VᵀN⁻¹V, a template t has A = VᵀN⁻¹t in common
with the components. The score is tᵀC⁻¹r, C = N + VVᵀ, and its variance

    tᵀN⁻¹t − Aᵀ (M⁻¹ + M⁻² + M⁻³) A.

With M = LLᵀ and P = L⁻¹L⁻ᵀ the matrix in the middle is L⁻ᵀ(1 + P + P²)L⁻¹ = KᵀK, K = RᵀL⁻¹ with
RRᵀ = 1 + P + P²: for a bank of fixed templates one product of KVᵀN⁻¹ with all of them, and no
equation to solve for each.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from pipeline.spectra.science.products import Factor, multiply

# A variance of this share of tᵀN⁻¹t, or less, is left to rounding: the model explains the template.
LEAST_LEFT = 1e-3
_LEAST = 1e-6


@dataclass(frozen=True)
class Bank:
    """Templates of several sources, of each of which the best one counts.

    Attributes
    ----------
    templates, squares : Factor, shape (t, b)
        Light in each bin, and its square.
    ends : ndarray of int64, shape (s + 1,)
        Where the templates of each source begin, and the end of the last one's.
    """

    templates: Factor
    squares: Factor
    ends: NDArray[np.int64]


def join_banks(sources: list[Tensor]) -> Bank:
    """Return one bank of the templates of several sources, each of shape (t, b)."""
    templates = torch.cat(sources)
    ends = np.cumsum([0, *(len(source) for source in sources)])
    return Bank(Factor(templates), Factor(templates.square()), ends)


def score_templates(
    components: Tensor, first: Tensor, residual: Tensor, weight: Tensor, templates: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the score of each window's own templates, (n, j), and what `scan_bank` looks at.

    Parameters
    ----------
    components : Tensor, shape (k, g)
        Of unit prior variance, on the bins of a grid.
    first : Tensor of int64, shape (n,)
        First bin of each window.
    residual, weight : Tensor, shape (n, b)
        Of each bin; the weight is its inverse variance.
    templates : Tensor, shape (n, j, b)

    Returns
    -------
    scores : Tensor, shape (n, j)
        NaN where a window shows nothing of the template, or the model explains it all.
    rows : Tensor, shape (n, k + 1, b)
        KVᵀN⁻¹ and C⁻¹r.
    """
    (n, j, b), k = templates.shape, len(components)
    # Components, templates and the residual below one another: few products of many rows.
    light, weighted = torch.empty(n, k + j + 1, b), torch.empty(n, k, b)
    given = (components, first, residual, weight, templates)
    _stack(*(each.numpy() for each in (*given, light, weighted)))
    shared = weighted @ light.transpose(1, 2)
    factors, beyond = torch.empty(n, k + j + 1, k), torch.empty(n, j + 1)
    _solve(*(each.numpy() for each in (shared, factors, beyond)))
    explained = factors @ light[:, :k]
    scores, rows = torch.empty(n, j), torch.empty(n, k + 1, b)
    _score(*(each.numpy() for each in (light, explained, weight, beyond, scores, rows)))
    return scores, rows


def scan_bank(bank: Bank, rows: Tensor, weight: Tensor) -> Tensor:
    """Return the largest score of any template of each source, shape (n, s).

    Parameters
    ----------
    bank : Bank
    rows : Tensor, shape (n, k + 1, b)
        Of `score_templates`.
    weight : Tensor, shape (n, b)
    """
    seen, whole = multiply(rows, bank.templates), multiply(weight, bank.squares)
    best = torch.empty(len(rows), len(bank.ends) - 1)
    _find_best(seen.numpy(), whole.numpy(), bank.ends, best.numpy())
    return best


def find_best_templates(bank: Bank, rows: Tensor, weight: Tensor) -> NDArray[np.int64]:
    """Return which template of the bank has the score that `scan_bank` returns, shape (n, s)."""
    seen, whole = multiply(rows, bank.templates), multiply(weight, bank.squares)
    scores = np.empty(seen.shape[::2], np.float32)
    for row in range(len(scores)):
        _score_bank(seen[row].numpy(), whole[row].numpy(), scores[row])
    parts = pairwise(bank.ends)
    return np.stack([first + scores[:, first:last].argmax(1) for first, last in parts], axis=1)


def measure_response(
    components: Tensor, first: Tensor, weight: Tensor, templates: Tensor, least_left: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the error of each template's amplitude, and the bin where it is best seen, (n, j).

    Of light a t, added to a spectrum of the model, tᵀC⁻¹N C⁻¹t a is expected as its tᵀC⁻¹r: so the
    amplitude is the score times √variance / tᵀC⁻¹N C⁻¹t. NaN where nothing of the template is seen.

    Parameters
    ----------
    components, first, weight, templates : Tensor
        As of `score_templates`.
    least_left : float
        Share of tᵀN⁻¹t which the variance has at least: `LEAST_LEFT` of templates of a bank.
    """
    places = first.numpy()[:, None] + np.arange(weight.shape[1])
    given = components.numpy().astype(np.float64)[:, places].transpose(1, 0, 2)
    power, light = (each.numpy().astype(np.float64) for each in (weight, templates))
    weighted = given * power[:, None]
    inner = np.eye(given.shape[1]) + weighted @ given.transpose(0, 2, 1)
    solved = np.linalg.solve(inner, weighted @ light.transpose(0, 2, 1))
    left = light - solved.transpose(0, 2, 1) @ given
    seen = power[:, None] * left**2
    information = seen.sum(2)
    beyond = (solved * np.linalg.solve(inner, solved)).sum(1)
    least = np.maximum(least_left * (power[:, None] * light**2).sum(2), _LEAST)
    unknown = np.full(information.shape, np.nan)
    scatter = np.sqrt(np.maximum(information - beyond, least))
    error = np.divide(scatter, information, out=unknown, where=information > _LEAST)
    return error, seen.argmax(2)


@njit(cache=True)
def _stack(components, first, residual, weight, templates, light, weighted):  # type: ignore[no-untyped-def]
    """Write components, templates and residual of each window, and components times weight."""
    (n, k, b), j = weighted.shape, templates.shape[1]
    for i in range(n):
        for row in range(k):
            part = components[row, first[i] : first[i] + b]
            light[i, row] = part
            _multiply(part, weight[i], weighted[i, row])
        light[i, k : k + j] = templates[i]
        light[i, k + j] = residual[i]


@njit(cache=True, error_model="numpy")
def _solve(shared, factors, beyond):  # type: ignore[no-untyped-def]
    """Write K and u = M⁻¹ VᵀN⁻¹ t of each template t and the residual, and |L⁻¹u|²."""
    n, k, _ = shared.shape
    one = np.eye(k, dtype=np.float32)
    for i in range(n):
        inverse = _invert_lower(np.linalg.cholesky(one + shared[i, :, :k]))
        narrowed = np.dot(inverse, inverse.T)
        root = np.linalg.cholesky(one + narrowed + np.dot(narrowed, narrowed))
        solved = np.dot(inverse.T, np.dot(inverse, shared[i, :, k:].copy()))
        factors[i, :k] = np.dot(root.T, inverse)
        factors[i, k:] = solved.T
        beyond[i] = (np.dot(inverse, solved) ** 2).sum(0)


@njit(cache=True, error_model="numpy")
def _invert_lower(lower):  # type: ignore[no-untyped-def]
    """Return the inverse of a lower triangular matrix."""
    inverse = np.zeros_like(lower)
    for i in range(len(lower)):
        for j in range(i):
            for p in range(i):
                inverse[i, p] -= lower[i, j] * inverse[j, p]
        inverse[i, i] = 1
        inverse[i] /= lower[i, i]
    return inverse


@njit(cache=True, error_model="numpy")
def _score(light, explained, weight, beyond, scores, rows):  # type: ignore[no-untyped-def]
    n, k, j = len(scores), rows.shape[1] - 1, scores.shape[1]
    for i in range(n):
        for row in range(k):
            _multiply(explained[i, row], weight[i], rows[i, row])
        residual = light[i, k + j]
        for row in range(j):
            # What is left of every template is made explicitly: most are nearly the model's own,
            # and a difference of two sums over all of it would be left to rounding.
            score, variance = _correlate(
                light[i, k + row], explained[i, k + row], residual, weight[i]
            )
            variance -= beyond[i, row]
            scores[i, row] = score / np.sqrt(variance) if variance > _LEAST else np.float32(np.nan)
        _multiply(residual - explained[i, k + j], weight[i], rows[i, k])


@njit(cache=True)
def _multiply(values, weight, product):  # type: ignore[no-untyped-def]
    for p in range(len(product)):
        product[p] = values[p] * weight[p]


@njit(cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _correlate(light, explained, residual, weight):  # type: ignore[no-untyped-def]
    """Return Σ weight × left × residual and Σ weight × left², of light that is not explained."""
    score, variance = np.float32(0), np.float32(0)
    for p in range(len(weight)):
        left = light[p] - explained[p]
        weighted = weight[p] * left
        score += weighted * residual[p]
        variance += weighted * left
    return score, variance


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _find_best(seen, whole, ends, best):  # type: ignore[no-untyped-def]
    scores = np.empty(seen.shape[2], np.float32)
    for i in range(len(seen)):
        _score_bank(seen[i], whole[i], scores)
        for s in range(len(ends) - 1):
            best[i, s] = scores[ends[s] : ends[s + 1]].max()


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _score_bank(seen, whole, scores):  # type: ignore[no-untyped-def]
    """Write the scores; the last row of `seen` are their numerators, the others the variance."""
    last = len(seen) - 1
    # First the variance, then in its place the score.
    scores[:] = whole
    for j in range(last):
        for p in range(len(scores)):
            scores[p] -= seen[j, p] * seen[j, p]
    for p in range(len(scores)):
        least = max(np.float32(LEAST_LEFT) * whole[p], np.float32(_LEAST))
        scores[p] = seen[last, p] / np.sqrt(max(scores[p], least))
