"""Grades by false-discovery level.

The levels are fixed before anything is counted; q-values after Benjamini and Hochberg (1995) say
which objects keep them. Candidates from outside a list, planted or control ones, get the grade
that an object of the list with their p-value has.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from catalog_schema.vocabulary import Finding, Tier

_STRICTEST_FIRST = (Tier.GOLD, Tier.SILVER, Tier.BRONZE)


def grade_p_values(
    p_values: NDArray, levels: Mapping[Tier, float]
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return q-value and tier of every object of a list.

    Parameters
    ----------
    p_values : ndarray, shape (n,)
        NaN for what has none: it is not on the list.
    levels : mapping
        False-discovery level of every tier but the last.

    Returns
    -------
    q_values : ndarray, shape (n,)
        NaN where the p-value is.
    tiers : ndarray of str, shape (n,)
        The strictest tier whose level the q-value keeps.
    """
    q_values = find_q_values(p_values)
    return q_values, take_strictest(q_values, levels)


def find_q_values(p_values: NDArray) -> NDArray[np.float64]:
    """Return the smallest false-discovery level that keeps each object, NaN for NaN, shape (n,)."""
    q_values = np.full(len(p_values), np.nan)
    is_listed = ~np.isnan(p_values)
    q_values[is_listed] = false_discovery_control(p_values[is_listed])
    return q_values


def find_q_values_by_list(p_values: NDArray, findings: NDArray) -> NDArray[np.float64]:
    """Return the q-value of each object on its own list.

    Which list an object is on depends on the same spectrum as its p-value, so the p-values of a
    list alone are no longer uniform for normal objects: those that a class was found for are
    chosen. Each list is therefore one of all n objects, with p = 1 for those of the other. What is
    p on this list and else 1 is never smaller than p: where p is super-uniform, so is it, however
    the lists were chosen, and each list keeps its level.

    Parameters
    ----------
    p_values : ndarray, shape (n,)
        By which each object is graded on its list, NaN for what is on none.
    findings : ndarray of str, shape (n,)
        The lists.

    Returns
    -------
    ndarray, shape (n,)
        NaN where the p-value is.
    """
    q_values = np.full(len(p_values), np.nan)
    for finding in Finding:
        is_here = findings == finding.value
        is_elsewhere = ~is_here & ~np.isnan(p_values)
        q_values[is_here] = find_q_values(np.where(is_elsewhere, 1.0, p_values))[is_here]
    return q_values


def find_limits(p_values: NDArray, tiers: NDArray[np.str_]) -> dict[Tier, float]:
    """Return the largest p-value that each tier's objects or stricter ones have, -1 without any."""
    largest = [np.max(p_values[tiers == tier.value], initial=-1.0) for tier in _STRICTEST_FIRST]
    return dict(zip(_STRICTEST_FIRST, np.maximum.accumulate(largest).tolist(), strict=True))


def take_strictest(values: NDArray, limits: Mapping[Tier, float]) -> NDArray[np.str_]:
    """Return the strictest tier whose limit each value keeps, none for NaN, shape (n,)."""
    return np.select(
        [values <= limits[tier] for tier in _STRICTEST_FIRST],
        [tier.value for tier in _STRICTEST_FIRST],
        default=Tier.NONE.value,
    )
