"""The page about the release."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pages import open_page, written
from points_release import VERSION, make_points, write_points
from portal_release import FINDINGS, LEVELS, TIERS, row_id
from streamlit.testing.v1 import AppTest

from catalog_schema import kinds
from catalog_schema.tables import QUASARS
from catalog_schema.vocabulary import Finding, MatchState, Parent, Tier
from portal.data.texts import escape


def change_manifest(root: Path, **told: Any) -> None:
    path = root / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | told))


def tiers_of(app: AppTest) -> dict[str, tuple[str, str]]:
    rows = next(frame.value for frame in app.dataframe if "Tier" in frame.value)
    values = zip(rows["False-discovery level"], rows["Objects"], strict=True)
    return dict(zip(rows["Tier"], values, strict=True))


def test_about_page_states_law_and_dictionary(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "about")
    assert "I'oligam Du'ag" in written(app)
    app.text_input(key="word").set_value("SFD98").run()
    assert app.dataframe[-1].value["Column"].tolist() == ["EBV"]
    app.text_input(key="word").set_value("nonsense").run()
    assert "No column" in app.info[-1].value


def test_tiers_have_the_levels_and_counts_of_the_manifest(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tiers_of(open_page(monkeypatch, release, "about"))
    assert tuple(told) == Tier.values()
    for tier, (level, count) in told.items():
        assert level == (f"{LEVELS[tier]:,}" if tier in LEVELS else "–")
        assert count == str(TIERS.count(tier))


def test_each_list_has_its_own_tiers(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "about")
    rows = next(frame.value for frame in app.dataframe if "List" in frame.value)
    assert rows.shape == (len(Finding) * len(Tier), 4)
    for finding, tier, count, false in rows.itertuples(index=False):
        pairs = zip(FINDINGS, TIERS, strict=True)
        assert count == str(sum(pair == (finding, tier) for pair in pairs))
        # The manifest tells no other one.
        assert false == ("0.002" if (finding, tier) == ("named", "gold") else "–")


def test_counts_that_the_manifest_does_not_tell_are_dashes(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_manifest(own_release, counts={"tiers": {"gold": 1234567}}, tiers={"gold": 0.0})
    told = tiers_of(open_page(monkeypatch, own_release, "about"))
    assert told.pop("gold") == ("0.0", "1,234,567")
    assert set(told.values()) == {("–", "–")}


def test_the_example_is_the_strangest_of_those_in_a_tier(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    # The strangest of all is in no tier.
    tiers = ["none", *rows["tier"].to_pylist()[1:]]
    place = rows.column_names.index("tier")
    pq.write_table(rows.set_column(place, rows.schema.field("tier"), [tiers]), path)
    frame = rows.set_column(place, rows.schema.field("tier"), [tiers]).to_pandas()
    graded = frame[frame["tier"] != "none"]
    best = graded.sort_values(["finding_p_value", "TARGETID"])["TARGETID"].iloc[0]
    assert best != row_id(0)
    text = written(open_page(monkeypatch, own_release, "about"))
    assert f"the strangest object of this release, {best}**" in text


@pytest.mark.parametrize("tiers", [["none"] * 120, None])
def test_where_nothing_is_in_a_tier_there_is_no_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiers: list[str] | None
) -> None:
    points = make_points(graded=tiers is not None)
    if tiers is not None:
        points = points.drop_columns(["tier"]).append_column("tier", [tiers])
    app = open_page(monkeypatch, write_points(tmp_path / VERSION, points), "about")
    assert "An example" not in written(app)
    assert not [error for error in app.error if "tier" in error.value]


@pytest.mark.parametrize(
    ("name", "section"),
    [("CITATION.cff", "How to cite"), ("ACKNOWLEDGEMENTS.md", "Acknowledgements")],
)
@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_lost_or_garbled_text_takes_nothing_else_away(
    own_release: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    section: str,
    content: bytes | None,
) -> None:
    (own_release / name).unlink()
    if content is not None:
        (own_release / name).write_bytes(content)
    app = open_page(monkeypatch, own_release, "about")
    text = written(app)
    told = [*(error.value for error in app.error), *(note.value for note in app.caption)]
    (line,) = [line for line in told if name in line]
    assert "\n" not in line
    for other in (section, "Downloads", "Glossary", "Data dictionary"):
        assert other in text


def test_what_a_manifest_says_is_text_and_no_markup(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "<b>*bold*</b> [x](http://evil) $x$"
    change_manifest(own_release, title=hostile, model={"id": hostile})
    app = open_page(monkeypatch, own_release, "about")
    facts = app.table[0].value["Value"]
    assert facts["Title"] == escape(hostile)
    assert facts["Model"] == escape(hostile)
    assert facts["Version"] == escape(own_release.name)
    assert not app.error


def test_each_coded_word_is_in_the_glossary(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "about")
    text = written(app)
    for word in (*MatchState, *Parent, *Tier):
        assert f"- **{word.value}**: {word.meaning}" in text
    headings = [part.label for part in app.expander]
    assert "Words of match_state" in headings
    assert "Words of tier" in headings
    assert len(set(headings)) == len(headings)


@pytest.mark.parametrize("table", list(kinds.SPECTRA.files.values()), ids=lambda table: table.name)
def test_the_dictionary_has_every_column_of_each_table(
    release: Path, monkeypatch: pytest.MonkeyPatch, table: Any
) -> None:
    app = open_page(monkeypatch, release, "about")
    app.selectbox(key="table").set_value(table.name).run()
    # Of the release's own list the columns that it has, of other tables all that are declared.
    names = [column.name for column in table.columns]
    assert app.dataframe[-1].value["Column"].tolist() == names
    assert f"{len(names)} of {len(names)} columns." in written(app)


def test_a_list_of_another_name_leads_the_dictionary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_points(tmp_path / VERSION, make_points())
    app = open_page(monkeypatch, root, "about")
    box = app.selectbox(key="table")
    assert box.options[0] == box.value == "points"
    assert QUASARS.name in box.options
    assert app.dataframe[-1].value["Column"].tolist() == make_points().column_names
    assert QUASARS.description not in written(app)
    hostile = "<i>*nothing*</i>"
    app.text_input(key="word").set_value(hostile).run()
    assert app.info[-1].value == f"No column of points mentions “{escape(hostile)}”."
