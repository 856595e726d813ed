"""How far raters agree beyond chance: Cohen's and Fleiss' kappa."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def measure_cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Return Cohen's (1960) kappa of two raters' categories of the same objects.

    Parameters
    ----------
    first, second : sequence, length n

    Returns
    -------
    float
        1 for full agreement, 0 for what chance gives; NaN without an object, or where both raters
        used one and the same category only.
    """
    words = sorted({*first, *second}, key=repr)
    table = np.zeros((len(words), len(words)))
    for pair in zip(first, second, strict=True):
        table[words.index(pair[0]), words.index(pair[1])] += 1
    n = table.sum()
    if not n:
        return float("nan")
    return _exceed_chance(np.trace(table) / n, table.sum(0) @ table.sum(1) / n**2)


def measure_fleiss_kappa(counts: NDArray) -> float:
    """Return Fleiss' (1971) kappa of many raters.

    Parameters
    ----------
    counts : ndarray of int, shape (n objects, n categories)
        How many raters put an object into a category. Their number may differ from object to
        object; objects of fewer than two raters do not count.

    Returns
    -------
    float
        NaN as in `measure_cohen_kappa`.
    """
    shared = counts[counts.sum(axis=1) >= 2].astype(float)
    if not len(shared):
        return float("nan")
    n_raters = shared.sum(axis=1)
    agreeing = ((shared**2).sum(axis=1) - n_raters) / (n_raters * (n_raters - 1))
    shares = shared.sum(axis=0) / shared.sum()
    return _exceed_chance(float(agreeing.mean()), float((shares**2).sum()))


def _exceed_chance(observed: float, expected: float) -> float:
    return float((observed - expected) / (1 - expected)) if expected < 1 else float("nan")
