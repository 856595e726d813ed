"""Each page through Streamlit's own test runner."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id
from streamlit.testing.v1 import AppTest

import portal

APP = Path(portal.__file__).with_name("app.py")


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")


def open_page(
    monkeypatch: pytest.MonkeyPatch, root: Path, page: str = "explore", **params: str
) -> AppTest:
    monkeypatch.setenv("QAD_RELEASE", str(root))
    app = AppTest.from_file(str(APP), default_timeout=60)
    if page != "explore":
        app.query_params["targetid"] = "0"
        app.run()
        app.switch_page(f"views/{page}.py")
    return follow(app, **params)


def follow(app: AppTest, **params: str) -> AppTest:
    app.query_params.clear()
    app.query_params.update(params)
    app.run()
    assert not app.exception
    return app


def written(app: AppTest) -> str:
    kinds = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.info,
        app.success,
        app.text,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)


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


def test_about_page_states_law_and_dictionary(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "about")
    assert "I'oligam Du'ag" in written(app)
    app.text_input(key="word").set_value("SFD98").run()
    assert app.dataframe[-1].value["Column"].tolist() == ["EBV"]
    app.text_input(key="word").set_value("nonsense").run()
    assert "No column" in app.info[-1].value


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
    assert "validation/summary.json" in app.error[0].value
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


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("manifest.json", {"explore", "object", "sql", "match", "statistics", "about"}),
        ("catalog/quasars.parquet", {"explore", "object", "about"}),
        ("spectra/spectra.parquet", {"object"}),
        ("completeness/gates.parquet", {"statistics"}),
        ("CITATION.cff", {"about"}),
        ("SHA256SUMS", {"about"}),
    ],
)
def test_missing_file_is_one_line(
    own_release: Path, monkeypatch: pytest.MonkeyPatch, name: str, needed: set[str]
) -> None:
    (own_release / name).unlink()
    app = open_page(monkeypatch, own_release)
    for page in ("explore", "object", "sql", "match", "statistics", "about"):
        app.switch_page(f"views/{page}.py")
        follow(app, targetid=str(row_id(0)))
        told = [error.value for error in app.error if f"`{name}` is missing" in error.value]
        assert len(told) == (page in needed), page
        assert not any("\n" in error.value for error in app.error)


def test_no_release_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QAD_RELEASE", raising=False)
    app = AppTest.from_file(str(APP)).run()
    assert "qad portal" in app.error[0].value


def test_versions_can_be_chosen(own_release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = own_release.with_name("1.1.0")
    shutil.copytree(own_release, older)
    manifest = json.loads((older / "manifest.json").read_text())
    manifest |= {"version": "1.1.0", "source": {"kind": "mock"}}
    (older / "manifest.json").write_text(json.dumps(manifest))
    app = open_page(monkeypatch, own_release)
    assert app.selectbox(key="version").options == ["1.2.0", "1.1.0"]
    app = open_page(monkeypatch, own_release, release="1.1.0")
    assert "release 1.1.0" in written(app)
    assert "mock survey" in app.info[0].value
    app = open_page(monkeypatch, own_release, release="../../etc")
    assert "not published here" in app.warning[0].value
    assert "release 1.2.0" in written(app)


def test_sql_page_answers_the_statement_of_its_address(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT TARGETID, TARGET_RA, TARGET_DEC, Z, tier FROM quasars WHERE tier = 'gold'"
    app = open_page(monkeypatch, release, "sql", sql=sql)
    assert "4 rows in" in written(app)
    assert app.text_area(key="statement").value == sql
    assert any(str(row_id(0)) in frame.value.to_string() for frame in app.dataframe)
    assert any("release=1.2.0" in block.value for block in app.code)
    app = open_page(monkeypatch, release, "sql", sql="DROP VIEW quasars")
    assert [error.value for error in app.error] == ["only SELECT is allowed here; this is DROP"]
    app = open_page(monkeypatch, release, "sql", sql="SELECT '<b>x</b>' AS \"<i>y</i>\"")
    assert not app.error
