"""The command group `qad release`."""

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from pipeline.errors import UserError
from pipeline.lake.store import Store
from release.cli import release


def test_build_and_validate(store: Store) -> None:
    run = CliRunner()
    arguments = ["build", "--root", str(store.root), "--version", "0.1.0", "--source", "mock"]
    made = run.invoke(release, arguments)
    assert made.exit_code == 0
    assert made.output.startswith("release 0.1.0: done, ")
    assert "57 quasars: 4 gold, 0 silver, 0 bronze, 53 none\n  named: 2 gold, " in made.output
    assert "already done" in run.invoke(release, arguments).output
    path = store.root / "releases" / "0.1.0"
    checked = run.invoke(release, ["validate", str(path)])
    assert checked.exit_code == 0
    assert checked.output.endswith("checks, 0 failed\n")
    (path / "LICENSE").unlink()
    checked = run.invoke(release, ["validate", str(path)])
    assert checked.exit_code == 1
    assert "FAIL  checksums" in checked.output


def test_user_errors_are_one_line(tmp_path: Path, store: Store) -> None:
    run = CliRunner()
    wrong = (
        ["validate", str(tmp_path)],
        ["build", "--root", str(tmp_path / "empty"), "--version", "0.1.0"],
        ["build", "--root", str(store.root), "--version", "one"],
        ["build", "--root", str(store.root), "--version", "0.1.0", "--set", "release.x=1"],
    )
    for arguments in wrong:
        result = run.invoke(release, arguments)
        assert isinstance(result.exception, UserError)
        assert "\n" not in str(result.exception)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, release.cli\n"
        "heavy = {'duckdb', 'pyarrow', 'astropy', 'sqlalchemy', 'jinja2', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_release_never_imports_the_pipelines_engines() -> None:
    script = (
        "import sys, release.build, release.checks.validate\n"
        "heavy = {'torch', 'ray', 'astroquery', 'streamlit'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
