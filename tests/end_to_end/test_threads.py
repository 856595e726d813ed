"""Cores and threads, whatever the environment gives the libraries, decide no byte of a release."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import QAD, THREADS, run_arguments, sums

from pipeline.spectra.data_path import SPECTRA

pytestmark = pytest.mark.slow

# Starts a command on some of the cores.
_PINNED = (
    "import os, sys; cores = sorted(os.sched_getaffinity(0))[: int(sys.argv[1])]\n"
    "os.sched_setaffinity(0, cores); os.execv(sys.argv[2], sys.argv[2:])"
)


def test_release_is_the_same_on_any_number_of_threads_and_cores(
    survey: Path, finished: Path, tmp_path: Path
) -> None:
    """The run that `finished` is of had the machine's own numbers."""
    made = [stage.dataset.name for stage in SPECTRA.stages]
    fitted = made[made.index("models") + 1 :]
    for threads, cores in ((1, 1), (4, 64)):
        root = Path(shutil.copytree(finished, tmp_path / str(threads)))
        for folder in ("models", "releases", *(f"lake/{name}" for name in fitted)):
            shutil.rmtree(root / folder, ignore_errors=True)
        words = [str(QAD), *run_arguments(survey, root)]
        # Not forked: libraries read the variables when they are loaded.
        done = subprocess.run(
            [sys.executable, "-c", _PINNED, str(cores), *words],
            env=os.environ | dict.fromkeys(THREADS, str(threads)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 made" in next(row for row in done.stdout.splitlines() if row.startswith("train"))
        assert sums(root) == sums(finished)
