"""What external catalogues hold of the objects of a release."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import row_id

from catalog_schema.vocabulary import MatchState
from portal.data import crossmatch
from portal.data.database import Connection, connect
from portal.data.releases import AbsentError


def test_matches_of_an_object_name_every_catalogue(con: Connection) -> None:
    found = crossmatch.find_matches(con, row_id(0)).to_pandas()
    assert found["catalogue"].tolist() == ["radio", "xray"]
    assert found["match_state"].tolist() == ["not_queried", "matched"]
    assert found["match_id"].tolist()[1] == "X1"
    assert crossmatch.find_matches(con, 1).num_rows == 0


def test_only_what_was_searched_is_offered(con: Connection, own_release: Path) -> None:
    assert crossmatch.list_searched(con) == ["xray"]
    path = own_release / "catalog/crossmatch.parquet"
    rows = pq.read_table(path)
    place = rows.column_names.index("match_state")
    for state in MatchState:
        states = pa.array([state.value] * rows.num_rows)
        pq.write_table(rows.set_column(place, "match_state", states), path)
        searched = crossmatch.list_searched(connect(own_release))
        assert searched == ([] if state is MatchState.NOT_QUERIED else ["radio", "xray"])


def test_counterparts_come_nearest_first(own_release: Path) -> None:
    path = own_release / "catalog/crossmatch.parquet"
    rows = pq.read_table(path).slice(0, 3)
    given = {
        "TARGETID": [row_id(0)] * 3,
        "HEALPIX": rows["HEALPIX"].to_pylist()[:1] * 3,
        "match_rank": [2, 3, 1],
        "match_id": ["b", "c", "a"],
    }
    for name, values in given.items():
        place, field = rows.column_names.index(name), rows.field(name)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    pq.write_table(rows, path)
    found = crossmatch.find_matches(connect(own_release), row_id(0))
    assert found["match_id"].to_pylist() == ["a", "b", "c"]


def test_catalogues_without_a_way_in_come_last(own_release: Path) -> None:
    path = own_release / "catalog/catalogues.parquet"
    rows = pq.read_table(path)
    for name, values in {"access": ["none", "file"], "catalogue_title": ["A", "B"]}.items():
        place, field = rows.column_names.index(name), rows.field(name)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    pq.write_table(rows, path)
    listed = crossmatch.list_catalogues(connect(own_release))
    assert listed["catalogue_title"].tolist() == ["B", "A"]


@pytest.mark.parametrize("name", ["crossmatch", "catalogues"])
def test_a_release_that_searched_none_says_so(own_release: Path, name: str) -> None:
    (own_release / f"catalog/{name}.parquet").unlink()
    con = connect(own_release)
    ask = crossmatch.list_searched if name == "crossmatch" else crossmatch.list_catalogues
    with pytest.raises(AbsentError):
        ask(con)
