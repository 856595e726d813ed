"""Measures alternatives in turns, in CPU time, so that other work on the machine hits all alike."""

import gc
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

PEERS_VARIABLE = "QAD_BENCH_PYTHON"


def time_in_turns(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return each work's least CPU seconds; a first turn, for compilers and caches, is dropped.

    The least, as in `timeit`: what others on the machine add through the shared cache is positive.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    # Collected beforehand: in between it would empty the processor's cache.
    gc.collect()
    gc.disable()
    for turn in range(repeats + 1):
        for name, work in works.items():
            begin = time.process_time()
            work()
            if turn:
                seconds[name].append(time.process_time() - begin)
    gc.enable()
    return {name: min(values) for name, values in seconds.items()}


def time_peers(kind: str, repeats: int, **given: object) -> dict[str, float]:
    """Return the CPU seconds of others' tools (`peers.py`); say so where there is none."""
    python = os.environ.get(PEERS_VARIABLE)
    if not python:
        print(
            f"skipped: desispec, fitsio, specutils, spectres, spender; set {PEERS_VARIABLE} to "
            "the python of an environment that has them"
        )
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.npz"
        np.savez(path, **given)  # type: ignore[arg-type]
        script = Path(__file__).with_name("peers.py")
        command = [python, str(script), kind, str(path), str(repeats)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    absent = {"read": 4, "resample": 4, "chain": 1, "network": 2}[kind] - len(found)
    if absent:
        print(f"skipped: {absent} of the peers, which {python} cannot import")
    return found


def read_peak() -> float:
    """Return this process's peak resident memory in MB (Linux).

    `resource.getrusage` would give at least that of the parent, from which it was forked.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    n_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return n_kib * 1024 / 1e6
