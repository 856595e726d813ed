"""Random draws that depend on nothing but the identity of what is drawn."""

from enum import IntEnum, unique

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15


@unique
class Stream(IntEnum):
    """What is drawn: draws of different streams are independent of each other."""

    SELECTION = 0  # splits of the sky, negative controls
    REDSHIFT = 1  # lent to a negative control
    FOLD = 2  # which member scores an object
    INJECTION_HOST = 3
    EXAMPLE_HOST = 4  # in which the classifier's examples are planted
    NORMAL_EXAMPLE = 5
    VALIDATION = 6  # of a model of arrays
    AUDIT = 7  # of the catalogue; its first objects are published as reference
    LEAK = 8  # sample that tells the redshift leak
    DOMAIN = 9  # members of the population that a foreign sample is compared with


def hash_to_unit(
    values: NDArray[np.int64], stream: Stream = Stream.SELECTION
) -> NDArray[np.float64]:
    """Map integers to [0, 1) by SplitMix64 (Steele, Lea & Flood 2014).

    Parameters
    ----------
    values : ndarray of int, shape (n,)
    stream : Stream

    Returns
    -------
    ndarray of float, shape (n,)
    """
    x = values.astype(np.uint64) + np.uint64(_GOLDEN * (stream + 1) % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) / 2.0**53


def assign_folds(targetid: NDArray[np.int64], n_folds: int) -> NDArray[np.intp]:
    """Return the fold of each target, shape (n,): all spectra of one object are in one fold."""
    return (hash_to_unit(targetid, Stream.FOLD) * n_folds).astype(np.intp)
