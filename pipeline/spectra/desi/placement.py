"""Does a row lie where its HEALPix pixel and its TARGETID say, and if not, why?"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import HEALPIX_ORDER
from pipeline.errors import UserError
from pipeline.science.sky import are_positions, find_cells
from pipeline.spectra.science.bricks import measure_distance
from pipeline.spectra.survey import Choice, Columns

OUTSIDE_PIXEL, OUTSIDE_BRICK = "position_outside_pixel", "targetid_elsewhere"
_GATES = {
    OUTSIDE_PIXEL: "outside the HEALPIX pixel of their file",
    OUTSIDE_BRICK: "outside the brick that their TARGETID names",
}
# Columns that say in which HEALPix pixel of which order a row's file holds its targets.
PIXEL_ORDER, PIXEL = "PIXEL_ORDER", "PIXEL"
# Degrees. Positions are rounded, move, and differ between the catalogues that targets came from.
_TOLERANCE = 0.02
# Of what is called near a brick: permuted rows of one pixel, 0.9 degrees wide, are no farther off.
_NEAR = 1.5

Places = tuple[NDArray, NDArray]
_MISTAKES: dict[str, Callable[[NDArray, NDArray], Places]] = {
    "TARGET_RA and TARGET_DEC look like radians": lambda ra, dec: (np.degrees(ra), np.degrees(dec)),
    "TARGET_RA looks like hours": lambda ra, dec: (15 * ra, dec),
    "TARGET_RA and TARGET_DEC look swapped": lambda ra, dec: (dec, ra),
}
_UNKNOWN = "the rows of some columns look shifted or permuted"


def find_misplaced(rows: Mapping[str, NDArray]) -> dict[str, NDArray[np.bool_]]:
    """Mark the rows that fail each gate.

    `position_outside_pixel`: TARGET_RA and TARGET_DEC are no position, or outside the pixel of
    their file by more than 0.02 degrees, where the file is one of a pixel. `targetid_elsewhere`:
    outside the brick that TARGETID names by as much, though near it; this is asked only where most
    TARGETIDs name bricks near their position, as DESI's do.

    Parameters
    ----------
    rows : mapping
        Columns TARGETID, HEALPIX, TARGET_RA, TARGET_DEC, shape (n,); and PIXEL_ORDER and PIXEL
        where HEALPIX, the number of the file, is not the pixel.
    """
    ra, dec = (np.asarray(rows[name], np.float64) for name in ("TARGET_RA", "TARGET_DEC"))
    is_inside = _is_in_pixel(ra, dec, rows)
    with np.errstate(invalid="ignore"):
        distance = measure_distance(rows["TARGETID"], ra, dec)
        is_near, is_off = distance <= _NEAR, distance > _TOLERANCE
    names_bricks = 2 * np.count_nonzero(is_near) > np.count_nonzero(np.isfinite(distance))
    return {OUTSIDE_PIXEL: ~is_inside, OUTSIDE_BRICK: is_near & is_off & names_bricks}


def refuse_misplaced(
    where: str, blocks: Iterable[tuple[Columns, Choice]]
) -> Iterator[tuple[Columns, Choice]]:
    """Hand on a catalogue whose rows are where they say; few others are dropped by their gate.

    Raises
    ------
    UserError
        At the end, if more rows are elsewhere than are kept.
    """
    n_kept, n_dropped, suspicions = 0, Counter[str](), Counter[str]()
    for rows, choice in blocks:
        is_kept = choice.parent != ""
        n_kept += int(is_kept.sum())
        for gate in _GATES:
            n_dropped[gate] += int(((choice.gate == gate) & ~is_kept).sum())
        is_outside = choice.gate == OUTSIDE_PIXEL
        if is_outside.any():
            suspicions += suspect({n: values[is_outside] for n, values in rows.items()})
        yield rows, choice
    for gate, place in _GATES.items():
        if n_dropped[gate] > n_kept:
            [(why, _)] = suspicions.most_common(1) or [("TARGETIDs look shifted or permuted", 0)]
            raise UserError(f"{where}: {n_dropped[gate]} rows lie {place}, {n_kept} inside: {why}")


def suspect(rows: Mapping[str, NDArray]) -> Counter[str]:
    """Count, of rows outside their pixel, what would put them inside."""
    ra, dec = (np.asarray(rows[name], np.float64) for name in ("TARGET_RA", "TARGET_DEC"))
    counts = {
        what: int(_is_in_pixel(*mend(ra, dec), rows).sum()) for what, mend in _MISTAKES.items()
    }
    return Counter({**counts, _UNKNOWN: len(ra) - max(counts.values())})


def explain_by_bricks(
    targetid: NDArray[np.int64], ra: NDArray, dec: NDArray
) -> tuple[NDArray[np.bool_], str]:
    """Mark positions outside the brick that their TARGETID names, and say what is likely wrong.

    Without a file's pixel to hold them against, positions are taken for misread where that would
    put most of them inside; else rows count as in `find_misplaced`.

    Parameters
    ----------
    targetid, ra, dec : ndarray, shape (n,)
    """
    with np.errstate(invalid="ignore"):
        distance = measure_distance(targetid, ra, dec)
        is_off, n = distance > _TOLERANCE, np.count_nonzero(np.isfinite(distance))
        for what, mend in _MISTAKES.items():
            is_mended = measure_distance(targetid, *mend(ra, dec)) <= _TOLERANCE
            if 2 * np.count_nonzero(is_mended & is_off) > n:
                return is_off, what
        return is_off & (distance <= _NEAR), _UNKNOWN


def _is_in_pixel(ra: NDArray, dec: NDArray, rows: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    is_position = are_positions(ra, dec)
    ra, dec = np.where(is_position, ra, 0), np.where(is_position, dec, 0)
    order = rows.get(PIXEL_ORDER, np.full(len(ra), HEALPIX_ORDER))
    pixel = np.asarray(rows.get(PIXEL, rows["HEALPIX"]), np.int64)
    # Where the layout has no pixel, no position is outside one.
    is_inside = order < 0
    for each in np.unique(order[~is_inside]).tolist():
        here = np.flatnonzero(order == each)
        is_inside[here] = _find_inside(ra[here], dec[here], pixel[here], each)
    return is_position & is_inside


def _find_inside(ra: NDArray, dec: NDArray, pixel: NDArray, order: int) -> NDArray[np.bool_]:
    is_inside = find_cells(ra, dec, order) == pixel
    rest = np.flatnonzero(~is_inside)
    for step_ra, step_dec in ((-1, 0), (1, 0), (0, -1), (0, 1)) if len(rest) else ():
        moved_dec = (dec[rest] + step_dec * _TOLERANCE).clip(-90, 90)
        moved_ra = ra[rest] + step_ra * _TOLERANCE / np.cos(np.radians(dec[rest])).clip(1e-3)
        is_inside[rest] |= find_cells(moved_ra, moved_dec, order) == pixel[rest]
    return is_inside
