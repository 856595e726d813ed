"""The page of evidence."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import open_page, written
from portal_release import N_ROWS, TIERS, row_id
from streamlit.testing.v1 import AppTest


def test_broken_law_is_told(own_release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own_release / "completeness/gates.parquet"
    gates = pq.read_table(path)
    pq.write_table(gates.slice(1), path)
    app = open_page(monkeypatch, own_release, "statistics")
    assert any("broken in 1 shards" in error.value for error in app.error)


def test_statistics_page_shows_the_evidence(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, own_release, "statistics")
    assert "law holds" in app.success[0].value
    assert "`validation/summary.json` is not part of this release" in written(app).replace("\\", "")
    assert not app.error
    found = {"injection": "iron", "planted": 5.0, "n": 60, "found": 0.5, "low": 0.4, "high": 0.6}
    controls = {"control": "sky", "n": 264, "in_tier": 0, "share_low": 0.0}
    (own_release / "validation").mkdir()
    (own_release / "validation/summary.json").write_text(
        json.dumps({"controls": [controls], "injections": [found]})
    )
    (own_release / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.0\n\n<b>First.</b>\n")
    older = own_release.with_name("1.1.0")
    shutil.copytree(own_release, older)
    app = open_page(monkeypatch, own_release, "statistics")
    assert not app.error
    assert "First." in written(app)
    assert "Nothing differs" in written(app)


def write_summary(root: Path, **lists: list[dict[str, object]]) -> None:
    (root / "validation").mkdir()
    (root / "validation/summary.json").write_text(json.dumps(lists))


def find_frame(app: AppTest, *names: str) -> pd.DataFrame:
    (frame,) = [frame.value for frame in app.dataframe if set(names) <= set(frame.value)]
    return frame


def regrade(root: Path, changes: dict[int, str]) -> Path:
    """Give some objects another tier."""
    path = root / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    place, tiers = rows.column_names.index("tier"), rows["tier"].to_pylist()
    for row, tier in changes.items():
        tiers[row] = tier
    pq.write_table(rows.set_column(place, rows.schema.field("tier"), [tiers]), path)
    return root


def test_books_are_the_sums_of_the_files(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "statistics")
    books = pq.read_table(release / "completeness/completeness.parquet").to_pandas()
    gates = pq.read_table(release / "completeness/gates.parquet").to_pandas()
    shown = find_frame(app, "Rows given").set_index("Stage")
    assert shown.index.tolist() == ["extract", "preprocess"]
    for stage, part in books.groupby("stage"):
        n_dropped = gates.loc[gates["stage"] == stage, "n_dropped"].sum()
        assert shown.loc[stage].to_dict() == {
            "Shards": len(part),
            "Failed shards": 0,
            "Rows given": part["n_expected"].sum(),
            "Rows made": part["n_made"].sum(),
            "Dropped by gates": n_dropped,
            "Shards not adding up": 0,
        }
    by_gate = find_frame(app, "Gate").set_index("Gate")["Rows dropped"].to_dict()
    assert by_gate == gates.groupby("gate")["n_dropped"].sum().to_dict()


HALVES = {0: [], 1: [{0}], 2: [{0}, {1}], 3: [{0, 1}, {2}], 5: [{0, 1, 2}, {3, 4}]}


@pytest.mark.parametrize("n", HALVES)
def test_every_planted_feature_is_drawn_in_one_of_two_charts(
    own_release: Path, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    rows: list[dict[str, object]] = [
        {"injection": f"f{k}", "planted": strength, "n": 9, "found": 0.5}
        for k in range(n)
        for strength in (3.0, 6.0)
    ]
    write_summary(own_release, injections=rows)
    app = open_page(monkeypatch, own_release, "statistics")
    assert not app.error
    charts = app.get("vega_lite_chart")
    drawn = [data.data.data for chart in charts for data in chart.proto.datasets]
    names = [pa.ipc.open_stream(data).read_all()["injection"].to_pylist() for data in drawn]
    assert [set(part) for part in names] == [{f"f{k}" for k in part} for part in HALVES[n]]
    if n:
        table = find_frame(app, "injection", "planted")
        assert table["injection"].tolist() == [row["injection"] for row in rows]


def test_controls_are_told_with_what_nobody_measured_left_open(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "<b>sky</b>\nfibre"
    rows: list[dict[str, object]] = [
        {"control": hostile, "n": 9, "in_tier": 1, "share_low": 0.25},
        {"control": "star", "n": 0},
    ]
    write_summary(own_release, controls=rows)
    shown = find_frame(open_page(monkeypatch, own_release, "statistics"), "Control")
    assert shown["Control"].tolist() == ["<b>sky</b> fibre", "star"]
    assert shown["Number"].tolist() == [9, 0]
    assert shown["Share with p < 0.01"].iloc[0] == 0.25
    assert shown["Share with joint p < 0.01"].isna().all()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"controls": {}}', '{"injections": [{"injection": 3}]}', '{"n": NaN}']
)
def test_a_summary_that_is_none_is_one_line_and_takes_nothing_else_away(
    own_release: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    write_summary(own_release)
    (own_release / "validation/summary.json").write_text(content)
    app = open_page(monkeypatch, own_release, "statistics")
    (told,) = [error.value for error in app.error]
    assert "validation/summary.json" in told
    assert "\n" not in told
    assert "law holds" in app.success[0].value
    assert "Releases" in written(app)


def test_objects_that_moved_between_tiers_are_listed_and_no_others(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = own_release.with_name("1.1.0")
    shutil.copytree(own_release, older)
    # Up, down, in and out; the last one is a tie of nothing.
    regrade(older, {0: "silver", 5: "gold", 20: "none", 100: "bronze", 200: "none"})
    app = open_page(monkeypatch, own_release, "statistics")
    moved = find_frame(app, "tier_then").set_index("TARGETID")
    pairs = moved[["tier_then", "tier_now"]].fillna("none").to_dict("index")
    assert pairs == {
        str(row_id(0)): {"tier_then": "silver", "tier_now": "gold"},
        str(row_id(5)): {"tier_then": "gold", "tier_now": "silver"},
        str(row_id(20)): {"tier_then": "none", "tier_now": "bronze"},
        str(row_id(100)): {"tier_then": "bronze", "tier_now": "none"},
    }
    assert "4 of 29 objects that are graded in either release." in written(app)


def test_releases_are_listed_newest_first_with_their_counts(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.10.0", "1.9.0"):
        shutil.copytree(own_release, own_release.with_name(version))
        path = own_release.with_name(version) / "manifest.json"
        told = json.loads(path.read_text()) | {"version": version, "date": "2026-01-02"}
        path.write_text(json.dumps(told))
    (own_release.with_name("1.9.0") / "manifest.json").write_text("{")
    app = open_page(monkeypatch, own_release, "statistics")
    shown = find_frame(app, "Version")
    assert shown["Version"].tolist() == ["1.10.0", "1.2.0"]
    assert shown["Date"].tolist() == ["2026-01-02", ""]
    assert set(shown["Objects"]) == {N_ROWS}
    assert set(shown["Graded"]) == {N_ROWS - TIERS.count("none")}
    (told,) = [error.value for error in app.error]
    assert "1.9.0" in told


def test_external_catalogues_are_told_as_published(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "statistics")
    shown = find_frame(app, "n_matched")
    rows = pq.read_table(release / "catalog/catalogues.parquet").to_pandas()
    assert shown["n_matched"].sum() == rows["n_matched"].sum()
    assert sorted(shown["chance_rate"]) == pytest.approx(sorted(rows["chance_rate"]))
