"""Filters find what they say, and only that."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_release import N_ROWS, row_id
from questions import found, select

from catalog_schema.vocabulary import Tier
from portal.data import catalogue
from portal.data.conditions import HIDDEN, SCORE_COLUMNS, Cells, Filters, where
from portal.data.database import Connection, connect
from portal.data.search import SearchError

LIMIT = st.none() | st.floats(-1, 7)
WORDS = {
    "tier": Tier.values(),
    "parent": ("core", "extended", "control"),
    "worst_arm": tuple("brz"),
}


@pytest.fixture(scope="module")
def rows(release: Path) -> pd.DataFrame:
    return pq.read_table(release / "catalog/quasars.parquet").to_pandas()


@st.composite
def draw_filters(draw: st.DrawFn) -> Filters:
    """Filters of every sort at once."""
    words = [
        (name, tuple(draw(st.lists(st.sampled_from(known), unique=True, max_size=2))))
        for name, known in WORDS.items()
    ]
    ranges = [(name, (draw(LIMIT), draw(LIMIT))) for name in ("Z", "snr")]
    cells = draw(st.none() | st.lists(st.integers(0, 767), max_size=400, unique=True))
    return Filters(
        words=tuple(words),
        ranges=tuple(ranges),
        search=draw(st.sampled_from(["", "z>1.5", "tier!=none snr<=4"])),
        cells=None if cells is None else Cells(3, tuple(cells)),
    )


def keep(rows: pd.DataFrame, filters: Filters) -> pd.Series:
    """The same by hand; what is null passes no limit."""
    kept = pd.Series(True, index=rows.index)
    for name, words in filters.words:
        kept &= rows[name].isin(words) if words else True
    for name, (low, high) in filters.ranges:
        kept &= True if low is None else rows[name] >= low
        kept &= True if high is None else rows[name] <= high
    if filters.cells is not None:
        kept &= (rows["HEALPIX"] // 64).isin(filters.cells.pixels)
    if "z>" in filters.search:
        kept &= rows["Z"] > 1.5
    elif filters.search:
        kept &= (rows["tier"] != "none") & (rows["snr"] <= 4)
    return kept


@given(filters=draw_filters())
def test_filters_together_keep_what_each_of_them_keeps(
    con: Connection, rows: pd.DataFrame, filters: Filters
) -> None:
    wanted = rows["TARGETID"][keep(rows, filters)]
    assert sorted(found(con, filters)) == sorted(wanted.astype(str))
    assert sorted(select(con, filters)) == sorted(wanted)
    assert catalogue.count_kinds(con, filters)["n"].sum() == len(wanted)


@given(filters=draw_filters())
def test_a_population_is_what_the_score_does_not_choose(
    con: Connection, rows: pd.DataFrame, filters: Filters
) -> None:
    population = filters.population()
    used = {name for name, _ in (*population.words, *population.ranges)}
    assert not used & SCORE_COLUMNS
    assert set(found(con, filters)) <= set(found(con, population))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0 10 10", [0, 1]),
        ("359.9999, 10, 10", [0, 1]),
        ("360 10 10", [0, 1]),
        ("00:00:00 +10:00:00 10", [0, 1]),
        ("0.0005 10 1", [0]),
        ("100 90 2", [2, 3]),
        ("17 89.9999 0.1", [2]),
        ("180 -80", []),
        ("SDSS J000000.12+100000.0", [0, 1]),
    ],
)
def test_cone_crosses_zero_and_pole(con: Connection, text: str, wanted: list[int]) -> None:
    assert sorted(found(con, Filters(search=text))) == sorted(map(str, map(row_id, wanted)))


@given(ra=st.floats(0, 360), dec=st.floats(-90, 90), radius=st.floats(1, 36_000))
def test_cone_agrees_with_brute_force(
    con: Connection, rows: pd.DataFrame, ra: float, dec: float, radius: float
) -> None:
    text = f"{ra:.4f} {dec:.4f} {radius:.0f}"
    ra, dec, radius = map(float, text.split())
    known = rows.dropna(subset=["TARGET_RA"])
    theirs = [np.radians(known[name].to_numpy()) for name in ("TARGET_RA", "TARGET_DEC")]
    mine = np.radians([ra, dec])
    chord = np.sin((theirs[1] - mine[1]) / 2) ** 2
    chord += np.cos(theirs[1]) * np.cos(mine[1]) * np.sin((theirs[0] - mine[0]) / 2) ** 2
    distance = 3600 * np.degrees(2 * np.arcsin(np.sqrt(chord)))
    inside = set(known["TARGETID"][distance <= radius].astype(str))
    edge = set(known["TARGETID"][abs(distance - radius) < 1e-6].astype(str))
    assert set(found(con, Filters(search=text))) - edge == inside - edge


def test_match_state_filters(con: Connection) -> None:
    assert found(con, Filters(match=("xray", "matched"))) == [str(row_id(0))]
    assert found(con, Filters(match=("radio", "matched"))) == []
    assert found(con, Filters(cells=Cells(3, ()))) == []


def test_artefacts_and_poor_data_are_left_out(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    table = pq.read_table(path)
    changes = {
        "artefact_probability": {0: 0.99, 5: 0.99},
        "anomaly_class": {0: "normal", 1: "artefact"},
        "COADD_FIBERSTATUS": {1: 16, 2: 16, 4: None, 6: 8},
        "coverage_r": {3: 0.1},
    }
    for name, changed in changes.items():
        values = [changed.get(row, value) for row, value in enumerate(table[name].to_pylist())]
        place, field = table.column_names.index(name), table.schema.field(name)
        table = table.set_column(place, field, pa.array(values, field.type))
    pq.write_table(table, path)
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
    ["'; DROP VIEW catalogue; --", "%", "_", "\\", "COPY rows TO '/tmp/x'", "\x00"],
)
def test_injected_text_is_only_text(con: Connection, text: str) -> None:
    assert found(con, Filters(search=text)) == []
    assert found(con, Filters(words=(("tier", (text,)),))) == []
    assert found(con, Filters(match=(text, "matched"))) == []
    assert len(found(con, Filters())) == N_ROWS


@pytest.mark.parametrize("name", ["latent2", "tier) OR (true", "hidden", "x y"])
def test_a_column_that_the_release_lacks_is_refused(con: Connection, name: str) -> None:
    for filters in (Filters(words=((name, ("a",)),)), Filters(ranges=((name, (0.0, None)),))):
        with pytest.raises(SearchError, match="no column"):
            where(filters, con.table)
