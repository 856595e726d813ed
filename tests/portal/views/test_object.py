"""The page of one object: facts, rank, spectrum, ways out."""

from pathlib import Path

import pytest
from pages import open_page, written
from portal_release import N_ROWS, row_id


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
