"""Rows over all shards: which spectrum of a target is primary, and what is summed of exposures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.mock import columns
from pipeline.spectra.mock.zcatalog import build_zcatalog, mark_primary

ROWS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["main", "sv1", "sv3"]),
        st.sampled_from([0, 4]),
        st.integers(1, 10**6),
    ),
    max_size=14,
    unique_by=lambda row: row[3],
)


def make_table(rows: list) -> np.ndarray:
    ids, surveys, warnings, depth = zip(*rows, strict=True) if rows else [()] * 4
    return columns.fill_table(
        columns.ZCATALOG,
        len(rows),
        TARGETID=np.array(ids, np.int64),
        SURVEY=np.array(surveys, "S7"),
        ZWARN=np.array(warnings, np.int64),
        TSNR2_LRG=np.array(depth, float),
    )


@given(rows=ROWS)
def test_one_spectrum_of_a_target_is_primary_in_each_part(rows: list) -> None:
    table = make_table(rows)
    mark_primary(table)
    parts = {"ZCAT": ["main", "sv1", "sv3"], "MAIN": ["main"], "SV": ["sv1", "sv3"]}
    for prefix, surveys in parts.items():
        for place, row in enumerate(rows):
            like = [k for k, other in enumerate(rows) if other[0] == row[0] and other[1] in surveys]
            # Without a warning first, then the deepest.
            best = min(like, key=lambda k: (rows[k][2] != 0, -rows[k][3]), default=None)
            is_inside = row[1] in surveys
            assert table[f"{prefix}_NSPEC"][place] == (len(like) if is_inside else 0)
            assert table[f"{prefix}_PRIMARY"][place] == (is_inside and place == best)


@pytest.mark.parametrize(
    ("ra", "dec", "name"),
    [
        (0.0, 0.0, "DESI J000.0000+00.0000"),
        (359.99999, -0.00001, "DESI J359.9999-00.0000"),
        (10.68479, 41.26906, "DESI J010.6847+41.2690"),
        (123.45678, -5.67899, "DESI J123.4567-05.6789"),
    ],
)
def test_a_name_is_the_position_cut_off_and_not_rounded(ra: float, dec: float, name: str) -> None:
    table = build(np.full(3, ra), np.full(3, dec))
    assert set(table["DESINAME"].astype(str)) == {name}


def build(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the rows of three targets with two, one and three exposures."""
    ids = np.array([7, 3, 9])
    counts = [2, 1, 3]
    days = np.array([10.0, 30.0, 5.0, 1.0, 2.0, 9.0])
    fibermap = columns.fill_table(
        columns.FIBERMAP_MAIN,
        3,
        TARGETID=ids,
        TARGET_RA=ra,
        TARGET_DEC=dec,
        COADD_FIBERSTATUS=np.array([1, 2, 3]),
    )
    exposures = columns.fill_table(
        columns.EXP_FIBERMAP, 6, TARGETID=np.repeat(ids, counts), MJD=days
    )
    redshifts = columns.fill_table(columns.REDSHIFTS, 3, TARGETID=ids, Z=np.array([1.0, 2.0, 3.0]))
    scores = columns.fill_table(columns.SCORES, 3, TARGETID=ids, TSNR2_LRG=np.array([4.0, 5, 6]))
    status = np.array([8, 0, 0])
    return build_zcatalog("main", "dark", 42, fibermap, redshifts, scores, exposures, status)


def test_dates_are_those_of_the_target_s_own_exposures() -> None:
    table = build(np.zeros(3), np.zeros(3))
    assert table["TARGETID"].tolist() == [7, 3, 9]
    assert table["Z"].tolist() == [1, 2, 3]
    assert table["TSNR2_LRG"].tolist() == [4, 5, 6]
    assert table["COADD_FIBERSTATUS"].tolist() == [8, 0, 0]
    assert table["MIN_MJD"].tolist() == [10, 5, 1]
    assert table["MAX_MJD"].tolist() == [30, 5, 9]
    np.testing.assert_allclose(table["MEAN_MJD"], [20, 5, 4])
    assert set(table["HEALPIX"]) == set(table["SPGRPVAL"]) == {42}
    assert set(table["SURVEY"]) == {b"main"}
