"""Bricks of the Legacy Surveys: cells of the sky whose number a TARGETID carries.

Source: desiutil.brick with bricks of 0.25 degrees, and desitarget.targets.decode_targetid.
"""

import numpy as np
from numpy.typing import NDArray

_SIZE = 0.25
# OBJID has the 22 lowest bits of a TARGETID, BRICKID the next 20, RELEASE 16 above.
_BRICK_BIT, _BRICK_MASK, _RELEASE_BIT, _RELEASE_MASK = 22, 0xFFFFF, 42, 0xFFFF


def _count_columns() -> NDArray[np.int64]:
    """Count the bricks of each row: an even number, by the edge that is nearer the equator."""
    centre = np.linspace(-90, 90, round(180 / _SIZE) + 1)
    edge = np.maximum(np.abs(centre) - _SIZE / 2, 0)
    n = np.ceil(360 * np.cos(np.radians(edge)) / _SIZE - 1e-9).astype(np.int64)
    n += n % 2
    n[0] = n[-1] = 1
    return n


_N_COLUMNS = _count_columns()
# BRICKID of the first brick of each row, and one past the last one.
_FIRST = np.concatenate([[1], 1 + np.cumsum(_N_COLUMNS)])


def find_bricks(ra: NDArray, dec: NDArray) -> NDArray[np.int64]:
    """Return the BRICKID of ICRS positions in degrees, shape (n,)."""
    row = np.floor((np.asarray(dec) + 90 + _SIZE / 2) / _SIZE).astype(np.int64)
    row = row.clip(0, len(_N_COLUMNS) - 1)
    column = np.floor(np.mod(ra, 360) / 360 * _N_COLUMNS[row]).astype(np.int64)
    return _FIRST[row] + column


def measure_distance(targetid: NDArray, ra: NDArray, dec: NDArray) -> NDArray[np.float64]:
    """Return how far positions lie outside the brick that their TARGETID names, degrees.

    Parameters
    ----------
    targetid : ndarray of int64, shape (n,)
    ra, dec : ndarray, shape (n,)
        ICRS, degrees.

    Returns
    -------
    ndarray, shape (n,)
        The larger of the two differences; 0 inside, NaN where a TARGETID names no brick.
    """
    brick = targetid >> _BRICK_BIT & _BRICK_MASK
    release = targetid >> _RELEASE_BIT & _RELEASE_MASK
    names_one = (targetid > 0) & (release > 0) & (brick > 0) & (brick < _FIRST[-1])
    row = np.searchsorted(_FIRST, brick.clip(1, _FIRST[-1] - 1), side="right") - 1
    width = 360 / _N_COLUMNS[row]
    centre_ra = (brick - _FIRST[row] + 0.5) * width
    scale = np.cos(np.radians(dec))
    away_ra = (np.abs(np.mod(ra - centre_ra + 180, 360) - 180) - width / 2) * scale
    away_dec = np.abs(dec - (-90 + _SIZE * row)) - _SIZE / 2
    return np.where(names_one, np.maximum(np.maximum(away_ra, away_dec), 0), np.nan)
