"""One object: its row as published, what is like it, and what other tables hold of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id

from catalog_schema.tables import QUASARS
from portal.data import objects
from portal.data.database import Connection, connect
from portal.data.releases import ReleaseError


def change(root: Path, name: str, values: pa.Array) -> Connection:
    """Give a column of the catalogue other values."""
    path = root / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    place = rows.column_names.index(name)
    pq.write_table(rows.set_column(place, name, values), path)
    return connect(root)


@pytest.mark.parametrize("row", [0, 1, 57, N_ROWS - 2])
def test_a_row_is_as_published_and_its_identifier_text(
    con: Connection, release: Path, row: int
) -> None:
    published = pq.read_table(release / "catalog/quasars.parquet").slice(row, 1).to_pylist()[0]
    found = objects.find_object(con, row_id(row))
    assert found is not None
    assert found.pop("TARGETID") == str(published.pop("TARGETID"))
    scalars = {column.name for column in QUASARS.scalars}
    assert found == {name: value for name, value in published.items() if name in scalars}


def test_an_object_of_elsewhere_is_none(con: Connection) -> None:
    assert objects.find_object(con, 1) is None
    assert objects.find_object_rows(con, 1).num_rows == 0


def test_no_number_is_told_as_none(own_release: Path) -> None:
    con = change(own_release, "snr", pa.array([np.nan] * N_ROWS, pa.float32()))
    row = objects.find_object(con, row_id(0))
    assert row is not None
    assert row["snr"] is None


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_row_that_lacks_what_each_row_has_is_a_fault(
    own_release: Path, value: float | None
) -> None:
    con = change(own_release, "Z", pa.array([value] * N_ROWS, pa.float64()))
    with pytest.raises(ReleaseError, match=f"no Z for TARGETID {row_id(0)}"):
        objects.find_object(con, row_id(0))


@pytest.mark.parametrize("row", [0, 7, 200])
def test_latent_neighbours_are_the_nearest_of_all(con: Connection, release: Path, row: int) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet")
    latents = np.array(rows["latent"].to_pylist(), dtype="f4")
    distance = np.linalg.norm(latents - latents[row], axis=1)
    nearest = np.argsort(distance)[1:6]
    found = objects.find_neighbours(con, row_id(row), 5)
    assert found["TARGETID"].tolist() == [str(row_id(near)) for near in nearest]
    assert np.allclose(found["latent_distance"], distance[nearest])


def test_what_is_not_listed_has_no_neighbours(con: Connection) -> None:
    assert objects.find_neighbours(con, 1, 5).empty


def test_an_objects_rows_are_where_its_pixel_lies(con: Connection, own_release: Path) -> None:
    condition, values = objects.locate(con, row_id(3))
    rows = con.cursor().execute(f"SELECT TARGETID FROM rows WHERE {condition}", values).fetchall()
    assert rows == [(row_id(3),)]
    nowhere = change(own_release, "HEALPIX", pa.nulls(N_ROWS, pa.int32()))
    condition, values = objects.locate(nowhere, row_id(3))
    rows = nowhere.cursor().execute(f"SELECT 1 FROM rows WHERE {condition}", values).fetchall()
    assert rows == [(1,)]
    condition, values = objects.locate(con, 1)
    assert con.cursor().execute(f"SELECT 1 FROM rows WHERE {condition}", values).fetchall() == []


@pytest.mark.parametrize(
    ("dataset", "find"),
    [("evidence", objects.find_class_evidence), ("changes", objects.find_changes)],
)
def test_rows_of_a_table_where_the_release_has_it(
    con: Connection, own_release: Path, dataset: str, find: Callable
) -> None:
    assert find(con, row_id(0)).empty
    rows = pq.read_table(own_release / "catalog/quasars.parquet")
    key = rows.select(["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"])
    told = key.append_column("feature", pa.array(["iron"] * N_ROWS))
    pq.write_table(told, own_release / f"catalog/{dataset}.parquet")
    found = find(connect(own_release), row_id(0))
    assert found["feature"].tolist() == ["iron"]
    assert "TARGETID" not in found
