"""Random draws that depend on nothing but the identity of what is drawn."""

import numpy as np
from numpy.typing import NDArray

# Stream of the random audit of the catalogue, whose first objects are published as reference.
AUDIT_STREAM = 7
_GOLDEN = 0x9E3779B97F4A7C15


def hash_to_unit(values: NDArray[np.int64], stream: int = 0) -> NDArray[np.float64]:
    """Map integers to [0, 1) by SplitMix64 (Steele, Lea & Flood 2014).

    Parameters
    ----------
    values : ndarray of int, shape (n,)
    stream : int
        Draws of different streams are independent of each other.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    x = values.astype(np.uint64) + np.uint64(_GOLDEN * (stream + 1) % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) / 2.0**53
