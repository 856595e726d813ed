"""The folder of what is kept from one start to the next is ours alone."""

import os
from pathlib import Path

import pytest

from portal.data.cache import CACHE_VARIABLE, make_folder


def test_the_folder_is_made_for_us_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "a/b"))
    folder = make_folder()
    assert folder == tmp_path / "a/b"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make_folder() == folder


def test_by_default_it_bears_the_users_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    assert make_folder().name.endswith(f"-{os.getuid()}")


def test_anothers_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: os.stat(tmp_path).st_uid + 1)
    with pytest.raises(PermissionError, match="somebody else"):
        make_folder()


def test_a_file_in_its_place_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "x"))
    with pytest.raises(OSError, match="x"):
        make_folder()
