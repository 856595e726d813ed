"""Counts, lists and searches among the rows of a release."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_release import N_ROWS, TIERS, row_id
from questions import found

from catalog_schema.tables import QUASARS
from portal.data import catalogue
from portal.data.conditions import Filters
from portal.data.database import Connection, connect
from portal.data.ranking import Ranking
from portal.data.releases import AbsentError
from portal.data.search import Cone
from portal.data.texts import MAX_LENGTH

SILVER = Filters(words=(("tier", ("silver",)),))


def test_counts_by_tier_add_up(con: Connection) -> None:
    counts = catalogue.count_kinds(con, Filters(clean=True)).groupby("tier")["n"].sum()
    assert counts.to_dict() == {tier: TIERS.count(tier) for tier in set(TIERS)}
    assert catalogue.count_rows(con, Filters()) == N_ROWS


def test_identifiers_above_2_53_arrive_exactly(con: Connection) -> None:
    for row in (0, 1, N_ROWS - 1):
        targetid = row_id(row)
        assert float(targetid) != targetid or targetid % 2 == 0
        assert found(con, Filters(search=str(targetid))) == [str(targetid)]


@given(
    order=st.sampled_from([Ranking(), Ranking("snr", True), Ranking("artefact_probability")]),
    size=st.integers(1, 450),
)
def test_every_row_is_on_exactly_one_page(con: Connection, order: Ranking, size: int) -> None:
    pages = [
        catalogue.list_rows(con, Filters(), order, page, size, ("TARGETID",))["TARGETID"]
        for page in (1, 2, -(-N_ROWS // size), -(-N_ROWS // size) + 1)
    ]
    whole = catalogue.list_rows(con, Filters(), order, 1, N_ROWS)["TARGETID"].tolist()
    last = (-(-N_ROWS // size) - 1) * size
    assert pages[0].tolist() == whole[:size]
    assert pages[1].tolist() == whole[size : 2 * size]
    assert pages[2].tolist() == whole[last:]
    assert pages[3].empty
    assert len(set(whole)) == N_ROWS


def test_a_list_has_the_usual_columns_or_those_that_were_asked_for(con: Connection) -> None:
    rows = catalogue.list_rows(con, SILVER, Ranking(), 1, 3)
    assert tuple(rows.columns) == catalogue.list_listed(QUASARS)
    rows = catalogue.list_rows(con, SILVER, Ranking(), 1, 3, ("Z", "TARGETID"))
    assert list(rows.columns) == ["Z", "TARGETID"]
    with pytest.raises(ValueError, match="not one of the catalogue's"):
        catalogue.list_rows(con, SILVER, Ranking(), 1, 3, ("TARGETID", "1; DROP VIEW rows"))


def test_long_texts_are_cut_for_the_page(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    place = rows.column_names.index("DESINAME")
    pq.write_table(rows.set_column(place, "DESINAME", pa.array(["x" * 9999] * N_ROWS)), path)
    rows = catalogue.list_rows(connect(own_release), Filters(), Ranking(), 1, 2, ("DESINAME",))
    assert rows["DESINAME"].str.len().tolist() == [MAX_LENGTH] * 2


def test_release_of_an_older_schema_has_nulls(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows.drop_columns(["anomaly_class", "artefact_probability"]), path)
    con = connect(own_release)
    assert "anomaly_class" not in con.table.names
    assert len(found(con, Filters(clean=True))) == N_ROWS


def test_words_are_those_that_occur_in_the_order_of_the_vocabulary(con: Connection) -> None:
    words = catalogue.list_words(con, ("tier", "parent", "anomaly_class", "SURVEY"))
    assert words["tier"] == ["gold", "silver", "bronze", "none"]
    assert words["parent"] == list(QUASARS["parent"].vocabulary or ())
    assert words["anomaly_class"] == []
    assert words["SURVEY"] == ["main"]
    assert catalogue.list_words(con, ()) == {}


def test_a_cone_is_nearest_first_with_its_separations(con: Connection) -> None:
    rows = catalogue.find_cone(con, Cone(0.0, 10.0, 10.0), 10)
    assert rows["TARGETID"].to_pylist() == [row_id(0), row_id(1)]
    near, far = rows["separation"].to_pylist()
    assert near == pytest.approx(far, abs=1e-3)
    assert near == pytest.approx(0.0005 * 3600 * np.cos(np.radians(10)), rel=1e-3)
    wide = catalogue.find_cone(con, Cone(150.0, 20.0, 30_000.0), 50)["separation"].to_pylist()
    assert wide == sorted(wide)
    assert max(wide) <= 30_000
    assert catalogue.find_cone(con, Cone(150.0, 20.0, 30_000.0), 3).num_rows == 3


def test_an_empty_cone_has_columns_and_no_rows(con: Connection) -> None:
    rows = catalogue.find_cone(con, Cone(150.0, 20.0, 0.0), 10)
    assert rows.num_rows == 0
    assert "TARGETID" in rows.column_names


def test_a_release_without_positions_has_no_cones(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["TARGET_RA"]), path)
    with pytest.raises(AbsentError, match="no positions"):
        catalogue.find_cone(connect(own_release), Cone(150.0, 20.0, 60.0), 10)


def test_graded_objects_are_strangest_first(con: Connection, release: Path) -> None:
    graded = catalogue.list_graded(con)
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    wanted = rows[rows["tier"] != "none"].sort_values(
        ["finding_p_value", "anomaly_score", "TARGETID"], ascending=[True, False, True]
    )
    assert graded["TARGETID"].tolist() == wanted["TARGETID"].astype(str).tolist()


def test_a_shuffle_is_the_same_each_time_and_tells_nothing_of_the_score(con: Connection) -> None:
    shuffled = catalogue.list_shuffled(con, Filters(), N_ROWS)
    assert shuffled == catalogue.list_shuffled(con, Filters(), N_ROWS)
    assert sorted(shuffled) == [row_id(row) for row in range(N_ROWS)]
    assert catalogue.list_shuffled(con, Filters(), 7) == shuffled[:7]
    places = np.argsort(shuffled)
    assert abs(np.corrcoef(places, np.arange(N_ROWS))[0, 1]) < 0.15
    assert set(map(str, catalogue.list_shuffled(con, SILVER, 99))) == set(found(con, SILVER))
