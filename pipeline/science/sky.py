"""Positions on the sky: HEALPix cells and the split of the sky into training and held-out parts."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

# Cells of 0.23 degrees: finer than DESI's own pixels so that few shards still split evenly,
# coarse enough that fibres which share sky and calibration stay on one side.
_SPLIT_ORDER = 8


def find_cells(ra: NDArray, dec: NDArray, order: int) -> NDArray[np.int64]:
    """Return the HEALPix NESTED cells of ICRS positions in degrees, shape (n,)."""
    from astropy.coordinates import Latitude, Longitude
    from cdshealpix.nested import lonlat_to_healpix

    cells = lonlat_to_healpix(Longitude(ra, "deg"), Latitude(dec, "deg"), order)
    return cells.astype(np.int64)


def assign_splits(
    ra: NDArray, dec: NDArray, fractions: Mapping[str, float], *, rest: str
) -> NDArray[np.str_]:
    """Assign each position to a split by a hash of its sky cell.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        ICRS, degrees.
    fractions : mapping
        Name of each held-out split to its fraction of the sky.
    rest : str
        Name of the split that takes the other cells.

    Returns
    -------
    ndarray of str, shape (n,)
        Depends on position only: neither on file order nor on the seed of a run.
    """
    draw = _hash_to_unit(find_cells(ra, dec, _SPLIT_ORDER))
    edges = np.cumsum(list(fractions.values()))
    names = np.array([*fractions, rest])
    return names[np.searchsorted(edges, draw, side="right")]


def _hash_to_unit(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Map integers to [0, 1) by the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) / 2.0**53
