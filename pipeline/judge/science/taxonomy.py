"""What an anomaly is: a linear classifier that learns from planted phenomena.

Each feature is a departure d from the candidates alike in conditions. It enters as
arcsinh(d), its positive and its negative part apart, so that an excess and a lack of the same line
may speak for different classes, and a freak value cannot outweigh all others. The logarithm of the
odds of two kinds is then a sum of one term for each feature: its contribution.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LARGEST = 1e4
# Inverse strength of the quadratic penalty; the weights of the examples add up to their number.
_FREEDOM = 0.3
# Tight enough that the order of the sums moves log odds by less than 1e-10.
_TOLERANCE, _MAX_ITERATIONS = 1e-14, 500
_NORMAL_WEIGHT = 10.0


@dataclass(frozen=True)
class Taxonomy:
    """A fitted multinomial logistic regression.

    Attributes
    ----------
    kinds : tuple of str
        In alphabetical order.
    coefficients : ndarray, shape (number of kinds, 2, number of features)
        For the positive and the negative parts.
    intercepts : ndarray, shape (number of kinds,)
    """

    kinds: tuple[str, ...]
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    def find_probabilities(self, departures: NDArray) -> NDArray[np.float64]:
        """Return the probability of every kind, shape (n, number of kinds)."""
        parts = _split(departures)
        logits = self.intercepts + np.einsum("npf,kpf->nk", parts, self.coefficients)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def explain(self, departures: NDArray, kinds: NDArray, against: str) -> NDArray[np.float64]:
        """Return what each feature adds to the log odds of a kind against another, shape (n, f).

        Nothing speaks for or against a kind of which there was no example.

        Parameters
        ----------
        departures : ndarray, shape (n, f)
        kinds : ndarray of str, shape (n,)
        against : str
        """
        is_known = np.isin(kinds, self.kinds) & (against in self.kinds)
        rows = np.where(is_known, np.searchsorted(self.kinds, kinds), 0)
        other = self.kinds.index(against) if against in self.kinds else 0
        difference = self.coefficients[rows] - self.coefficients[other]
        difference[~is_known] = 0
        return np.einsum("npf,npf->nf", _split(departures), difference)


def fit_taxonomy(
    departures: NDArray, kinds: NDArray[np.str_], shares: Mapping[str, float], normal: str
) -> Taxonomy:
    """Fit a taxonomy to examples.

    Parameters
    ----------
    departures : ndarray, shape (n, f)
    kinds : ndarray of str, shape (n,)
        At least two.
    shares : mapping
        Prior probability of each kind, whatever its number of examples.
    normal : str
        The kind that all others are told from; it weighs as much as ten of them.
    """
    from sklearn.linear_model import LogisticRegression

    names, index, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    # The rarest kind is learnt as well as the commonest: the shares enter afterwards.
    taught = np.array([_NORMAL_WEIGHT if name == normal else 1.0 for name in names])
    weight = (taught / taught.sum() / counts)[index] * len(kinds)
    parts = _split(departures).reshape(len(departures), -1)
    # Newton's steps end at the optimum itself; those of LBFGS end near it, in other places for
    # sums in another order.
    model = LogisticRegression(
        C=_FREEDOM, solver="newton-cg", tol=_TOLERANCE, max_iter=_MAX_ITERATIONS
    )
    model.fit(parts, index, sample_weight=weight)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(names) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    intercepts = intercepts + np.log([shares[str(name)] for name in names]) - np.log(taught)
    return Taxonomy(
        tuple(str(name) for name in names), coefficients.reshape(len(names), 2, -1), intercepts
    )


def _split(departures: NDArray) -> NDArray[np.float64]:
    """Return positive and negative parts of the softened departures, shape (n, 2, f)."""
    soft = np.arcsinh(np.clip(np.nan_to_num(departures), -_LARGEST, _LARGEST))
    return np.stack([np.maximum(soft, 0), np.maximum(-soft, 0)], axis=1)
