"""Whether strange candidates come in crowds: of one night, one field, one fibre."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom


def find_crowding(groups: NDArray[np.int64], is_strange: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how easily chance makes the others of a candidate's group as strange, shape (n,).

    If k of the n other members of the group are strange, and a share s of all others, this
    is the binomial probability of k or more: small where something is wrong with the group.

    Parameters
    ----------
    groups : ndarray of int, shape (n,)
        Negative where the group is not known.
    is_strange : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray of float, shape (n,)
        NaN where the group is not known.
    """
    _, index = np.unique(groups, return_inverse=True)
    n_others = np.bincount(index)[index] - 1
    n_strange = np.bincount(index, is_strange)[index] - is_strange
    share = (is_strange.sum() - is_strange) / max(len(groups) - 1, 1)
    chance: NDArray[np.float64] = binom.sf(n_strange - 1, n_others, share)
    return np.where(groups >= 0, chance, np.nan)
