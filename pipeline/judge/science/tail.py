"""The distribution of a combined statistic of normal candidates, from a population with anomalies.

Below a threshold the population itself tells how often a normal candidate is as strange; above it a
fit does. Anomalies are in the population: what stands out from the fit is taken away from it and
the fit repeated, as often as that changes it. So p-values are those of the normal candidates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import beta, false_discovery_control

# What stands out at this false-discovery level is taken away, and this share of it put back.
_LEVEL = 0.2
# Rounds after which two sets of anomalies that take turns are left at that.
_ROUNDS = 20
# The tail's shape and its standard deviation a priori, from normal spectra of two made surveys. Not
# below 0, an exponential: no score is impossible.
_SHAPE, _SHAPE_ERROR, _STEEPEST = 0.06, 0.02, 0.5
# A shape below this is rounding.
_FLAT = 1e-6
_END = -0.99
# A scale below this too: the population has one value.
_SMALLEST_SCALE = 1e-6
_FEWEST, _ENOUGH = 10, 20_000
# Standard deviations of a Gaussian to either side that hold 95 per cent.
_TWO_SIDED_95 = 1.96
_STEP = 1e-3


@dataclass(frozen=True)
class Tail:
    """Distribution of a statistic of normal candidates: counted body, generalised Pareto tail.

    Attributes
    ----------
    sorted_values : ndarray, shape (n,)
        The population's values, without what stands out.
    n_beyond : float
        Normal candidates expected among what stands out.
    threshold, scale, shape, fraction : float
        Above the threshold lies this fraction, of which (1 + shape · x / scale)^(−1 / shape) lies
        more than x above it; shape 0 is an exponential.
    covariance : ndarray, shape (2, 2)
        Of ln scale and shape.
    """

    sorted_values: NDArray
    n_beyond: float
    threshold: float
    scale: float
    shape: float
    fraction: float
    covariance: NDArray

    def p_values(self, values: NDArray, own: NDArray | None = None) -> NDArray[np.float64]:
        """Return the probability that a normal candidate exceeds each value, shape (n,).

        Parameters
        ----------
        values : ndarray, shape (n,)
        own : ndarray, shape (n,), optional
            What the population holds of the candidate itself, NaN where nothing.
        """
        n_above, n = self._count(values, own)
        body = (n_above + 1) / (n + 1)
        beyond = self.fraction * np.exp(-_hazard(self._excess(values), self.scale, self.shape))
        return np.where(values > self.threshold, beyond, body)

    def find_intervals(
        self, values: NDArray, own: NDArray | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the limits of the 95 per cent interval of each p-value, each of shape (n,).

        In the body they are those of a counted share (Jeffreys), in the tail those of the fit; that
        the tail has the shape of the fit they take for granted.

        Parameters
        ----------
        values, own : ndarray, shape (n,)
            As for `p_values`.
        """
        n_above, n = self._count(values, own)
        counted = [beta.ppf(q, n_above + 0.5, n - n_above + 0.5) for q in (0.025, 0.975)]
        excess, at = self._excess(values), np.array([np.log(self.scale), self.shape])
        slopes = np.stack(
            [
                _hazard(excess, np.exp(above[0]), above[1])
                - _hazard(excess, np.exp(below[0]), below[1])
                for above, below in ((at + step, at - step) for step in _STEP * np.eye(2))
            ]
        ) / (2 * _STEP)
        variance = np.einsum("kn,kl,ln->n", slopes, self.covariance, slopes)
        n_all = len(self.sorted_values) + self.n_beyond
        error = np.sqrt(variance + (1 - self.fraction) / (self.fraction * n_all))
        p_values = self.p_values(values, own)
        fitted = [p_values * np.exp(sign * _TWO_SIDED_95 * error) for sign in (-1, 1)]
        low, high = (
            np.where(values > self.threshold, *pair) for pair in zip(fitted, counted, strict=True)
        )
        return np.minimum(low, p_values), np.clip(high, p_values, 1)

    def _count(self, values: NDArray, own: NDArray | None) -> tuple[NDArray, NDArray]:
        """Return how many others of the population reach each value, and how many there are."""
        own = np.full(len(values), np.nan) if own is None else own
        is_member = own <= self.sorted_values[-1]
        n_kept = len(self.sorted_values)
        n_above = n_kept - np.searchsorted(self.sorted_values, values, side="left")
        n_above = n_above - (is_member & (own >= values)) + self.n_beyond
        return n_above, n_kept + self.n_beyond - is_member

    def _excess(self, values: NDArray) -> NDArray:
        return np.maximum(values - self.threshold, 0)


