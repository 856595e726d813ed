"""A small mock survey and the command line that runs on it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import QAD, Run, run_arguments
from filelock import FileLock


@pytest.fixture(scope="session")
def qad() -> Run:
    """Call the command line and return its exit code and output."""

    def call(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [str(QAD), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    return call


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder that all workers of this run of the tests share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def survey(shared: Path, qad: Run) -> Path:
    """Tree of a mock survey; copy it before changing it."""
    words = ("mock", "--quasars", 90, "--pixels", 3, "--seed", 5, "--to")
    return _make_once(shared / "end-to-end-survey", lambda tree: qad(*words, tree))


@pytest.fixture(scope="session")
def finished(
    survey: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory, qad: Run
) -> Path:
    """Data root of an undisturbed run on the survey."""
    made = _make_once(shared / "end-to-end-root", lambda root: qad(*run_arguments(survey, root)))
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("finished") / "root"))


def _make_once(folder: Path, make: Callable[[Path], subprocess.CompletedProcess[str]]) -> Path:
    """Make a folder by the command line, unless another worker has."""
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            done = make(folder)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def copy(survey: Path, tmp_path: Path) -> Path:
    """Return a copy of the survey that a test may spoil."""
    return Path(shutil.copytree(survey, tmp_path / "survey"))
