"""A small mock survey and the command line that runs on it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import QAD, Run, run_arguments


@pytest.fixture(scope="session")
def qad() -> Run:
    """Call the command line and return its exit code and output."""

    def call(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [str(QAD), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    return call


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory, qad: Run) -> Path:
    """Tree of a mock survey; copy it before changing it."""
    tree = tmp_path_factory.mktemp("mock") / "survey"
    made = qad("mock", "--quasars", 90, "--pixels", 3, "--seed", 5, "--to", tree)
    assert made.returncode == 0, made.stderr
    return tree


@pytest.fixture(scope="session")
def finished(survey: Path, tmp_path_factory: pytest.TempPathFactory, qad: Run) -> Path:
    """Data root of an undisturbed run on the survey."""
    root = tmp_path_factory.mktemp("finished") / "root"
    done = qad(*run_arguments(survey, root))
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def copy(survey: Path, tmp_path: Path) -> Path:
    """Return a copy of the survey that a test may spoil."""
    return Path(shutil.copytree(survey, tmp_path / "survey"))
