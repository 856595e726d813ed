"""Processes that begin with the libraries imported: a server of `multiprocessing` forks them.

Half of a small run's time is importing. Each process still is one of its own, with its own
environment and output, and may be killed.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from pipeline.spectra.data_path import SPECTRA

_NOWHERE = Path(os.devnull)
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "__main__",
        *(stage.run.partition(":")[0] for stage in SPECTRA.stages),
        "pipeline.flow.apply",
        "pipeline.cli.main",
        "pipeline.flow.status",
        "release.cli",
        "release.build",
        "release.checks.validate",
        "release.places.publish",
        # What those import when they are called.
        "alembic.command",
        "astropy.coordinates",
        "duckdb",
        "hats",
        "huggingface_hub.hf_api",
        "matplotlib.figure",
        "mocpy",
        "networkx",
        "release.places.bucket",
        "release.places.hub",
        "rich.progress",
        "sklearn.ensemble",
        "torch._dynamo",
    ]
)


def start(
    function: Callable[..., Any],
    *arguments: object,
    env: Mapping[str, str] | None = None,
    stdout: Path = _NOWHERE,
    stderr: Path = _NOWHERE,
) -> ForkServerProcess:
    """Start a function of a module as the leader of a new session."""
    environment = dict(os.environ if env is None else env)
    words = (environment, stdout, stderr, function, *arguments)
    process = _SERVER.Process(target=_lead, args=words)
    process.start()
    return process


def start_qad(*words: object, **options: Any) -> ForkServerProcess:
    """Start the command line."""
    return start(_call_qad, *map(str, words), **options)


def run_qad(
    *words: object, env: Mapping[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Call the command line and return its exit code and output."""
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        process = start_qad(*words, env=env, stdout=stdout, stderr=stderr)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{words}: {stderr.read_text()}")
        return subprocess.CompletedProcess(
            [*map(str, words)], process.exitcode, stdout.read_text(), stderr.read_text()
        )


def _lead(
    environment: dict[str, str],
    stdout: Path,
    stderr: Path,
    function: Callable[..., Any],
    *arguments: object,
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    try:
        function(*arguments)
    finally:
        # The children of `multiprocessing` leave without.
        atexit._run_exitfuncs()


def _call_qad(*words: str) -> None:
    from pipeline.cli.main import main

    sys.argv = ["qad", *words]
    main()
