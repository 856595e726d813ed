"""Calibrated significance: what a statistic means for a candidate like this one.

Statistics depend on conditions, as signal-to-noise and redshift are, even for normal candidates.
Each is therefore standardised among those that are most alike in all conditions, with the median
and the spread to either side of it, which the few anomalies among them hardly move. The combined
statistic is standardised the same way and turned into a p-value by the pooled distribution.
Nothing is compared with itself, nor with another observation of the same object.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.judge.science.tail import fit_tail

# Quantiles of a Gaussian one standard deviation below and above its median.
_BELOW, _ABOVE = 0.1587, 0.8413
# A spread below this is rounding, not scatter.
_MIN_SPREAD = 1e-6
_MIN_GROUP = 40
_TINY = 1e-300
# Values that a thread looks at together: with their number bounds the memory.
_BLOCK_VALUES = 4_000_000
_MAX_THREADS = 8


@dataclass(frozen=True)
class Neighbours:
    """The members of a reference population most alike each candidate.

    Attributes
    ----------
    candidates : ndarray of int, shape (n,)
        In an order in which like ones follow each other, for these share their neighbours.
    members : ndarray of int32, shape (n, number of neighbours)
        Of each candidate in that order.
    """

    candidates: NDArray[np.intp]
    members: NDArray[np.int32]


def standardise(
    reference: NDArray,
    statistics: NDArray,
    wanted: NDArray,
    values: NDArray,
    neighbours: int,
    min_spread: float = _MIN_SPREAD,
    objects: tuple[NDArray, NDArray] | None = None,
) -> NDArray[np.float64]:
    """Express statistics in robust sigma of those of the reference population most alike.

    Parameters
    ----------
    reference : ndarray, shape (r, d)
        Conditions of the reference population, scaled so that near ones are alike.
    statistics : ndarray, shape (r, k)
        Its statistics.
    wanted : ndarray, shape (n, d)
        Conditions of the candidates.
    values : ndarray, shape (n, k)
        Their statistics; NaN where there is none.
    neighbours : int
        Members of the population to compare with; fewer where it is small.
    min_spread : float
        Spread of statistics that are alike in most candidates.
    objects : tuple of ndarray, shapes (r,) and (n,), optional
        Which objects the members and the candidates are: none is compared with itself. Without
        them the candidates are no members.

    Returns
    -------
    ndarray, shape (n, k)
        0 where the statistic is NaN.
    """
    near = find_neighbours(reference, wanted, neighbours, objects)
    return standardise_among(near, statistics, values, min_spread)


def find_neighbours(
    reference: NDArray,
    wanted: NDArray,
    neighbours: int,
    objects: tuple[NDArray, NDArray] | None = None,
) -> Neighbours:
    """Find the members of the reference population most alike each candidate.

    They depend on the conditions alone, so that whoever standardises several statistics of the
    same candidates finds them once. Parameters as of `standardise`.
    """
    # A third of a small population at most: more would not be alike.
    k = max(min(neighbours, len(reference) // 3), min(_MIN_GROUP, len(reference)))
    n_found = n_kept = k
    if objects is not None:
        most = int(np.unique(objects[0], return_counts=True)[1].max(initial=0))
        n_found = min(k + most, len(reference))
        # The nearest others, and of a population of hardly anything else the object itself.
        n_kept = min(k, max(n_found - most, 1))
    tree, order = cKDTree(reference), _sort_by_place(wanted)
    members = np.empty((len(wanted), n_kept), np.int32)

    def find(block: slice) -> None:
        rows = order[block]
        found = np.reshape(tree.query(wanted[rows], k=n_found)[1], (len(rows), n_found))
        if objects is None:
            members[block] = found
        else:
            is_own = objects[0][found] == objects[1][rows][:, None]
            _keep_others(found, is_own, members[block])

    _do_blocks(find, len(wanted), n_found)
    return Neighbours(order, members)


def standardise_among(
    near: Neighbours, statistics: NDArray, values: NDArray, min_spread: float = _MIN_SPREAD
) -> NDArray[np.float64]:
    """Express statistics in robust sigma of those of each candidate's neighbours.

    Parameters
    ----------
    near : Neighbours
    statistics, values, min_spread
        As of `standardise`, of the population and the candidates of `find_neighbours`.

    Returns
    -------
    ndarray, shape (n, k)
        0 where the statistic is NaN.
    """
    result = np.zeros(values.shape)

    def compare(block: slice) -> None:
        rows = near.candidates[block]
        local = _gather(near.members[block], statistics, values[rows])
        result[rows] = np.nan_to_num(_in_local_sigma(local, values[rows], min_spread))

    _do_blocks(compare, len(values), near.members.shape[1] * values.shape[1])
    return result


def join_p_values(
    p_values: NDArray,
    log_odds: NDArray,
    reference: tuple[NDArray, NDArray],
    fraction: float,
    contamination: float,
    own: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """Join two indications of strangeness in one p-value.

    The product of two p-values (Fisher 1925). They are not independent, so that the reference
    population tells how often a product is as small, not the chi-squared distribution.

    Parameters
    ----------
    p_values : ndarray, shape (n,)
    log_odds : ndarray, shape (n,)
        Any second quantity that is larger for what is stranger.
    reference : tuple of ndarray, each of shape (r,)
        Both of the population, anomalies included.
    fraction, contamination : float
        As for `fit_tail`.
    own : ndarray of int, shape (n,), optional
        Which member of the population each candidate is, -1 for none.

    Returns
    -------
    ndarray, shape (n,)
    """
    own = np.full(len(p_values), -1) if own is None else own
    of_odds = fit_tail(reference[1], fraction, contamination)
    known = _add_logarithms(reference[0], of_odds.p_values(reference[1], reference[1]))
    both = _add_logarithms(p_values, of_odds.p_values(log_odds, take_own(reference[1], own)))
    return fit_tail(known, fraction, contamination).p_values(both, take_own(known, own))


def take_own(values: NDArray, own: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the population's values at these places, NaN at -1, shape (n, ...)."""
    unknown = np.full((1, *values.shape[1:]), np.nan)
    return np.concatenate([np.asarray(values, np.float64), unknown])[own]


