"""What it costs to compare the lake's rows with what was written, and what flipped bits do.

Run as ``python benchmarks/verify_lake.py ROOT`` on a finished data root, which is copied. Prints
the processor's seconds of stages with checksums and without, and what became of flips of single
bits, with the checksums and with pyarrow's own reader.
"""

import argparse
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from time import process_time
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import QadError
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root, read_saved_config
from pipeline.flow.runner import run_stage
from pipeline.lake import seals
from pipeline.lake.store import Store, digest_rows
from pipeline.spectra.data_path import MEASURE, PREPROCESS, RECONSTRUCT, SCORE
from pipeline.spectra.model.models import load_model
from pipeline.stage import Stage

# Stages that take their input from the lake alone.
_STAGES = (PREPROCESS, SCORE, MEASURE, RECONSTRUCT)


def take_seconds(work: Callable[[], object]) -> float:
    """Return the processor's seconds of a call, which other programs do not change."""
    begin = process_time()
    work()
    return process_time() - begin


def without_checks(work: Callable[[], object]) -> None:
    """Do the same work with the checksums of the values left out."""

    def check_nothing(parts: Iterable[object], names: list[str]) -> dict[str, str]:
        for _ in parts:
            pass
        return {}

    with patch.object(seals, "check_columns", check_nothing):
        work()


def measure_cost(store: Root, repeats: int) -> None:
    """Print each stage's seconds with checksums, of reading and writing, and without."""
    config = read_saved_config(store)
    print(f"{'stage that makes':18}{'checked, s':>12}{'unchecked, s':>14}{'share':>8}")
    for stage in _STAGES:
        dataset = stage.dataset.name

        def run(stage: Stage = stage) -> None:
            shutil.rmtree(store.lake.dataset(stage.dataset.name))
            run_stage(start_run(store, config), stage)

        run()
        pairs = [
            (take_seconds(run), take_seconds(partial(without_checks, run))) for _ in range(repeats)
        ]
        run()
        checked, unchecked = (min(times) for times in zip(*pairs, strict=True))
        share = (checked - unchecked) / unchecked
        print(f"{dataset:18}{checked:12.2f}{unchecked:14.2f}{share:8.1%}")


def read_rows(store: Store, path: Path) -> str:
    """Return the digest of what the lake's reader returns."""
    store.verify(path)
    return digest_rows(store.read(path))


def read_plainly(store: Store, path: Path) -> str:
    """Return the digest of what pyarrow returns."""
    return digest_rows(pq.ParquetFile(path).read())


def load_weights(store: Store, path: Path) -> str:
    """Return the loaded values of a model as text."""
    model = load_model(path.parent)
    parts = [v for m in model.members for v in m.network.state_dict().values()]
    return str([part.sum().item() for part in (*parts, model.excess)])


def flip(
    store: Store, paths: list[Path], read: Callable[[Store, Path], str], n: int
) -> Counter[str]:
    """Flip one bit at a time, half of them in the last 4000 bytes, and say what became of it."""
    draw, ends = random.Random(1), Counter[str]()
    for number in range(n):
        path = draw.choice(paths)
        good = path.read_bytes()
        wanted = read(store, path)
        first = len(good) - min(len(good), 4000) if number % 2 else 0
        bit = draw.randrange(8 * first, 8 * len(good))
        broken = bytearray(good)
        broken[bit // 8] ^= 1 << bit % 8
        path.write_bytes(broken)
        try:
            ends["same" if read(store, path) == wanted else "OTHER, unnoticed"] += 1
        except (QadError, pa.ArrowException, OSError, ValueError):
            ends["told"] += 1
        path.write_bytes(good)
    return ends


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--flips", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        skipped = shutil.ignore_patterns("mock", "releases", "cache", ".lock")
        shutil.copytree(options.root, root, ignore=skipped)
        store = Root(root)
        measure_cost(store, options.repeats)
        tables = sorted([*root.glob("lake/**/*.parquet"), *root.glob("models/*/*.parquet")])
        weights = sorted([*root.glob("models/*/*.safetensors"), *root.glob("models/*/model.json")])
        print()
        print(f"datasets        {dict(flip(store, tables, read_rows, options.flips))}")
        print(f"  by pyarrow    {dict(flip(store, tables, read_plainly, options.flips))}")
        print(f"models          {dict(flip(store, weights, load_weights, options.flips))}")


if __name__ == "__main__":
    main()
