"""From pairs of an object and a source near it to rows with a rank and a state."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_schema.vocabulary import MatchState


@dataclass(frozen=True)
class Ranked:
    """A row for each candidate, and one for each object without any, in order of the objects.

    Attributes
    ----------
    position : ndarray of int, shape (k,)
        Object of the row.
    place : ndarray of int, shape (k,)
        Its pair among those given; -1 is none.
    rank : ndarray of int, shape (k,)
        From 1 for the nearest of an object, and 1 where there is none.
    n_candidates : ndarray of int, shape (n,)
        Of each object.
    """

    position: NDArray[np.int64]
    place: NDArray[np.int64]
    rank: NDArray[np.int64]
    n_candidates: NDArray[np.int64]


def rank_candidates(
    position: NDArray, separation: NDArray, is_near: NDArray, n_objects: int
) -> Ranked:
    """Lay out the pairs that count, the nearest of each object first.

    Parameters
    ----------
    position, separation : ndarray, shape (m,)
        Object of each pair, and their distance in any unit.
    is_near : ndarray of bool, shape (m,)
        Which pairs count.
    n_objects : int
        Objects there are, with and without a pair.
    """
    chosen = np.flatnonzero(is_near)
    chosen = chosen[np.lexsort((separation[chosen], position[chosen]))]
    near = position[chosen]
    n_candidates = np.bincount(near, minlength=n_objects)
    alone = np.flatnonzero(n_candidates == 0)
    order = np.argsort(np.concatenate([near, alone]), kind="stable")
    first = np.searchsorted(near, near, side="left")
    rank = np.concatenate([np.arange(len(near)) - first, np.zeros(len(alone), int)]) + 1
    place = np.concatenate([chosen, np.full(len(alone), -1)])
    return Ranked(np.concatenate([near, alone])[order], place[order], rank[order], n_candidates)


def settle_states(
    n_candidates: NDArray, failed: Iterable[int], is_asked: NDArray, is_covered: NDArray
) -> NDArray[np.object_]:
    """Return the state of every object with respect to one catalogue, shape (n,).

    Parameters
    ----------
    n_candidates : ndarray of int, shape (n,)
    failed : iterable of int
        Objects for which the service failed.
    is_asked, is_covered : ndarray of bool, shape (n,)
        Objects for which the catalogue was searched, and which it covers.
    """
    has_failed = np.zeros(len(n_candidates), bool)
    has_failed[list(failed)] = True
    rules = {
        MatchState.NOT_QUERIED: ~is_asked,
        # A counterpart is one, also where the footprint is drawn too small.
        MatchState.MATCHED: n_candidates == 1,
        MatchState.AMBIGUOUS: n_candidates > 1,
        MatchState.NOT_COVERED: ~is_covered,
        MatchState.SERVICE_ERROR: has_failed,
    }
    names = [state.value for state in rules]
    return np.select(list(rules.values()), names, default=MatchState.NO_MATCH.value).astype(object)
