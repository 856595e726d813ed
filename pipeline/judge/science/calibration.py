"""Calibrated significance: what a statistic means for a candidate like this one.

Statistics depend on conditions, as signal-to-noise and redshift are, even for normal candidates.
Each is therefore standardised among those that are most alike in all conditions, with the median
and the spread to either side of it, which the few anomalies among them hardly move. The combined
statistic is standardised the same way and turned into a p-value by the pooled distribution.
Nothing is compared with itself, nor with another observation of the same object.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

# Quantiles of a Gaussian one standard deviation below and above its median.
_BELOW, _ABOVE = 0.1587, 0.8413
# A spread below this is rounding, not scatter.
_MIN_SPREAD = 1e-6
_MIN_GROUP = 40
_TINY = 1e-300
# Values looked at together: bounds the memory.
_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True)
class Tail:
    """Distribution of the combined statistic: empirical body, exponential tail.

    Attributes
    ----------
    sorted_values : ndarray
        The reference population's values.
    threshold, scale, fraction : float
        Above the threshold lies this fraction, falling off with this e-folding scale.
    """

    sorted_values: NDArray
    threshold: float
    scale: float
    fraction: float

    def p_values(self, values: NDArray, own: NDArray | None = None) -> NDArray[np.float64]:
        """Return the probability that a normal candidate exceeds each value, shape (n,).

        Parameters
        ----------
        values : ndarray, shape (n,)
        own : ndarray, shape (n,), optional
            What the population holds of the candidate itself, NaN where nothing.
        """
        own = np.full(len(values), np.nan) if own is None else own
        n = len(self.sorted_values) - np.isfinite(own)
        n_below = np.searchsorted(self.sorted_values, values, side="left")
        n_above = len(self.sorted_values) - n_below - (own >= values)
        body = (n_above + 1) / (n + 1)
        beyond = self.fraction * np.exp(-(values - self.threshold) / self.scale)
        return np.where(values > self.threshold, beyond, body)


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
    near = _find_neighbours(reference, wanted, neighbours, objects)
    result = np.zeros(values.shape)
    size = max(_BLOCK_VALUES // max(near.shape[1] * values.shape[1], 1), 1)
    for first in range(0, len(values), size):
        rows = slice(first, first + size)
        result[rows] = _in_local_sigma(statistics[near[rows]], values[rows], min_spread)
    return np.nan_to_num(result)


def fit_tail(values: NDArray, fraction: float, contamination: float) -> Tail:
    """Fit the upper tail of a population that contains anomalies.

    The scale is the maximum-likelihood one of an exponential censored at the contamination: how
    far out the most extreme values lie does not matter, so anomalies cannot hide themselves.

    Parameters
    ----------
    values : ndarray, shape (n,)
    fraction : float
        Upper part of the population taken as tail.
    contamination : float
        Upper part in which anomalies may lie; smaller than `fraction`.
    """
    ordered = np.sort(values)
    threshold, ceiling = np.quantile(ordered, [1 - fraction, 1 - contamination])
    inside = ordered[(ordered > threshold) & (ordered <= ceiling)]
    n_beyond = int((ordered > ceiling).sum())
    total = float((inside - threshold).sum() + n_beyond * (ceiling - threshold))
    scale = max(total / max(len(inside), 1), _MIN_SPREAD)
    return Tail(ordered, float(threshold), scale, fraction)


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
    """Return the population's values at these places, NaN at -1, shape (n,)."""
    return np.append(np.asarray(values, np.float64), np.nan)[own]


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


def _find_neighbours(
    reference: NDArray,
    wanted: NDArray,
    neighbours: int,
    objects: tuple[NDArray, NDArray] | None,
) -> NDArray[np.intp]:
    # A third of a small population at most: more would not be alike.
    k = max(min(neighbours, len(reference) // 3), min(_MIN_GROUP, len(reference)))
    if objects is None:
        return np.reshape(cKDTree(reference).query(wanted, k=k)[1], (len(wanted), k))
    members, candidates = objects
    most = int(np.unique(members, return_counts=True)[1].max(initial=0))
    n = min(k + most, len(reference))
    found = np.reshape(cKDTree(reference).query(wanted, k=n)[1], (len(wanted), n))
    is_own = members[found] == candidates[:, None]
    # The nearest others, and of a population of hardly anything else the object itself.
    order = np.argsort(is_own, axis=1, kind="stable")[:, : min(k, max(n - most, 1))]
    return np.take_along_axis(found, order, axis=1)


def _in_local_sigma(local: NDArray, values: NDArray, min_spread: float) -> NDArray:
    local = np.where(np.isnan(local), values[:, None], local)
    low, centre, high = np.quantile(local, [_BELOW, 0.5, _ABOVE], axis=1)
    departure = values - centre
    spread = np.where(departure > 0, high - centre, centre - low)
    return departure / np.maximum(spread, min_spread)
