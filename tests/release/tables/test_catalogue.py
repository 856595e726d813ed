"""Where objects are placed on the sky, by which the catalogue is sorted."""

from pathlib import Path

import astropy.units as u
import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from mocpy import MOC

from release.tables.catalogue import place_objects

pixels = st.integers(0, 12 * 64**2 - 1)
angles = st.tuples(st.floats(0, 359.9), st.floats(-90, 90))
positions = st.lists(st.tuples(pixels, st.none() | angles), min_size=1, max_size=12)


def place(rows: list[tuple[int, tuple[float, float] | None]]) -> list[int]:
    table = pa.table(
        {
            "TARGETID": range(len(rows)),
            "HEALPIX": [pixel for pixel, _ in rows],
            "TARGET_RA": pa.array([at and at[0] for _, at in rows], pa.float64()),
            "TARGET_DEC": pa.array([at and at[1] for _, at in rows], pa.float64()),
        }
    )
    found = place_objects(table)
    assert found["TARGETID"].to_pylist() == list(range(len(rows)))
    return found["_healpix_29"].to_pylist()


@given(positions)
def test_a_position_decides_and_else_the_file(
    rows: list[tuple[int, tuple[float, float] | None]],
) -> None:
    for (pixel, at), cell in zip(rows, place(rows), strict=True):
        if at is None:
            assert cell == pixel << 46
        else:
            moc = MOC.from_lonlat(at[0] * u.deg, at[1] * u.deg, max_norder=29)
            assert [cell] == list(moc.flatten())


def test_a_number_that_is_no_pixel_lies_nowhere() -> None:
    assert place([(12 * 64**2, None), (12 * 64**2 - 1, None)]) == [0, (12 * 64**2 - 1) << 46]


def test_half_a_position_is_none() -> None:
    columns = {"HEALPIX": [7, 7], "TARGET_RA": [None, 1.0], "TARGET_DEC": [2.0, None]}
    table = pa.table({"TARGETID": [1, 2], **columns})
    assert place_objects(table)["_healpix_29"].to_pylist() == [7 << 46, 7 << 46]


def test_rows_lie_in_the_pixel_of_their_position(released: Path) -> None:
    rows = pl.read_parquet(released / "catalog" / "quasars.parquet")
    sky = (rows[name].to_numpy() for name in ("TARGET_RA", "TARGET_DEC"))
    found = MOC.from_lonlat(*(angle * u.deg for angle in sky), max_norder=29).flatten()
    assert set(found) == set(rows["_healpix_29"])
    assert np.all(np.diff(rows["_healpix_29"].to_numpy()) >= 0)
