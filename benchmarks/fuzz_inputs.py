"""Counts what damaged inputs make of the readers: values, one line, a traceback, or no end.

Usage: python benchmarks/fuzz_inputs.py [--inputs 5000] [--seed 1] [--kinds WORD]

Every input is read in a process of its own, with 20 s and 1 GiB of memory more than an idle one
has. Prints a line for each kind: how many inputs gave values, an error in one line, a traceback,
took too long or too much memory, or killed the process; the longest time and the largest memory of
one input. Exits with 1 if any did what it must not, and says which.
"""

import argparse
import gzip
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "pipeline"))

from fits_kinds import KINDS as FITS_KINDS
from mutations import mutate
from table_kinds import KINDS as TABLE_KINDS
from table_mutations import garble

from pipeline.errors import QadError

TIME_LIMIT = 20
MEMORY_LIMIT = 2**30
ENDS = ("values", "one line", "traceback", "slow", "memory", "killed")
GOOD = ENDS[:2]


class Target(NamedTuple):
    """A kind of input: writes a whole one into a folder, damages it, and reads it."""

    write: Callable[[Path], Path]
    read: Callable[[Path], object]
    damage: Callable[[bytes, np.random.Generator], bytes]


class Outcome(NamedTuple):
    """How one input ended, what was told of a traceback, seconds, bytes of memory."""

    end: str
    told: str
    seconds: float
    memory: int


def damage_packed(raw: bytes, rng: np.random.Generator) -> bytes:
    """Damage a gzipped file, or what is in it."""
    if rng.random() < 0.5:
        return mutate(raw, rng)
    return gzip.compress(mutate(gzip.decompress(raw), rng), 1)


TARGETS = {
    name: Target(kind.write, kind.read, damage_packed if kind.is_packed else mutate)
    for name, kind in FITS_KINDS.items()
} | {name: Target(kind.write, kind.read, garble) for name, kind in TABLE_KINDS.items()}


def make_inputs(
    target: Target, folder: Path, n_inputs: int, seed: int
) -> Iterator[tuple[Path, int]]:
    """Put one damaged input after another in its place; yield it and its number."""
    path = target.write(folder)
    whole = path.read_bytes()
    # What is compiled or imported at first use is there before any process begins.
    target.read(path)
    for number in range(n_inputs):
        path.write_bytes(target.damage(whole, np.random.default_rng([seed, number])))
        yield path, number


def read_apart(read: Callable[[Path], object], path: Path) -> Outcome:
    """Read an input in a child process within limits."""
    begin = time.monotonic()
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        _run_child(read, path, sender)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        told = pipe.read().decode(errors="replace")
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - begin
    end = ENDS[os.WEXITSTATUS(status)] if os.WIFEXITED(status) else "killed"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        end = "slow"
    return Outcome(end, told, seconds, usage.ru_maxrss * 1024)


def _run_child(read: Callable[[Path], object], path: Path, sender: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_LIMIT,) * 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(TIME_LIMIT)
    warnings.simplefilter("ignore")
    end = "values"
    try:
        read(path)
    except QadError as error:
        end = "one line" if "\n" not in str(error) else "traceback"
    except MemoryError:
        end = "memory"
    except BaseException:
        end = "traceback"
        os.write(sender, traceback.format_exc()[-4000:].encode())
    os._exit(ENDS.index(end))


def report(name: str, outcomes: list[Outcome]) -> None:
    """Print the line of a kind."""
    counts = Counter(outcome.end for outcome in outcomes)
    slowest = max(outcome.seconds for outcome in outcomes)
    largest = max(outcome.memory for outcome in outcomes)
    numbers = "".join(f"{counts[end]:11}" for end in ENDS)
    print(f"{name:20}{len(outcomes):8}{numbers}{slowest:9.2f}{largest / 2**20:8.0f}", flush=True)


def main() -> None:
    """Damage and read, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=5000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default="", help="only kinds whose name contains this")
    options = parser.parse_args()
    targets = {name: target for name, target in TARGETS.items() if options.kinds in name}
    n_each = -(-options.inputs // len(targets))
    heads = "".join(f"{end:>11}" for end in ENDS)
    print(f"{'kind':20}{'inputs':>8}{heads}{'s at most':>9}{'MiB':>8}")
    faults: list[str] = []
    for name, target in targets.items():
        outcomes = []
        with tempfile.TemporaryDirectory() as folder:
            for path, number in make_inputs(target, Path(folder), n_each, options.seed):
                outcome = read_apart(target.read, path)
                outcomes.append(outcome)
                if outcome.end not in GOOD:
                    faults.append(f"{name}, input {number}: {outcome.end}\n{outcome.told}")
        report(name, outcomes)
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
