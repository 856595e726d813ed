"""Positions on the sky: HEALPix cells and the split of the sky into training and held-out parts."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.science.draw import hash_to_unit

# Cells of 0.23 degrees: finer than DESI's own pixels so that few shards still split evenly,
# coarse enough that fibres which share sky and calibration stay on one side.
_SPLIT_ORDER = 8


def are_positions(ra: NDArray, dec: NDArray) -> NDArray[np.bool_]:
    """Say which pairs of degrees are a place on the sphere; NaN and infinity are none."""
    with np.errstate(invalid="ignore"):
        return (ra >= -180) & (ra <= 360) & (np.abs(dec) <= 90)


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
    draw = hash_to_unit(find_cells(ra, dec, _SPLIT_ORDER))
    edges = np.cumsum(list(fractions.values()))
    names = np.array([*fractions, rest])
    return names[np.searchsorted(edges, draw, side="right")]
