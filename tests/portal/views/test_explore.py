"""The page Explore: counts, filters, order and pages of the list."""

from pathlib import Path

import pytest
from pages import open_page, written
from portal_release import N_ROWS, row_id


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
