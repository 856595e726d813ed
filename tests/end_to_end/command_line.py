"""How the end-to-end tests call the command line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
QAD = Path(sys.executable).with_name("qad")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Every part of the pipeline, only smaller.
SMALL = {
    "train.epochs": 3,
    "train.warmup_epochs": 1,
    "train.basis": 12,
    "train.latent": 6,
    "train.hidden": 32,
    "train.channels": 8,
    "train.folds": 2,
    "train.seeds": 1,
    "inject.hosts": 2,
    "inject.strengths": [20.0],
    "classify.hosts": 4,
    "classify.rivals": 2,
    "classify.map_anchors": 50,
    "classify.bootstraps": 2,
    "train.min_support": 3,
    "score.trees": 20,
    "target.validation_fraction": 0.25,
    "reconstruct.reference_sample": 10,
}


def run_arguments(source: Path | str, root: Path, **settings: object) -> list[str]:
    """Return the arguments of `qad run` with the small settings."""
    chosen = SMALL | {name.replace("__", "."): value for name, value in settings.items()}
    sets = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
    return ["run", "--source", str(source), "--root", str(root), "--version", "0.1.0", *sets]


def sums(root: Path) -> str:
    """Return the checksums of every file of the release."""
    return (root / "releases" / "0.1.0" / "SHA256SUMS").read_text()
