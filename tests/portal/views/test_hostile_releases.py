"""A release from elsewhere is data: nothing of it is executed, shown as markup or fatal."""

import shutil
from pathlib import Path

import pytest
from hostile import CASES, HOST, SECRET, Case, secret_of
from pages import APP
from portal_release import VERSION, row_id
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
