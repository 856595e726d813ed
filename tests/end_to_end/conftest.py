"""A small mock survey and the command line that runs on it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import QAD, THREADS, Run, run_arguments
from forked import run_qad
from once import make_once


@pytest.fixture(scope="session")
def qad() -> Run:
    """Call the command line and return its exit code and output."""
    return run_qad


@pytest.fixture(scope="session")
def survey(shared: Path) -> Path:
    """Tree of a mock survey; copy it before changing it."""
    words = ["mock", "--quasars", "90", "--pixels", "3", "--seed", "5", "--to"]
    return make_once(shared / "end-to-end-survey", lambda tree: _call([*words, str(tree)]))


@pytest.fixture(scope="session")
def finished(survey: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data root of an undisturbed run on the survey."""
    place = shared / "end-to-end-root"
    made = make_once(place, lambda root: _call(run_arguments(survey, root)))
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("finished") / "root"))


def _call(words: list[str]) -> None:
    """Call the command line as it is installed, with as many threads as libraries would take."""
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    subprocess.run([str(QAD), *words], check=True, env=environment)


@pytest.fixture
def copy(survey: Path, tmp_path: Path) -> Path:
    """Return a copy of the survey that a test may spoil."""
    return Path(shutil.copytree(survey, tmp_path / "survey"))
