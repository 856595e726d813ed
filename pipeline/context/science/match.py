"""Geometry of the cross-match on ICRS positions: separations, motion, chance, duplicates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.science.sky import find_cells

_ARCSEC = np.radians(1 / 3600)
_MAS_PER_DEGREE = 3.6e6
# Cells of HEALPix order k have sqrt(area) = sqrt(pi/3) / 2^k.
_CELL_SIZE = np.sqrt(np.pi / 3)
# Cells of 52 arcsec: coarse enough that an object touches few, fine enough to hold few sources.
_FINEST_ORDER = 12
_LARGEST_ORDER = 29


def measure_separations(
    ra: NDArray, dec: NDArray, other_ra: NDArray, other_dec: NDArray
) -> NDArray[np.float64]:
    """Return great-circle distances in arcsec, shape (n,).

    Parameters
    ----------
    ra, dec, other_ra, other_dec : ndarray, shape (n,)
        Degrees.
    """
    from astropy.coordinates import angular_separation

    angles = (np.radians(degrees) for degrees in (ra, dec, other_ra, other_dec))
    separation: NDArray[np.float64] = angular_separation(*angles) / _ARCSEC
    return separation


def propagate(
    ra: NDArray, dec: NDArray, pm_ra: NDArray, pm_dec: NDArray, years: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move positions along the great circles of their proper motions.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees.
    pm_ra, pm_dec : ndarray, shape (n,)
        mas/yr, `pm_ra` times cos(dec); NaN is no motion.
    years : float
        Time from the positions' epoch to the wanted one.

    Returns
    -------
    ra, dec : ndarray, shape (n,)
        Degrees, 0 <= ra < 360.
    """
    east, north = (np.nan_to_num(pm) * years / _MAS_PER_DEGREE for pm in (pm_ra, pm_dec))
    return offset(ra, dec, np.hypot(east, north), np.arctan2(east, north))


