"""Active learning: from the labels so far to how interesting every object is.

Without a label each method gives the order of what is expected of the objects.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# Length of the kernel in units of the distance that two objects typically have.
_LENGTH = 3.0
# Variance of a label about what the features can tell, in units of the kernel's amplitude.
_NOISE = 0.3
# Interest of an object whose score lies one standard deviation above the mean.
_PRIOR = 0.1
# Constants of Astronomaly, as published.
_NEIGHBOUR_TREES = 100
_EPSILON_1, _EPSILON_2, _ALPHA, _LARGEST_USER_SCORE = 0.1, 0.85, 1.0, 5.0
_FOREST_TREES = 128
_CHUNK = 4096

Learner = Callable[[NDArray, NDArray, NDArray, NDArray, int], NDArray]


def predict_interest(
    features: NDArray, score: NDArray, labelled: NDArray, labels: NDArray, seed: int
) -> NDArray[np.float64]:
    """Predict by a Gaussian process whose mean is what is expected without labels.

    The interest of an object is what its score leads to expect, corrected by what was learnt of
    labelled objects that resemble it (Rasmussen & Williams 2006, equation 2.38, with a squared
    exponential kernel).

    Parameters
    ----------
    features : ndarray, shape (n, k)
    score : ndarray, shape (n,)
        Expected interest, in any unit.
    labelled : ndarray of int, shape (m,)
        Rows that have a label.
    labels : ndarray, shape (m,)
        1 for interesting, 0 for not.
    seed : int
        Of no effect: nothing is drawn.

    Returns
    -------
    ndarray, shape (n,)
        Larger is more interesting.
    """
    prior = _PRIOR * _standardise(score)
    if not len(labelled):
        return prior
    places = _standardise(features)
    known = places[labelled]
    inner = _resemble(known, known) + _NOISE * np.eye(len(known))
    weights = np.linalg.solve(inner, labels - prior[labelled])
    parts = [
        _resemble(places[first : first + _CHUNK], known) @ weights
        for first in range(0, len(places), _CHUNK)
    ]
    return prior + np.concatenate(parts)


def score_by_neighbours(
    features: NDArray, score: NDArray, labelled: NDArray, labels: NDArray, seed: int
) -> NDArray[np.float64]:
    """Weigh the anomaly score as Astronomaly does (Lochner & Bassett 2021, equations 2 to 4).

    A random forest predicts the user's score; it counts near labelled objects, the anomaly score
    far from them. Parameters and return as of `predict_interest`.
    """
    from scipy.spatial import cKDTree
    from sklearn.ensemble import RandomForestRegressor

    reach = score.max() - score.min()
    raw = _LARGEST_USER_SCORE * (score - score.min()) / (reach or 1.0)
    if not len(labelled):
        return raw
    places = _standardise(features)
    forest = RandomForestRegressor(_NEIGHBOUR_TREES, random_state=seed, n_jobs=1)
    told = forest.fit(places[labelled], _LARGEST_USER_SCORE * labels).predict(places)
    distance = cKDTree(places[labelled]).query(places)[0]
    trust = np.exp(_ALPHA * distance / (distance.mean() or 1.0))
    user = _EPSILON_1 + _EPSILON_2 * told / _LARGEST_USER_SCORE
    return raw * np.tanh(trust - 1 + np.arctanh(user))


def score_by_forest(
    features: NDArray, score: NDArray, labelled: NDArray, labels: NDArray, seed: int
) -> NDArray[np.float64]:
    """Weigh the leaves of an Isolation Forest by feedback: AAD (Das et al. 2017), of coniferest.

    Parameters and return as of `predict_interest`; the first order is that of `score`.
    """
    from coniferest.aadforest import AADForest

    if not len(labelled):
        return score.astype(np.float64)
    places = _standardise(features)
    forest = AADForest(n_trees=_FOREST_TREES, random_seed=seed, n_jobs=1)
    # Its labels are -1 for an anomaly and 1 for a regular object.
    forest.fit_known(places, places[labelled], np.where(labels > 0, -1, 1))
    return -np.asarray(forest.score_samples(places), np.float64)


LEARNERS: dict[str, Learner] = {
    "kernel": predict_interest,
    "neighbours": score_by_neighbours,
    "aad": score_by_forest,
}


def _standardise(values: NDArray) -> NDArray[np.float64]:
    wide = values.astype(np.float64)
    scatter = wide.std(axis=0)
    return (wide - wide.mean(axis=0)) / np.where(scatter > 0, scatter, 1.0)


def _resemble(some: NDArray, others: NDArray) -> NDArray[np.float64]:
    """Return the kernel between rows of both, shape (n, m)."""
    square = (some**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * some @ others.T
    return np.exp(-0.5 * square / (_LENGTH**2 * some.shape[1]))
