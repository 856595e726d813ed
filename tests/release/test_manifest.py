"""What a manifest says of code and day, and what is none."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_points import POINTS
from toy_run import register

from catalog_schema.kinds import SPECTRA
from pipeline.errors import UserError
from release.manifest import (
    MANIFEST,
    find_code,
    find_date,
    find_kind,
    read_json,
    read_kind,
    read_manifest,
    write_json,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values))
def test_json_comes_back(
    tmp_path_factory: pytest.TempPathFactory, written: dict[str, object]
) -> None:
    path = tmp_path_factory.mktemp("json") / "below" / "file.json"
    write_json(path, written)
    assert read_json(path) == written
    assert path.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"[]", b"null", b'{"version": "0.1.0"}', b"\xff\xfe"]
)
def test_what_is_no_manifest(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    assert read_manifest(tmp_path) is None


def test_a_manifest_has_a_fingerprint(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps({"fingerprint": "x"}))
    assert read_manifest(tmp_path) == {"fingerprint": "x"}


@pytest.mark.parametrize(
    ("epoch", "day"),
    [("0", "1970-01-01"), ("1767225599", "2025-12-31"), ("1767225600", "2026-01-01")],
)
def test_day_of_a_reproducible_build(monkeypatch: pytest.MonkeyPatch, epoch: str, day: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert find_date(None) == find_date("HEAD") == day


def test_day_follows_the_code_and_not_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert find_date(None) == find_date("")
    code = find_code()
    assert set(code) == {"version", "commit", "dirty"}
    if code["commit"]:
        assert find_date(code["commit"]) == find_date("HEAD")


def test_copy_in_a_foreign_checkout_has_no_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("release.manifest.__file__", str(tmp_path / "manifest.py"))
    assert (find_code()["commit"], find_code()["dirty"]) == (None, None)


def test_a_manifest_tells_its_kind_and_older_ones_are_of_spectra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch)
    assert find_kind({"kind": POINTS.name}) is POINTS
    assert find_kind({"kind": "spectra"}) is find_kind({}) is SPECTRA
    with pytest.raises(UserError, match="it holds 'sounds', of which"):
        find_kind({"kind": "sounds"})
    for kind in (SPECTRA, POINTS):
        write_json(tmp_path / MANIFEST, {"kind": kind.name})
        assert read_kind(tmp_path) is kind
