"""How easily a latent is isolated from those of the training sample."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Isolation:
    """Isolation Forest (Liu et al. 2008) grown on the latents of the training sample.

    Parameters
    ----------
    latents : ndarray, shape (n, k)
    n_trees : int
    seed : int
    """

    def __init__(self, latents: NDArray, n_trees: int, seed: int) -> None:
        from sklearn.ensemble import IsolationForest

        forest = IsolationForest(n_estimators=n_trees, random_state=seed).fit(latents)
        trees = [estimator.tree_ for estimator in forest.estimators_]
        self._roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
        self._threshold = np.concatenate([tree.threshold for tree in trees])
        children = np.concatenate(
            [
                np.column_stack([tree.children_left, tree.children_right]) + root
                for tree, root in zip(trees, self._roots, strict=True)
            ]
        )
        feature = np.concatenate([tree.feature for tree in trees])
        # Where a tree ends the walk stays, and looks at any feature: all walks are equally long.
        is_leaf = feature < 0
        self._feature = np.where(is_leaf, 0, feature)
        self._children = np.where(is_leaf[:, None], np.arange(len(feature))[:, None], children)
        self._n_steps = max(tree.max_depth for tree in trees)
        depth = np.concatenate([_find_depths(tree) for tree in trees])
        self._length = depth + _find_path_length(
            np.concatenate([tree.n_node_samples for tree in trees])
        )
        self._normal = _find_path_length(np.array([forest.max_samples_]))[0]

    def score(self, latents: NDArray) -> NDArray[np.float32]:
        """Return scores in (0, 1), shape (n,), for latents (n, k); higher is more isolated.

        The forest's own walk down its trees costs half a millisecond per spectrum in shards of a
        hundred; this one gives the same numbers in microseconds.
        """
        depth = _walk(
            latents.astype(np.float32),
            self._roots,
            self._feature,
            self._threshold,
            self._children,
            self._length,
            self._n_steps,
        )
        return np.exp2(-depth / self._normal).astype(np.float32)


def _find_path_length(n_samples: NDArray) -> NDArray[np.float64]:
    """Return the mean depth of a random binary tree of n samples (Liu et al. 2008, eq. 1)."""
    n = np.maximum(n_samples, 2).astype(np.float64)
    length = 2 * (np.log(np.maximum(n - 1, 1)) + np.euler_gamma) - 2 * (n - 1) / n
    return np.select([n_samples <= 1, n_samples == 2], [0.0, 1.0], length)


def _find_depths(tree: Any) -> NDArray[np.intp]:
    """Return how many steps below its root each node lies; children come after their parents."""
    depth = np.zeros(tree.node_count, np.intp)
    for node, (left, right) in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        if left >= 0:
            depth[[left, right]] = depth[node] + 1
    return depth


@njit(cache=True)
def _walk(latents, roots, feature, threshold, children, length, n_steps):  # type: ignore[no-untyped-def]
    """Return the mean depth at which the trees isolate each latent."""
    depth = np.zeros(len(latents))
    for i in range(len(latents)):
        nodes = roots.copy()
        # All trees a step at a time: the processor need not wait for one before the next.
        for _ in range(n_steps):
            for t in range(len(nodes)):
                node = nodes[t]
                is_left = latents[i, feature[node]] <= threshold[node]
                nodes[t] = children[node, 0 if is_left else 1]
        for node in nodes:
            depth[i] += length[node]
    return depth / len(roots)
