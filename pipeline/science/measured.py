"""Measurements of objects: values, errors, places."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Measured(NamedTuple):
    """Measurements, arrays of shape (n,) of one or (n, k) of several.

    Attributes
    ----------
    value : ndarray
        NaN where the object does not show it.
    error : ndarray
        One standard deviation; NaN where none is known.
    wave : ndarray
        Rest wavelength in Å at which it was found; NaN if it has no place.
    """

    value: NDArray
    error: NDArray
    wave: NDArray


class Finds(NamedTuple):
    """Amplitudes whose significances are statistics, arrays of shape (n,) or (n, k).

    Attributes
    ----------
    value, error, wave : ndarray
        As of `Measured`.
    z : ndarray
        Redshift of what was found; NaN if it has none of its own.
    period : ndarray
        Observed period in Å of what repeats; NaN of all else.
    name : ndarray of object
        What was found, in words; empty where the statistic is no amplitude's.
    """

    value: NDArray
    error: NDArray
    wave: NDArray
    z: NDArray
    period: NDArray
    name: NDArray

    @classmethod
    def nothing(cls, *shape: int) -> "Finds":
        """Return arrays in which nothing was found."""
        value, error, wave, z, period = np.full((5, *shape), np.nan)
        return cls(value, error, wave, z, period, np.full(shape, "", object))


def find_significance(measured: Measured) -> NDArray[np.float64]:
    """Return value over error, or the value where no error is known, NaN where neither is."""
    has_error = ~np.isnan(measured.error)
    scale = np.where(has_error, measured.error, 1.0)
    unknown = np.full(np.shape(measured.value), np.nan)
    return np.divide(measured.value, scale, out=unknown, where=scale > 0)
