"""One object: what is like it, and what other tables hold of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id

from portal.data import (
    objects,
)
from portal.data.database import Connection, connect


def test_latent_neighbours_are_the_nearest_of_all(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet")
    latents = np.array(rows["latent"].to_pylist(), dtype="f4")
    distance = np.linalg.norm(latents - latents[7], axis=1)
    nearest = np.argsort(distance)[1:6]
    found = objects.find_neighbours(con, row_id(7), 5)
    assert found["TARGETID"].tolist() == [str(row_id(row)) for row in nearest]
    assert np.allclose(found["latent_distance"], distance[nearest])
    assert objects.find_neighbours(con, 1, 5).empty


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
    assert find(connect(own_release), row_id(0))["feature"].tolist() == ["iron"]
