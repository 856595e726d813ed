"""The page of one object: facts, rank, spectrum, ways out."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import asked, open_page, written
from points_release import VERSION as POINTS
from points_release import make_points, point_id, write_points
from portal_release import N_ROWS, row_id
from streamlit.testing.v1 import AppTest

from portal.data.texts import escape


def test_object_page_shows_facts_and_rank(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "object", targetid=str(row_id(4)), among="tier=silver")
    text = written(app)
    assert "DESI J000004" in text
    assert "Number **1** of 8" in text
    assert "Tier silver" in text
    assert "legacysurvey.org/viewer?ra=" in text
    assert "pixels are good" in text
    assert not app.error


@pytest.mark.parametrize("is_on", [False, True])
def test_images_are_shown_or_said_to_be_absent(
    release: Path, monkeypatch: pytest.MonkeyPatch, is_on: bool
) -> None:
    monkeypatch.setenv("QAD_NETWORK", str(int(is_on)))
    app = open_page(monkeypatch, release, "object", targetid=str(row_id(N_ROWS - 1)))
    assert len(app.get("iframe")) == is_on
    assert ("Absent: the Legacy Surveys' image and Aladin Lite" in written(app)) is not is_on


def test_object_without_spectrum_says_so(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "object", targetid=str(row_id(N_ROWS - 1)))
    assert "No spectrum is published" in app.info[0].value
    assert "coadd-main-dark-" in written(app)
    app = open_page(monkeypatch, release, "object", targetid=str(row_id(N_ROWS - 2)))
    assert "no position on the real sky" in written(app)


@pytest.mark.parametrize(
    ("targetid", "message"),
    [
        ("1", "is not in release 1.2.0"),
        ("9" * 30, "64 bits"),
        ("<script>", "whole number"),
    ],
)
def test_unknown_object_is_one_line(
    release: Path, monkeypatch: pytest.MonkeyPatch, targetid: str, message: str
) -> None:
    app = open_page(monkeypatch, release, "object", targetid=targetid)
    assert len(app.error) == 1
    assert message in app.error[0].value


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [each for each in app.button if each.label == label]
    assert not button.disabled
    button.click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize(("way", "back"), [("Next →", "← Previous"), ("← Previous", "Next →")])
def test_a_walk_passes_every_object_of_the_list_once(
    release: Path, monkeypatch: pytest.MonkeyPatch, way: str, back: str
) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    silver = rows[rows["tier"] == "silver"].sort_values("Z", ascending=way[0] == "←")
    wanted = silver["TARGETID"].astype(str).tolist()
    app = open_page(monkeypatch, release, "object", targetid=wanted[0], among="tier=silver&sort=Z")
    seen = [wanted[0]]
    while not next(each for each in app.button if each.label == way).disabled:
        press(app, way)
        seen.append(asked(app, "targetid"))
        assert f"TARGETID {seen[-1]}" in app.get("html")[0].proto.body
    assert seen == wanted
    assert asked(press(app, back), "targetid") == wanted[-2]


def test_one_that_the_filters_leave_out_has_no_place_and_no_way(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "object", targetid=str(row_id(0)), among="tier=silver")
    assert "Not among the objects that the filters leave." in written(app)
    assert not {"Next →", "← Previous"} & {each.label for each in app.button}
    assert not app.error


@pytest.mark.parametrize(
    "among", ["tier=%00", "find=z>", "find=400 95", "sort=1;DROP", "z=x&z=y", "%ff=1", "<script>"]
)
def test_a_tampered_list_takes_the_object_not_away(
    release: Path, monkeypatch: pytest.MonkeyPatch, among: str
) -> None:
    app = open_page(monkeypatch, release, "object", targetid=str(row_id(4)), among=among)
    assert "DESI J000004" in written(app)
    assert not app.error


def test_a_simulated_place_leads_nowhere(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_release / "manifest.json"
    told = json.loads(path.read_text()) | {"source": {"kind": "mock"}}
    path.write_text(json.dumps(told))
    monkeypatch.setenv("QAD_NETWORK", "1")
    app = open_page(monkeypatch, own_release, "object", targetid=str(row_id(4)))
    text = written(app)
    assert "no position on the real sky" in text
    assert "http" not in text
    assert not app.get("iframe")
    assert "simulated" in app.info[0].value


def test_words_of_a_release_are_shown_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = make_points()
    hostile = "<img src=x onerror=alert(1)> **b** [l](javascript:1)"
    for name in ("made_by", "tier"):
        words = pa.array([hostile] * points.num_rows)
        points = points.set_column(points.column_names.index(name), name, words)
    root = write_points(tmp_path / "releases" / POINTS, points)
    app = open_page(monkeypatch, root, "object", targetid=str(point_id(3)))
    facts = app.table[0].value["Value"]
    assert facts["made_by"] == escape(hostile)
    assert "<img" not in "".join(block.proto.body for block in app.get("html"))
    assert hostile not in written(app)
    assert not app.error


@pytest.mark.parametrize("text", ["", "   "])
def test_without_an_identifier_it_is_asked_for(
    release: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    app = open_page(monkeypatch, release, "object", targetid=text)
    (box,) = app.text_input
    assert box.label == "TARGETID"
    assert app.title[0].value == "Object"
    assert not app.error


def test_an_address_with_margins_is_the_object(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "object", targetid=f" {row_id(4)} ")
    assert asked(app, "targetid") == str(row_id(4))
    assert "DESI J000004" in written(app)
