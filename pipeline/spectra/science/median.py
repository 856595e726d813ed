"""Exact medians of the good pixels of many spectra at once."""

import numpy as np
from numpy.typing import NDArray


def median_of_good(values: NDArray, is_good: NDArray[np.bool_]) -> NDArray:
    """Return the median of each row's good values, shape (n,); NaN without a good one.

    Parameters
    ----------
    values : ndarray of float, shape (n, p)
        Finite where good; left as they are.
    is_good : ndarray of bool, shape (n, p)

    Notes
    -----
    Bad values become infinities of alternating sign. They lie on both sides of the good ones, so
    that the median keeps one place in every row and one vectorised partition finds all of them.
    """
    n, size = values.shape
    n_good = np.count_nonzero(is_good, axis=1)
    ranked = values.copy()
    rows, columns = np.nonzero(~is_good)
    first_of_row = np.concatenate([[0], np.cumsum(size - n_good)[:-1]])[:n]
    turn = (np.arange(len(rows)) - first_of_row[rows] + size) % 2
    ranked[rows, columns] = np.where(turn, np.inf, -np.inf)
    middle = size // 2
    ranked.partition(middle, axis=1)
    median = ranked[:, middle].copy()
    is_even = (n_good % 2 == 0) & (n_good > 0)
    median[is_even] = (median[is_even] + ranked[is_even, :middle].max(axis=1, initial=-np.inf)) / 2
    median[n_good == 0] = np.nan
    return median
