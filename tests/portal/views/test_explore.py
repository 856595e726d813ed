"""The page Explore: counts, filters, order and pages of the list."""

from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import open_page, written
from portal_release import N_ROWS, row_id
from streamlit.testing.v1 import AppTest

from portal.data.conditions import HIDDEN
from portal.data.texts import escape


def test_explore_counts_and_lists(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release)
    assert [metric.value for metric in app.metric] == [str(N_ROWS), "4", "8", "16", "372"]
    assert app.metric[1].delta == "FDR ≤ 0.001"
    rows = app.dataframe[0].value
    assert len(rows) == 50
    assert rows["TARGETID"].iloc[0] == str(row_id(0))
    assert f"Rows 1 to 50 of {N_ROWS}" in written(app)
    assert "poor data are left out; none pass" in written(app)
    assert "release 1.2.0" in written(app)
    assert "Dark Energy Spectroscopic Instrument" in written(app)


def test_address_filters_and_widgets_agree(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, tier="gold")
    assert app.metric[0].value == "4"
    app = open_page(monkeypatch, release)
    app.text_input(key="find").set_value(str(row_id(9))).run()
    assert app.metric[0].value == "1"
    app.text_input(key="find").set_value("400 95").run()
    assert "outside 0 to 360" in app.warning[0].value
    app.text_input(key="find").set_value("nobody").run()
    assert "No object passes" in app.warning[0].value
    assert not app.exception


def test_sort_and_last_page(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release)
    app.selectbox(key="sort").set_value("Z").run()
    app.toggle(key="reversed").set_value(True).run()
    assert app.dataframe[0].value["Z"].is_monotonic_increasing
    app.session_state["page"] = 8
    app.run()
    assert f"Rows 351 to {N_ROWS} of {N_ROWS}" in written(app)
    app.text_input(key="find").set_value(str(row_id(9))).run()
    assert "Rows 1 to 1 of 1" in written(app)


def set_size(app: AppTest, size: int) -> AppTest:
    (box,) = [each for each in app.selectbox if each.label == "Rows on a page"]
    return box.set_value(size).run()


@pytest.mark.parametrize("size", [100, 250])
def test_the_pages_together_are_the_list(
    release: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    order = rows.sort_values(["snr", "TARGETID"], ascending=[False, True], na_position="last")
    app = set_size(open_page(monkeypatch, release, sort="snr"), size)
    seen: list[str] = []
    for page in range(1, ceil(N_ROWS / size) + 1):
        app.session_state["page"] = page
        app.run()
        seen += app.dataframe[0].value["TARGETID"].tolist()
        assert f"Rows {(page - 1) * size + 1} to {len(seen)} of {N_ROWS}." in written(app)
    assert seen == order["TARGETID"].astype(str).tolist()


def test_a_page_that_is_no_more_is_the_first(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = set_size(open_page(monkeypatch, release), 25)
    app.session_state["page"] = 16
    app.run()
    assert f"Rows 376 to 400 of {N_ROWS}" in written(app)
    set_size(app, 50)
    assert f"Rows 1 to 50 of {N_ROWS}" in written(app)
    assert not app.exception


@pytest.mark.parametrize("text", ["z>1.5", "snr<=3 tier!=none", f"{row_id(40)}", "z>0 Z<99"])
def test_counts_of_tiers_add_up_to_the_objects(
    release: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    app = open_page(monkeypatch, release, find=text)
    total, *tiers = (int(metric.value.replace(",", "")) for metric in app.metric)
    assert total == sum(tiers) > 0
    assert f"of {total}." in written(app)
    assert f"{escape('Searched:')} " in written(app)


def hide(root: Path) -> pd.DataFrame:
    """Make some objects what is left out, some of them for two reasons at once."""
    path = root / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    n = rows.num_rows
    given = {
        "anomaly_class": ["artefact" if row % 10 == 0 else None for row in range(n)],
        "COADD_FIBERSTATUS": [1 << 2 if row % 15 == 0 else 0 for row in range(n)],
        "coverage_r": [0.499 if row % 7 == 0 else 0.5 for row in range(n)],
    }
    for name, values in given.items():
        field = rows.schema.field(name)
        place = rows.column_names.index(name)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    pq.write_table(rows, path)
    return rows.to_pandas()


def test_what_is_left_out_is_counted_by_its_first_reason_and_brought_back(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = hide(own_release)
    why = np.select(
        [
            rows["anomaly_class"] == "artefact",
            rows["COADD_FIBERSTATUS"] != 0,
            rows["coverage_r"] < 0.5,
        ],
        list(HIDDEN),
        "",
    )
    app = open_page(monkeypatch, own_release, find="z>1.5")
    why = pd.Series(why[rows["Z"] > 1.5])
    assert app.metric[0].value == str((why == "").sum())
    counts = why[why != ""].value_counts()
    told = ", ".join(f"{counts[reason]} {reason}" for reason in HIDDEN)
    assert f"Left out, {counts.sum()} more objects that pass the filters: {told}." in written(app)
    app.toggle(key="everything").set_value(True).run()
    assert app.metric[0].value == str(len(why))
    assert "Artefacts and poor data are shown too." in written(app)


@pytest.mark.parametrize(
    "text", ["&lt;b&gt; [nobody]", "'; DROP VIEW rows; --", "*x* [y](http://evil)", "%", "_", "\\"]
)
def test_what_is_searched_is_text(
    release: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    app = open_page(monkeypatch, release, find=text)
    assert app.metric[0].value == "0"
    (told,) = [note.value for note in app.caption if note.value.startswith("Searched")]
    assert escape(text) in told
    assert not app.error


@pytest.mark.parametrize(
    "text", ["z>", "z>1 or 1=1", "nothing=3", "z=gold", "<b>z</b>", "z<x; DROP"]
)
def test_conditions_that_are_none_are_one_line_and_list_nothing(
    release: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    app = open_page(monkeypatch, release, find=text)
    (told,) = [warning.value for warning in app.warning]
    assert "\n" not in told
    assert not app.metric
    assert not app.dataframe
