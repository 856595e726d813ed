"""Two tables that contradict each other: single rows are marked, most of them refused."""

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError

Positions = tuple[NDArray, NDArray]

# Degrees: what proper motion and rounding leave between two positions of one target.
_SAME_PLACE = 3e-3


def find_elsewhere(what: str, here: Positions, there: Positions) -> NDArray[np.bool_]:
    """Mark targets that two tables put in different places, shape (n,).

    Parameters
    ----------
    what : str
        The tables, for the message.
    here, there : tuple of ndarray, shape (n,)
        RA and Dec, ICRS, degrees; NaN where there is none.

    Raises
    ------
    DataError
        If most are.
    """
    away = np.hypot(
        (np.mod(here[0] - there[0] + 180, 360) - 180) * np.cos(np.radians(here[1])),
        here[1] - there[1],
    )
    is_elsewhere = np.isfinite(away) & (away > _SAME_PLACE)
    refuse_most(
        is_elsewhere,
        np.isfinite(away),
        f"targets lie elsewhere in {what}: rows of one of the two are shifted or permuted, or "
        "positions are not degrees",
    )
    return is_elsewhere


def refuse_most(is_wrong: NDArray[np.bool_], is_compared: NDArray[np.bool_], what: str) -> None:
    """Raise DataError if more than one row and more than half of them are wrong."""
    n_wrong, n = np.count_nonzero(is_wrong), np.count_nonzero(is_compared)
    if n_wrong > max(1, n / 2):
        raise DataError(f"{n_wrong} of {n} {what}")