def fit_tail(values: NDArray, fraction: float, contamination: float) -> Tail:
    """Fit the distribution of the normal members of a population that contains anomalies.

    First the upper `contamination` is taken for anomalies, and a generalised Pareto tail (Pickands
    1975) of the usual shape, truncated there, is fitted below. What has a false-discovery level of
    at most 0.2 (Benjamini & Hochberg 1995) stands out; the tail is fitted to the rest, with as many
    normal members beyond as that level says, and so on until the same members stand out again: from
    above, for a fit through anomalies finds none. The shape is the one of largest posterior
    probability.

    Parameters
    ----------
    values : ndarray, shape (n,)
    fraction : float
        Upper part of the normal members taken as tail.
    contamination : float
        Largest share of anomalies; smaller than `fraction`.
    """
    ordered = np.sort(values)
    most = int(contamination * len(ordered))
    tail = _fit_truncated(ordered, most, fraction)
    seen: set[int] = set()
    found = _count_found(tail, ordered, most)
    while found not in seen and len(seen) < _ROUNDS:
        seen.add(found)
        tail = _fit_censored(ordered, found, fraction)
        found = _count_found(tail, ordered, most)
    return tail


def _count_found(tail: Tail, ordered: NDArray, most: int) -> int:
    q_values = false_discovery_control(tail.p_values(ordered))
    return min(int((q_values <= _LEVEL).sum()), most)


def _fit_truncated(ordered: NDArray, n_out: int, fraction: float) -> Tail:
    """Fit a tail of the usual shape below the upper `n_out`, of which nothing is known."""
    kept = ordered[: len(ordered) - n_out]
    threshold, excess = _cut(kept, fraction * len(kept))
    mean = max(float(excess.mean()), _SMALLEST_SCALE)
    width = max(float(kept[-1]) - threshold, _SMALLEST_SCALE)

    def misfit(log_scale: float) -> float:
        scale = np.exp(log_scale)
        hazard = float(_hazard(excess, scale, _SHAPE).mean())
        within = -np.expm1(-float(_hazard(np.array(width), scale, _SHAPE)))
        return float(log_scale + (1 + _SHAPE) * hazard + np.log(within))

    bounds = np.log(mean) - 1, np.log(mean) + 3
    scale = np.exp(minimize_scalar(misfit, bounds=bounds, method="bounded").x)
    return Tail(kept, 0.0, threshold, float(scale), _SHAPE, fraction, np.zeros((2, 2)))


def _fit_censored(ordered: NDArray, n_out: int, fraction: float) -> Tail:
    """Fit a generalised Pareto tail to what is below the upper `n_out`, normal to one in five."""
    kept, n_beyond = ordered[: len(ordered) - n_out], _LEVEL * n_out
    threshold, excess = _cut(kept, fraction * (len(kept) + n_beyond) - n_beyond)
    ceiling = max(float(kept[-1]) - threshold, 0.0)
    mean = max(float(excess.mean()), _SMALLEST_SCALE)

    # Of very many every so manieth, in their order, tells as much.
    stride = -(-len(excess) // _ENOUGH)
    seen = excess[stride // 2 :: stride]

    def misfit(parameters: NDArray) -> float:
        log_scale, shape = parameters
        scale = np.exp(log_scale)
        hazard = float(_hazard(seen, scale, shape).mean())
        density = (log_scale + (1 + shape) * hazard) * len(excess)
        beyond = n_beyond * float(_hazard(np.array(ceiling), scale, shape))
        return float(density + beyond + 0.5 * ((shape - _SHAPE) / _SHAPE_ERROR) ** 2)

    start, bounds = np.array([np.log(mean), _SHAPE]), [(None, None), (0.0, _STEEPEST)]
    best = minimize(misfit, start, method="L-BFGS-B", bounds=bounds).x
    # Of values that are all alike the curvature is none.
    covariance = np.linalg.pinv(_measure_curvature(misfit, best), hermitian=True)
    scale, shape = float(np.exp(best[0])), float(best[1])
    return Tail(kept, n_beyond, threshold, scale, shape, fraction, covariance)


def _measure_curvature(misfit: Callable[[NDArray], float], at: NDArray) -> NDArray:
    """Return the second derivatives of a function of two parameters, shape (2, 2)."""
    steps = _STEP * np.eye(2)
    corners = [
        [
            sum(
                one * other * misfit(at + one * steps[i] + other * steps[j])
                for one in (-1, 1)
                for other in (-1, 1)
            )
            for j in range(2)
        ]
        for i in range(2)
    ]
    return np.array(corners) / (2 * _STEP) ** 2


def _cut(kept: NDArray, n_above: float) -> tuple[float, NDArray]:
    """Return the value above which so many lie, and by how much they lie above it."""
    share = min(max(n_above, _FEWEST) / len(kept), 1.0)
    threshold = float(np.quantile(kept, 1 - share))
    excess = kept[kept > threshold] - threshold
    return threshold, excess if len(excess) else np.zeros(1)


def _hazard(excess: NDArray, scale: float, shape: float) -> NDArray:
    """Return −ln of the share of the tail that lies farther above the threshold."""
    ratio = np.asarray(excess / scale)
    if abs(shape) < _FLAT:
        return ratio * (1 - 0.5 * shape * ratio)
    # Of a shape below 0, which only the errors ask for, no value is beyond the end.
    return np.asarray(np.log1p(np.maximum(shape * ratio, _END)) / shape)
