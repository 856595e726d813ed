"""What it costs to compare the lake's rows with what was written, and what flipped bits do.

Run as ``python benchmarks/verify_lake.py ROOT`` on a finished data root, which is copied. Prints
the time to write and to read each dataset with checksums and without, the share of that in the
stages which read it, and what became of flips of single bits, with the checksums and with pyarrow's
own reader.
"""

import argparse
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import seals
from pipeline.errors import QadError
from pipeline.lake_files import opening
from pipeline.ledger import Ledger
from pipeline.models import load_model
from pipeline.seals import read_sealed, write_sealed
from pipeline.store import Store, digest_rows, parquet_options

# Stages that read a sharded dataset, and what they read.
_READERS = {
    "preprocess": ("coadds",),
    "score": ("restframe",),
    "measure": ("restframe", "scores"),
    "reconstruct": ("restframe", "scores"),
}


def time_best(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of some calls."""
    times = []
    for _ in range(repeats):
        begin = perf_counter()
        work()
        times.append(perf_counter() - begin)
    return min(times)


def read_all(paths: list[Path]) -> None:
    """Read whole datasets, checked."""
    for path in paths:
        with opening(path) as file:
            read_sealed(file)


def without_checks(work: Callable[[], object]) -> Callable[[], object]:
    """Return the same work with the checksums of the values left out."""

    def run() -> None:
        nothing: dict[str, str] = {}
        with patch.object(seals, "check_columns", lambda parts, names: list(parts) and nothing):
            work()

    return run


def measure_cost(store: Store, repeats: int) -> None:
    """Print the time with checksums and without, and what it is of the stages' time."""
    outcomes = Ledger(store.lake.ledger).outcomes()
    extra = {}
    print(
        f"{'dataset':16}{'MB':>8}{'read, s':>9}{'unchecked':>11}{'write, s':>10}{'unchecked':>11}"
    )
    for folder in sorted(store.lake.datasets.iterdir()):
        paths = sorted(folder.rglob("*.parquet"))
        if not paths or sum(path.stat().st_size for path in paths) < 1e6:
            continue
        read = [
            time_best(work, repeats)
            for work in (lambda p=paths: read_all(p), without_checks(lambda p=paths: read_all(p)))
        ]
        tables = [store.read(path) for path in paths]

        def write(tables: list[pa.Table] = tables) -> None:
            for table in tables:
                write_sealed(
                    table, store.root / "scratch", {}, **parquet_options(table.schema, "lz4")
                )

        written = [time_best(work, repeats) for work in (write, without_checks(write))]
        extra[folder.name] = read[0] - read[1]
        size = sum(table.nbytes for table in tables) / 1e6
        print(f"{folder.name:16}{size:8.1f}{read[0]:9.3f}{read[1]:11.3f}"
              f"{written[0]:10.3f}{written[1]:11.3f}")  # fmt: skip
    print()
    for stage, names in _READERS.items():
        seconds = sum(outcome.seconds or 0 for outcome in outcomes if outcome.stage == stage)
        spent = sum(extra.get(name, 0.0) for name in names)
        if seconds:
            print(f"{stage:16}{seconds:8.1f} s, checksums {spent:.3f} s = {spent / seconds:.1%}")


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
        store = Store(root)
        measure_cost(store, options.repeats)
        tables = sorted([*root.glob("lake/**/*.parquet"), *root.glob("models/*/*.parquet")])
        weights = sorted([*root.glob("models/*/*.safetensors"), *root.glob("models/*/model.json")])
        print()
        print(f"datasets        {dict(flip(store, tables, read_rows, options.flips))}")
        print(f"  by pyarrow    {dict(flip(store, tables, read_plainly, options.flips))}")
        print(f"models          {dict(flip(store, weights, load_weights, options.flips))}")


if __name__ == "__main__":
    main()
