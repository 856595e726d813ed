"""Families that nobody has named: a map of candidates, and clusters with their stability."""

import numpy as np
from numpy.typing import NDArray

_AXES = 20
_PERPLEXITY = 30.0
_NEIGHBOURS = 5


def draw_map(features: NDArray, n_anchors: int, seed: int) -> NDArray[np.float32]:
    """Lay candidates out on a plane, like beside like, shape (n, 2).

    Principal components, then t-SNE (van der Maaten & Hinton 2008) of at most `n_anchors`
    them, evenly spread over the rows; the others lie at the mean of their nearest anchors,
    weighted by inverse distance.

    Parameters
    ----------
    features : ndarray, shape (n, f)
    n_anchors : int
    seed : int
    """
    from sklearn.manifold import TSNE
    from sklearn.neighbors import KNeighborsRegressor

    axes = find_axes(features, seed)
    anchors = np.unique(np.linspace(0, len(axes) - 1, min(n_anchors, len(axes))).astype(np.intp))
    if len(anchors) <= 2 * _NEIGHBOURS:
        return np.pad(axes[:, :2], ((0, 0), (0, 2 - min(axes.shape[1], 2)))).astype(np.float32)
    perplexity = min(_PERPLEXITY, (len(anchors) - 1) / 3)
    plane = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(axes[anchors])
    if len(anchors) == len(axes):
        return np.asarray(plane, np.float32)
    near = KNeighborsRegressor(_NEIGHBOURS, weights="distance").fit(axes[anchors], plane)
    return np.asarray(near.predict(axes), np.float32)


def find_axes(features: NDArray, seed: int) -> NDArray[np.float64]:
    """Return the leading principal components, at most 20, shape (n, k)."""
    from sklearn.decomposition import PCA

    n_axes = min(_AXES, *features.shape)
    if n_axes == 1:
        return features[:, :1] - features[:, :1].mean()
    return np.asarray(PCA(n_axes, random_state=seed).fit_transform(features), np.float64)


def find_clusters(
    axes: NDArray, min_size: int, n_bootstraps: int, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find dense groups (leaves of HDBSCAN; Campello et al. 2013) and try to find them again.

    Stability is Hennig's (2007): the mean over bootstrapped samples of the largest Jaccard
    similarity of a cluster with a cluster of the sample, among the rows that are in it.

    Parameters
    ----------
    axes : ndarray, shape (n, k)
    min_size : int
        Fewest members of a cluster.
    n_bootstraps : int
    seed : int

    Returns
    -------
    cluster : ndarray of int32, shape (n,)
        From 1 for the largest cluster; 0 for members of none.
    stability : ndarray of float32, shape (n,)
        Of the row's cluster; 0 for members of none.
    """
    cluster = _cluster(axes, min_size)
    n_clusters = cluster.max(initial=0)
    likeness = np.zeros(n_clusters + 1)
    rng = np.random.default_rng(seed)
    for _ in range(n_bootstraps if n_clusters else 0):
        drawn = np.unique(rng.integers(0, len(axes), len(axes)))
        again = _cluster(axes[drawn], min_size)
        for k in range(1, n_clusters + 1):
            mine = cluster[drawn] == k
            likeness[k] += max(
                (_jaccard(mine, again == other) for other in range(1, again.max(initial=0) + 1)),
                default=0.0,
            )
    return cluster, (likeness / max(n_bootstraps, 1))[cluster].astype(np.float32)


def _cluster(axes: NDArray, min_size: int) -> NDArray[np.int32]:
    from sklearn.cluster import HDBSCAN

    if len(axes) < 2 * min_size:
        return np.zeros(len(axes), np.int32)
    labels = HDBSCAN(
        min_cluster_size=min_size, cluster_selection_method="leaf", copy=True
    ).fit_predict(axes)
    sizes = np.bincount(labels[labels >= 0], minlength=labels.max(initial=-1) + 1)
    rank = np.empty(len(sizes), np.int32)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(1, len(sizes) + 1)
    found: NDArray[np.int32] = np.where(labels >= 0, np.append(rank, 0)[labels], 0)
    return found.astype(np.int32)


def _jaccard(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0
