"""The frame of every page: which release is shown, and what is told where none can be."""

import json
import shutil
from pathlib import Path

import pytest
from pages import APP, follow, open_page, written
from portal_release import row_id, seal
from streamlit.testing.v1 import AppTest


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
