"""A small mock survey and the command line that runs on it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

QAD = Path(sys.executable).with_name("qad")
# Every part of the pipeline, only smaller.
SMALL = {
    "train.epochs": 3,
    "train.warmup_epochs": 1,
    "train.basis": 12,
    "train.latent": 6,
    "train.hidden": 32,
    "train.channels": 8,
    "score.min_support": 3,
    "score.trees": 20,
    "target.validation_fraction": 0.25,
    "reconstruct.reference_sample": 10,
}

Run = Callable[..., subprocess.CompletedProcess[str]]


def run_arguments(source: Path | str, root: Path, **settings: object) -> list[str]:
    """Return the arguments of `qad run` with the small settings."""
    chosen = SMALL | {name.replace("__", "."): value for name, value in settings.items()}
    sets = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
    return ["run", "--source", str(source), "--root", str(root), "--version", "0.1.0", *sets]


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


def sums(root: Path) -> str:
    """Return the checksums of every file of the release."""
    return (root / "releases" / "0.1.0" / "SHA256SUMS").read_text()
