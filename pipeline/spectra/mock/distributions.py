"""Distributions from which the planted anomalies draw their parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats

_STEPS = 2000


class Shape(Protocol):
    """A continuous distribution of scipy."""

    def cdf(self, x: float) -> float:
        """Share below `x`."""

    def ppf(self, q: np.ndarray) -> np.ndarray:
        """Value below which a share `q` lies."""


@dataclass(frozen=True)
class Limited:
    """A distribution between two limits; what lies beyond them is not drawn.

    Every draw takes one number of the random stream, whatever the shape.
    """

    shape: Shape
    low: float
    high: float

    def quantile(self, share: np.ndarray | float) -> np.ndarray:
        """Value below which a `share` (n,) in [0, 1] of the draws lies, shape (n,)."""
        below, above = self.shape.cdf(self.low), self.shape.cdf(self.high)
        value = self.shape.ppf(below + np.asarray(share) * (above - below))
        return np.clip(value, self.low, self.high)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(self.quantile(rng.random()))


def uniform(low: float, high: float) -> Limited:
    """Draw evenly between two limits: where a source states a range and no shape."""
    return Limited(stats.uniform(low, high - low), low, high)


def normal(mean: float, sigma: float, low: float, high: float) -> Limited:
    """Draw from a Gaussian between two limits."""
    return Limited(stats.norm(mean, sigma), low, high)


def lognormal(median: float, dex: float, low: float, high: float) -> Limited:
    """Draw a quantity whose decimal logarithm is Gaussian, `dex` wide."""
    return Limited(stats.lognorm(dex * np.log(10), scale=median), low, high)


def exponential(scale: float, low: float, high: float) -> Limited:
    """Draw from a density that falls by e each `scale` above `low`, or rises if negative."""
    if scale < 0:
        return from_density(lambda x: np.exp((x - high) / -scale), low, high)
    return Limited(stats.expon(low, scale), low, high)


def lorentzian(centre: float, half_width: float, low: float, high: float) -> Limited:
    """Draw from a Lorentzian; far from its centre the density falls as the inverse square."""
    return Limited(stats.cauchy(centre, half_width), low, high)


def from_density(density: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> Limited:
    """Draw from a density given as a function, taken as constant in 2000 equal steps."""
    edges = np.linspace(low, high, _STEPS + 1)
    heights = density(0.5 * (edges[1:] + edges[:-1]))
    return Limited(stats.rv_histogram((heights, edges), density=True), low, high)


def tabulated(edges: tuple[float, ...], counts: tuple[float, ...]) -> Limited:
    """Draw from counts in bins, evenly within each."""
    shape = stats.rv_histogram((np.array(counts), np.array(edges)), density=False)
    return Limited(shape, edges[0], edges[-1])
