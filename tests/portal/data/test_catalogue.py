"""Counts, lists and searches among the rows of a release."""

from pathlib import Path

import pyarrow.parquet as pq
from portal_release import N_ROWS, TIERS, row_id
from questions import found

from portal.data import (
    catalogue,
    objects,
)
from portal.data.conditions import Filters
from portal.data.database import Connection, connect
from portal.data.ranking import Ranking


def test_counts_by_tier_add_up(con: Connection) -> None:
    counts = catalogue.count_kinds(con, Filters(clean=True)).groupby("tier")["n"].sum()
    assert counts.to_dict() == {tier: TIERS.count(tier) for tier in set(TIERS)}
    assert catalogue.count_rows(con, Filters()) == N_ROWS


def test_identifiers_above_2_53_arrive_exactly(con: Connection) -> None:
    for row in (0, 1, N_ROWS - 1):
        targetid = row_id(row)
        assert float(targetid) != targetid or targetid % 2 == 0
        assert found(con, Filters(search=str(targetid))) == [str(targetid)]
        facts = objects.find_object(con, targetid)
        assert facts is not None
        assert facts["TARGETID"] == str(targetid)


def test_every_row_is_on_exactly_one_page(con: Connection) -> None:
    for order in (Ranking(), Ranking("snr", False), Ranking("artefact_probability")):
        pages = [catalogue.list_rows(con, Filters(), order, page, 150) for page in (1, 2, 3)]
        seen = [targetid for page in pages for targetid in page["TARGETID"]]
        assert len(seen) == len(set(seen)) == N_ROWS


def test_release_of_an_older_schema_has_nulls(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows.drop_columns(["anomaly_class", "artefact_probability"]), path)
    con = connect(own_release)
    assert "anomaly_class" not in con.table.names
    assert len(found(con, Filters(clean=True))) == N_ROWS
