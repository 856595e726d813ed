"""Under which fibre, in which petal and night a spectrum was mostly taken."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Exposures:
    """Exposures of fibres, a row for each, arrays of shape (m,).

    Attributes
    ----------
    targetid : ndarray of int64
    night, petal, fibre : ndarray of int
        The night as YYYYMMDD.
    exptime : ndarray of float
        Seconds.
    """

    targetid: NDArray[np.int64]
    night: NDArray[np.int64]
    petal: NDArray[np.int64]
    fibre: NDArray[np.int64]
    exptime: NDArray[np.float64]


def find_main_places(exposures: Exposures, targetid: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the night, petal and fibre that gave each target most of its exposure time.

    Parameters
    ----------
    exposures : Exposures
    targetid : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of int64, shape (3, n)
        -1 where no exposure is listed; of equally long ones the earliest counts.
    """
    e = exposures
    order = np.lexsort((e.fibre, e.petal, e.night, e.targetid))
    keys = np.stack([e.targetid, e.night, e.petal, e.fibre]).astype(np.int64)[:, order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = np.any(np.diff(keys), axis=0)
    seconds = np.bincount(np.cumsum(is_first) - 1, e.exptime[order])
    places = keys[:, is_first]
    places = places[:, np.lexsort((-seconds, places[0]))]
    found = np.full((3, len(targetid)), -1)
    known = np.isin(targetid, places[0])
    found[:, known] = places[1:, np.searchsorted(places[0], targetid[known])]
    return found
