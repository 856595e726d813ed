"""The order of a list, and where in it an object stands."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_release import N_ROWS, row_id

from catalog_schema.tables import QUASARS
from portal.data import catalogue, ranking
from portal.data.conditions import Filters
from portal.data.database import Connection, connect
from portal.data.ranking import Ranking, list_sortable

SILVER = Filters(words=(("tier", ("silver",)),))


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory, release: Path) -> Path:
    """A release of equal and missing values, its rows in no order."""
    root = tmp_path_factory.mktemp("tied") / "releases" / release.name
    (root / "catalog").mkdir(parents=True)
    (root / "manifest.json").write_text((release / "manifest.json").read_text())
    draw = np.random.default_rng(3)
    rows = pq.read_table(release / "catalog/quasars.parquet").slice(0, 60)
    for name, values in {
        "Z": draw.integers(1, 4, 60).astype(float).tolist(),
        "snr": [None if value == 2 else float(value) for value in draw.integers(0, 3, 60)],
    }.items():
        place, field = rows.column_names.index(name), rows.field(name)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    pq.write_table(rows.take(draw.permutation(60)), root / "catalog/quasars.parquet")
    return root


def sort(rows: list[dict], order: Ranking) -> list[str]:
    """The order as it is promised: by the key, nulls last, equal ones by TARGETID."""
    known = [row for row in rows if row[order.sort] is not None]
    sign = -1 if order.descending else 1
    known.sort(key=lambda row: (sign * row[order.sort], row["TARGETID"]))
    unknown = sorted(row["TARGETID"] for row in rows if row[order.sort] is None)
    return [str(row["TARGETID"]) for row in known] + [str(targetid) for targetid in unknown]


@pytest.mark.parametrize("sort_by", ["Z", "snr"])
@pytest.mark.parametrize("descending", [False, True])
def test_equal_and_missing_keys_go_by_targetid_in_list_and_place(
    tied: Path, sort_by: str, descending: bool
) -> None:
    con, order = connect(tied), Ranking(sort_by, descending)
    rows = pq.read_table(tied / "catalog/quasars.parquet", columns=["TARGETID", sort_by])
    wanted = sort(rows.to_pylist(), order)
    assert catalogue.list_rows(con, Filters(), order, 1, 60)["TARGETID"].tolist() == wanted
    for rank, targetid in enumerate(wanted, 1):
        place = ranking.find_place(con, Filters(), order, int(targetid))
        assert place is not None
        assert (place.rank, place.total) == (rank, 60)
        assert place.previous == (wanted[rank - 2] if rank > 1 else None)
        assert place.following == (wanted[rank] if rank < 60 else None)


def test_nulls_rank_last_either_way(con: Connection) -> None:
    for descending in (True, False):
        page = catalogue.list_rows(con, Filters(), Ranking("snr", descending), 1, N_ROWS)
        assert page["TARGETID"].iloc[-1] == str(row_id(N_ROWS - 1))


@given(
    sort_by=st.sampled_from(list_sortable(QUASARS)),
    descending=st.booleans(),
    filters=st.sampled_from([SILVER, Filters(), Filters(ranges=(("Z", (1.0, 2.0)),))]),
    row=st.integers(0, N_ROWS - 1),
)
def test_neighbours_follow_the_list(
    con: Connection, sort_by: str, descending: bool, filters: Filters, row: int
) -> None:
    order = Ranking(sort_by, descending)
    listed = catalogue.list_rows(con, filters, order, 1, N_ROWS)["TARGETID"].tolist()
    place = ranking.find_place(con, filters, order, row_id(row))
    if place is None:
        assert str(row_id(row)) not in listed
        return
    around = [None, *listed, None]
    assert around[place.rank - 1 : place.rank + 2] == [
        place.previous,
        str(row_id(row)),
        place.following,
    ]
    assert place.total == len(listed)


def test_place_of_what_the_filters_leave_out_is_none(con: Connection) -> None:
    assert ranking.find_place(con, SILVER, Ranking(), row_id(0)) is None
    assert ranking.find_place(con, Filters(), Ranking(), 1) is None


def test_only_what_can_be_sorted_by_is() -> None:
    with pytest.raises(ValueError, match="sorted"):
        Ranking("1; DROP VIEW quasars")
