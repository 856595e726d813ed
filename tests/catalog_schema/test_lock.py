"""The lock file: equal to the registry, and refused a change under the same version."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import catalog_schema
from catalog_schema.lock import LOCK_FILE, read_lock, render_schema
from catalog_schema.tables import SCHEMA_VERSION, TABLES


def test_lock_equals_the_registry() -> None:
    assert read_lock() == render_schema()
    assert read_lock()["version"] == SCHEMA_VERSION


def test_rendering_tells_every_column() -> None:
    tables = render_schema()["tables"]
    assert [*tables] == [table.name for table in TABLES]
    for table in TABLES:
        names = [column["name"] for column in tables[table.name]["columns"]]
        assert names == table.names


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, so that its lock file can be written."""
    source = Path(catalog_schema.__file__).parent
    return Path(shutil.copytree(source, tmp_path / "catalog_schema"))


def _write_lock(package: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "catalog_schema.lock"]
    return subprocess.run(
        command, cwd=package.parent, capture_output=True, text=True, check=False, timeout=60
    )


def test_unchanged_schema_is_written_again(package: Path) -> None:
    before = (package / LOCK_FILE).read_text()
    done = _write_lock(package)
    assert done.returncode == 0, done.stderr
    assert str(package) in done.stdout
    assert (package / LOCK_FILE).read_text() == before


def test_changed_schema_needs_a_new_version(package: Path) -> None:
    ledger = package / "columns/ledger.py"
    before = (package / LOCK_FILE).read_text()
    ledger.write_text(ledger.read_text().replace("Size in bytes.", "Bytes of the file."))
    refused = _write_lock(package)
    assert refused.returncode != 0
    assert "raise SCHEMA_VERSION" in refused.stderr
    assert (package / LOCK_FILE).read_text() == before

    tables = package / "tables.py"
    raised = tables.read_text().replace(f'"{SCHEMA_VERSION}"', '"99.0.0"')
    tables.write_text(raised)
    accepted = _write_lock(package)
    assert accepted.returncode == 0, accepted.stderr
    assert json.loads((package / LOCK_FILE).read_text())["version"] == "99.0.0"
