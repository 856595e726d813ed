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


def find_significance(measured: Measured) -> NDArray[np.float64]:
    """Return value over error, or the value where no error is known, NaN where neither is."""
    has_error = ~np.isnan(measured.error)
    scale = np.where(has_error, measured.error, 1.0)
    unknown = np.full(np.shape(measured.value), np.nan)
    return np.divide(measured.value, scale, out=unknown, where=scale > 0)
