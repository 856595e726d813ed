"""Filters find what they say, and only that."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id
from questions import found, select

from portal.data import (
    catalogue,
)
from portal.data.conditions import HIDDEN, Cells, Filters
from portal.data.database import Connection, connect
from portal.data.ranking import Ranking


def test_each_filter_keeps_what_it_says(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    cases = {
        Filters(words=(("tier", ("gold", "silver")),)): rows["tier"].isin(["gold", "silver"]),
        Filters(words=(("parent", ("control",)),)): rows["parent"] == "control",
        Filters(words=(("worst_arm", ("b",)),)): rows["worst_arm"] == "b",
        Filters(ranges=(("Z", (1.0, 2.0)),)): rows["Z"].between(1, 2),
        Filters(ranges=(("Z", (None, 2.0)),)): rows["Z"] <= 2,
        Filters(ranges=(("snr", (3.0, None)),)): rows["snr"] >= 3,
        Filters(ranges=(("p_value", (None, 0.01)),)): rows["p_value"] <= 0.01,
    }
    for filters, expected in cases.items():
        assert sorted(found(con, filters)) == sorted(rows["TARGETID"][expected].astype(str))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("0 10 10", [0, 1]),
        ("359.9999, 10, 10", [0, 1]),
        ("360 10 10", [0, 1]),
        ("00:00:00 +10:00:00 10", [0, 1]),
        ("0.0005 10 1", [0]),
        ("100 90 2", [2, 3]),
        ("17 89.9999 0.1", [2]),
        ("180 -80", []),
    ],
)
def test_cone_crosses_zero_and_pole(con: Connection, text: str, rows: list[int]) -> None:
    assert sorted(found(con, Filters(search=text))) == sorted(str(row_id(row)) for row in rows)


def test_cone_agrees_with_brute_force(con: Connection, release: Path) -> None:
    rows = (
        pq.read_table(release / "catalog/quasars.parquet").to_pandas().dropna(subset=["TARGET_RA"])
    )
    ra, dec = np.radians(rows["TARGET_RA"]), np.radians(rows["TARGET_DEC"])
    centre = np.radians([150.0, 20.0])
    cosine = np.sin(dec) * np.sin(centre[1])
    cosine += np.cos(dec) * np.cos(centre[1]) * np.cos(ra - centre[0])
    inside = np.degrees(np.arccos(cosine)) * 3600 <= 20_000
    assert inside.any()
    assert sorted(found(con, Filters(search="150 20 20000"))) == sorted(
        rows["TARGETID"][inside].astype(str)
    )


def test_names_that_are_positions_find_what_lies_there(con: Connection) -> None:
    assert found(con, Filters(search="SDSS J000000.12+100000.0")) == [
        str(row_id(0)),
        str(row_id(1)),
    ]


def test_free_conditions_find_what_they_say(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    expected = rows["TARGETID"][(rows["Z"] > 2) & (rows["tier"] != "none")].astype(str)
    assert sorted(found(con, Filters(search="z>2 and tier!=none"))) == sorted(expected)


def test_part_of_the_sky_and_match_state_filter(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    cells = Cells(3, tuple(range(3)))
    expected = rows["TARGETID"][(rows["HEALPIX"] // 64).isin(cells.pixels)].astype(str)
    assert sorted(found(con, Filters(cells=cells))) == sorted(expected)
    assert found(con, Filters(match=("xray", "matched"))) == [str(row_id(0))]
    assert found(con, Filters(cells=Cells(3, ()))) == []


def test_artefacts_and_poor_data_are_left_out(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    changes = {
        "artefact_probability": {0: 0.99, 5: 0.99}, "anomaly_class": {0: "normal", 1: "artefact"},
        "COADD_FIBERSTATUS": {1: 16, 2: 16, 4: None, 6: 8}, "coverage_r": {3: 0.1},
    }  # fmt: skip
    for name, changed in changes.items():
        values = [changed.get(row, value) for row, value in enumerate(rows[name].to_pylist())]
        place = rows.column_names.index(name)
        field = rows.schema.field(name)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    pq.write_table(rows, path)
    con = connect(own_release)
    kept = found(con, Filters(clean=True))
    assert set(found(con, Filters())) - set(kept) == {str(row_id(row)) for row in (1, 2, 3)}
    kinds = catalogue.count_kinds(con, Filters(clean=True)).dropna().set_index("hidden")["n"]
    assert kinds.to_dict() == dict.fromkeys(HIDDEN, 1)
    gold = catalogue.count_kinds(con, Filters(words=(("tier", ("gold",)),), clean=True))
    assert gold.dropna()["n"].sum() == 3
    assert catalogue.count_rows(con, Filters(clean=True)) == len(kept)
    assert len(select(con, Filters(clean=True))) == len(kept)
    words = catalogue.list_words(con, ("anomaly_class", "tier"))
    assert words["anomaly_class"] == ["normal", "artefact"]


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP VIEW quasars; --",
        "%",
        "_",
        "\\",
        "COPY quasars TO '/tmp/x'",
        "\x00",
    ],
)
def test_injected_text_is_only_text(con: Connection, text: str) -> None:
    assert found(con, Filters(search=text)) == []
    assert len(found(con, Filters())) == N_ROWS


def test_injected_words_are_only_words(con: Connection) -> None:
    assert found(con, Filters(words=(("tier", ("gold') OR ('1'='1",)),))) == []
    with pytest.raises(ValueError, match="sorted"):
        catalogue.list_rows(con, Filters(), Ranking("1; DROP VIEW quasars"), 1, 5)
