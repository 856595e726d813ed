"""The frame of every page: which release is shown, and that nothing of it is executed or fatal."""

import json
import shutil
from pathlib import Path

import pytest
from hostile import CASES, HOST, SECRET, Case, secret_of
from pages import APP, follow, open_page, written
from portal_release import VERSION, row_id, seal
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from portal.data.cache import CACHE_VARIABLE
from portal.service.api import ROUTES

# Elements whose texts Streamlit writes as they are.
_PLAIN = {
    "text",
    "code",
    "dataframe",
    "arrow_data_frame",
    "selectbox",
    "multiselect",
    "text_area",
    "text_input",
    "json",
}


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
    seal(own_release)
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


@pytest.fixture
def hostile(
    request: pytest.FixtureRequest, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Case, Path]:
    """A case and its release, the portal's chosen one, without an index to build."""
    case: Case = request.param
    root = tmp_path / "releases" / VERSION
    shutil.copytree(release, root)
    secret_of(root).write_text(SECRET)
    case.change(root)
    monkeypatch.setenv("QAD_RELEASE", str(root))
    monkeypatch.setenv(CACHE_VARIABLE, "/dev/null")
    monkeypatch.delenv("QAD_LEDGER_URL", raising=False)
    return case, root


@pytest.mark.parametrize("hostile", CASES, ids=[case.name for case in CASES], indirect=True)
def test_nothing_of_a_release_is_executed_or_fatal(hostile: tuple[Case, Path]) -> None:
    case, root = hostile
    before = sorted(root.parents[1].rglob("*"))
    client = TestClient(Starlette(routes=ROUTES))
    health = client.get("/healthz")
    assert (health.status_code == 503) >= case.is_refused
    answers = [health, client.get(f"/api/object/{row_id(0)}")]
    if case.sql:
        answers.append(client.get("/api/query", params={"sql": case.sql}))
    for answer in answers:
        assert answer.status_code in (200, 400, 404, 503)
        assert SECRET not in answer.text
        assert "\n" not in answer.json().get("error", "") if answer.status_code != 200 else True
    for page in case.pages:
        app = AppTest.from_file(str(APP), default_timeout=60)
        if page != "explore":
            app.switch_page(f"views/{page}.py")
        app.query_params["targetid"] = str(row_id(0))
        app.run()
        assert not app.exception
        assert not case.is_refused or len(app.error) == 1
        assert not [error.value for error in app.error if "\n" in error.value]
        for element in app._tree:
            # The rows of a chart are drawn, not written.
            told = str(getattr(proto := getattr(element, "proto", ""), "spec", proto))
            assert SECRET not in told
            assert element.type in _PLAIN or f"http://{HOST}" not in told, element.type
    assert sorted(root.parents[1].rglob("*")) == before


def test_there_are_as_many_as_promised() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 50