def offset(
    ra: NDArray, dec: NDArray, distance: NDArray | float, angle: NDArray | float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions at a distance (degrees) and position angle (radians, north to east)."""
    lat, arc = np.radians(dec), np.radians(distance)
    # Components towards the meridian, the east and the pole: exact at the poles too.
    inward = np.cos(lat) * np.cos(arc) - np.sin(lat) * np.sin(arc) * np.cos(angle)
    east = np.sin(arc) * np.sin(angle)
    north = np.sin(lat) * np.cos(arc) + np.cos(lat) * np.sin(arc) * np.cos(angle)
    new_ra = np.mod(ra + np.degrees(np.arctan2(east, inward)), 360)
    new_dec = np.degrees(np.arctan2(north, np.hypot(inward, east)))
    # A position that does not move keeps its bits.
    is_still = np.broadcast_to(arc == 0, np.shape(ra))
    return np.where(is_still, np.mod(ra, 360), new_ra), np.where(is_still, dec, new_dec)


def shift_positions(
    ra: NDArray, dec: NDArray, distance: float, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `count` positions around each, on a circle of `distance` arcsec, shape (count*n,).

    What is found there is there by chance, in the same density of sources.
    """
    angles = 2 * np.pi * np.arange(count) / max(count, 1)
    parts = [offset(ra, dec, distance / 3600, angle) for angle in angles]
    empty = np.zeros(0)
    return (
        np.concatenate([part[0] for part in parts] or [empty]),
        np.concatenate([part[1] for part in parts] or [empty]),
    )


def normalise_separations(
    separation: NDArray, error: NDArray, other_error: NDArray
) -> NDArray[np.float64]:
    """Divide separations by the combined one-sigma errors per axis (arcsec); NaN where unknown.

    For a true pair with Gaussian errors the result r follows the Rayleigh distribution: it exceeds
    r in a fraction exp(-r^2 / 2) of the pairs.
    """
    combined = np.hypot(error, other_error)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(combined > 0, separation / combined, np.nan)


def find_chance_probability(separation: NDArray, rate: float, radius: float) -> NDArray[np.float64]:
    """Return the probability that an unrelated source lies within each separation.

    Parameters
    ----------
    separation : ndarray, shape (n,)
        Arcsec.
    rate : float
        Mean number of sources within `radius` (arcsec) of a shifted position.
    """
    return -np.expm1(-rate * (np.asarray(separation) / radius) ** 2)


def choose_order(radius: float) -> int:
    """Return the HEALPix order in which positions are looked up within a radius (arcsec)."""
    return min(_find_safe_order(radius), _FINEST_ORDER)


@dataclass(frozen=True)
class Cells:
    """Cells in which the sources within a radius can lie: `row` of the position, `cell`, (m,)."""

    row: NDArray[np.int64]
    cell: NDArray[np.int64]


def find_reachable_cells(ra: NDArray, dec: NDArray, radius: float, order: int) -> Cells:
    """Return every HEALPix NESTED cell that reaches into a circle around each position.

    A circle lies within the small cell at its centre and the neighbours of this cell, as long as
    they are twice as wide as its radius; the cells of the given order are those that hold them.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees.
    radius : float
        Arcsec.
    order : int
        Of `choose_order`, or smaller.
    """
    from cdshealpix.nested import neighbours

    safe = _find_safe_order(radius)
    own = find_cells(ra, dec, safe)
    shift = 2 * (safe - order)
    if not len(own):
        return Cells(np.zeros(0, np.int64), own)
    around = neighbours(own.astype(np.uint64), safe).astype(np.int64)
    # At eight corners of the base cells a neighbour does not exist: the sign stays -1.
    around >>= shift
    home = own >> shift
    at_border = np.flatnonzero(np.any(around != home[:, None], axis=1))
    others = np.sort(around[at_border], axis=1)
    is_new = (others != home[at_border, None]) & (others >= 0)
    is_new[:, 1:] &= others[:, 1:] != others[:, :-1]
    border_row, column = np.nonzero(is_new)
    row = np.concatenate([np.arange(len(own)), at_border[border_row]])
    return Cells(row, np.concatenate([home, others[border_row, column]]))


def _find_safe_order(radius: float) -> int:
    """Return the largest order whose cells are at least twice as wide as the radius (arcsec)."""
    order = int(np.floor(np.log2(_CELL_SIZE / (2 * radius * _ARCSEC))))
    return min(max(order, 0), _LARGEST_ORDER)


def find_neighbours(
    ra: NDArray, dec: NDArray, other_ra: NDArray, other_dec: NDArray, radius: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Find every pair of positions of two lists, both in memory, within a radius.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees.
    other_ra, other_dec : ndarray, shape (m,)
    radius : float
        Arcsec, inclusive.

    Returns
    -------
    row, other : ndarray of int, shape (k,)
        In order of row, then of separation.
    separation : ndarray, shape (k,)
        Arcsec.
    """
    from scipy.spatial import cKDTree

    trees = [cKDTree(_to_units(*position)) for position in ((ra, dec), (other_ra, other_dec))]
    # A little more than the radius: the exact separation decides.
    chord = 2 * np.sin(radius * _ARCSEC / 2) * (1 + 1e-6)
    near = trees[0].sparse_distance_matrix(trees[1], chord, output_type="ndarray")
    row, other = near["i"].astype(np.intp), near["j"].astype(np.intp)
    separation = measure_separations(ra[row], dec[row], other_ra[other], other_dec[other])
    order = np.lexsort((other, separation, row))
    order = order[separation[order] <= radius]
    return row[order], other[order], separation[order]


def find_survivors(ra: NDArray, dec: NDArray, radius: float) -> NDArray[np.int64]:
    """Choose one row of each group of rows at the same position.

    Rows come in order of preference. A row survives unless an earlier survivor lies within
    `radius`; then it belongs to the nearest of these.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees.
    radius : float
        Arcsec.

    Returns
    -------
    ndarray of int64, shape (n,)
        Row of the survivor that stands for each row; its own for a survivor.
    """
    from scipy.spatial import cKDTree

    units = _to_units(ra, dec)
    pairs = cKDTree(units).query_pairs(2 * np.sin(radius * _ARCSEC / 2), output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))] if len(pairs) else pairs.reshape(0, 2)
    survivor = np.arange(len(units))
    nearest = np.full(len(units), np.inf)
    distance = np.linalg.norm(units[pairs[:, 0]] - units[pairs[:, 1]], axis=1)
    for (first, later), gap in zip(pairs.tolist(), distance.tolist(), strict=True):
        if survivor[first] == first and gap < nearest[later]:
            survivor[later], nearest[later] = first, gap
    return survivor


def _to_units(ra: NDArray, dec: NDArray) -> NDArray[np.float64]:
    lon, lat = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
