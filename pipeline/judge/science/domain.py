"""Does a reference population stand for candidates that it has nothing to do with?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import binom

# Members of the population that must be near, as many as the smallest group of the calibration.
_N_NEAR = 40
# Of ordinary candidates this share has a p-value below it; anomalies may double it twice over.
LOW = 0.05
_MOST_LOW = 0.15
# Chance of so many low p-values at that share below which the population is not theirs.
_SURPRISE = 0.01
# Fewer cannot show it.
_FEWEST = 20


@dataclass(frozen=True)
class Domain:
    """How a population stands to other candidates.

    Attributes
    ----------
    is_outside : ndarray of bool, shape (n,)
        Candidates with conditions that the population does not have.
    n_low, n : int
        Candidates inside whose p-value is below `LOW`, and all of them that have one.
    """

    is_outside: NDArray[np.bool_]
    n_low: int
    n: int

    @property
    def is_seen(self) -> bool:
        """Whether there are enough of them to see if the calibration holds."""
        return self.n >= _FEWEST

    @property
    def is_alike(self) -> bool:
        """Whether low p-values are as few as anomalies may be."""
        return bool(binom.sf(self.n_low - 1, self.n, _MOST_LOW) >= _SURPRISE)


def find_domain(reference: NDArray, wanted: NDArray, p_values: NDArray) -> Domain:
    """Compare conditions and p-values of candidates with the population that gave the p-values.

    Parameters
    ----------
    reference : ndarray, shape (r, d)
        Conditions of the population, scaled so that near ones are alike.
    wanted : ndarray, shape (n, d)
        Those of the candidates.
    p_values : ndarray, shape (n,)
        NaN for what has none.

    Returns
    -------
    Domain
        Outside is a candidate that is farther from its 40th neighbour of the population than any
        member of the population is from its own.
    """
    tree = cKDTree(reference)
    near = min(_N_NEAR, len(reference) - 1)
    # A member's first neighbour is itself.
    own = tree.query(reference, [near + 1])[0].max(initial=0)
    is_outside = tree.query(wanted, [near])[0][:, 0] > own
    listed = p_values[~is_outside & ~np.isnan(p_values)]
    return Domain(is_outside, int((listed < LOW).sum()), len(listed))
