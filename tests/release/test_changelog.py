"""The changelog: what changed since the release before, and all that was said earlier."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from catalog_schema.kinds import SPECTRA
from pipeline.errors import UserError
from release.changelog import CHANGELOG, write_changelog
from release.manifest import MANIFEST, read_json


def derive(released: Path, version: str, n_lost: int = 0) -> dict[str, Any]:
    """Make the next release of a neighbour and return its manifest."""
    path = released.with_name(version)
    shutil.copytree(released, path)
    for name in (MANIFEST, SPECTRA.main_file, CHANGELOG):
        (path / name).chmod(0o644)
    manifest: dict[str, Any] = read_json(path / MANIFEST) | {"version": version}
    (path / MANIFEST).write_text(json.dumps(manifest))
    rows = pq.read_table(path / SPECTRA.main_file)
    pq.write_table(rows.slice(n_lost), path / SPECTRA.main_file)
    return manifest


def write(released: Path, version: str, n_lost: int = 0) -> str:
    manifest = derive(released, version, n_lost)
    path = released.with_name(version)
    write_changelog(path, path, manifest)
    return (path / CHANGELOG).read_text()


def test_history_is_kept(released: Path) -> None:
    first = (released / CHANGELOG).read_text()
    assert first.endswith("## 0.1.0\n\nThe first release of this data root.\n")
    second = write(released, "0.1.1")
    assert "## 0.1.1\n\nSince 0.1.0: text or metadata changed (patch change)." in second
    third = write(released.with_name("0.1.1"), "0.2.0", n_lost=3)
    assert "## 0.2.0\n\nSince 0.1.1: 3 objects removed (major change)." in third
    headings = [line for line in third.splitlines() if line.startswith("## ")]
    assert headings == ["## 0.2.0", "## 0.1.1", "## 0.1.0"]
    for earlier in (first, second):
        assert third.endswith(earlier[earlier.index("\n## ") :])
    assert third.count("Versions follow semantic versioning") == 1


def test_the_release_before_is_the_next_lower_one(released: Path) -> None:
    write(released, "0.3.0")
    text = write(released, "0.2.0")
    assert "Since 0.1.0: " in text
    assert "0.3.0" not in text


def test_version_that_is_too_low_is_refused_and_writes_nothing(released: Path) -> None:
    manifest = derive(released, "0.1.1", n_lost=1)
    path = released.with_name("0.1.1")
    (path / CHANGELOG).unlink()
    with pytest.raises(UserError, match=r"1 objects removed since 0\.1\.0.*give --version 0\.2\.0"):
        write_changelog(path, path, manifest)
    assert not (path / CHANGELOG).exists()


def test_a_release_without_changelog_begins_one(released: Path) -> None:
    (released / CHANGELOG).unlink()
    text = write_without(released)
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## 0.1.1"]


def write_without(released: Path) -> str:
    (released / CHANGELOG).write_text("nothing said\n")
    manifest = derive(released, "0.1.1")
    (released / CHANGELOG).unlink()
    path = released.with_name("0.1.1")
    write_changelog(path, path, manifest)
    return (path / CHANGELOG).read_text()