def take_strange_side(departures: NDArray, is_two_sided: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far each statistic lies on a side that is strange, 0 or more, shape (n, k).

    Parameters
    ----------
    departures : ndarray, shape (n, k)
    is_two_sided : ndarray of bool, shape (k,)
        Whether a low value is as strange as a high one.
    """
    return np.where(is_two_sided, np.abs(departures), np.maximum(departures, 0))


def _add_logarithms(one: NDArray, other: NDArray) -> NDArray:
    """Return -ln of the product of two p-values, shape (n,)."""
    result: NDArray = -np.log(np.maximum(one, _TINY)) - np.log(np.maximum(other, _TINY))
    return result


def _do_blocks(work: Callable[[slice], None], n_rows: int, row_values: int) -> None:
    """Work on blocks of rows, on every core: each row by itself, so that the bits are the same."""
    size = max(_BLOCK_VALUES // max(row_values, 1), 1)
    blocks = [slice(first, first + size) for first in range(0, n_rows, size)]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as pool:
        # A list, for an error in a thread is raised where its result is taken.
        list(pool.map(work, blocks))


def _sort_by_place(places: NDArray) -> NDArray[np.intp]:
    """Return an order in which near places follow each other, shape (n,)."""
    return np.asarray(cKDTree(places).indices, np.intp)


@njit(cache=True, nogil=True)
def _keep_others(found: NDArray, is_own: NDArray, kept: NDArray) -> None:
    """Fill each row with what is not one's own, in the order found, then with what is."""
    for row in range(len(found)):
        n = 0
        for wanted in (False, True):
            for column in range(found.shape[1]):
                if n < kept.shape[1] and is_own[row, column] == wanted:
                    kept[row, n] = found[row, column]
                    n += 1


@njit(cache=True, nogil=True)
def _gather(members: NDArray, statistics: NDArray, values: NDArray) -> NDArray:
    """Return the neighbours' statistics, shape (n, k, neighbours); NaN is the candidate's own."""
    local = np.empty((len(members), statistics.shape[1], members.shape[1]))
    for row in range(len(members)):
        for place in range(members.shape[1]):
            member = members[row, place]
            for k in range(statistics.shape[1]):
                value = statistics[member, k]
                local[row, k, place] = values[row, k] if np.isnan(value) else value
    return local


def _in_local_sigma(local: NDArray, values: NDArray, min_spread: float) -> NDArray:
    # Sorted with the processor's vector instructions, which `np.quantile` has no use of.
    local.sort(axis=2)
    low, centre, high = (_read_quantile(local, q) for q in (_BELOW, 0.5, _ABOVE))
    # Of infinite ones the difference is no number.
    with np.errstate(invalid="ignore"):
        departure = values - centre
        spread = np.where(departure > 0, high - centre, centre - low)
        return departure / np.maximum(spread, min_spread)


def _read_quantile(ordered: NDArray, q: float) -> NDArray:
    """Return the quantile along the last axis as `np.quantile` interpolates it, to the last bit."""
    place = (ordered.shape[-1] - 1) * q
    floor = int(place)
    below, above = ordered[..., floor], ordered[..., min(floor + 1, ordered.shape[-1] - 1)]
    share = place - floor
    with np.errstate(invalid="ignore"):
        if share >= 0.5:
            return above - (above - below) * (1 - share)
        return below + (above - below) * share
