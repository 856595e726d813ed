"""What a run costs that has nothing to do, by the number of shards.

Run as ``python benchmarks/empty_lake.py``. Two data roots are written, each finished by the
pipeline's own store and ledger: a row in every shard of the tables that the planning of a stage
reads, none in those of spectra. Then all stages are run. Prints for each stage the seconds
and the statements that it sends to the ledger, for both sizes side by side.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine, event

from catalog_schema.column import Column, Table
from catalog_schema.tables import CANDIDATES, FILES, TARGETS, TIERS
from catalog_schema.vocabulary import Parent, ShardState, Tier
from catalog_schema.waist import SHARD_KEY
from pipeline.config import Config, load_config
from pipeline.flow.data_path import run_stages, start_run
from pipeline.flow.kinds import find_path
from pipeline.flow.report import Report
from pipeline.flow.root import Root
from pipeline.flow.runner import Piece, list_pieces, run_stage
from pipeline.lake.layout import MODEL_CARD, Shard
from pipeline.lake.model_files import write_card
from pipeline.lake.seals import close_seal, sealing
from pipeline.lake.store import columns_to_table
from pipeline.ledger.outcome import Outcome
from pipeline.run import Run
from pipeline.spectra.desi.tree import HealpixTree
from pipeline.stage import Stage
from pipeline.transport.sources import open_source

# What planning reads has a row of every shard; the other tables are empty.
_PLANNED_FROM = {table.name for table in (CANDIDATES, TARGETS, FILES, TIERS)}
# Of arrays whose length the data decide.
_SIZE = 8
_FIRST_TARGETID = 39_627_000_000_000_000


@dataclass(frozen=True)
class Cost:
    """What a stage took: seconds by the clock and of the processor, statements to the ledger."""

    wall: float
    processor: float
    statements: int


def main() -> None:
    """Measure both sizes and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, nargs=2, default=(1_200, 12_000))
    sizes = parser.parse_args().shards
    with tempfile.TemporaryDirectory() as folder:
        few, many = (measure(Path(folder, str(n)), n) for n in sizes)
    print(f"{sizes[0]} and {sizes[1]} shards")
    print(f"{'stage':12}{'wall, s':>18}{'ratio':>8}{'CPU, s':>18}{'ratio':>8}{'statements':>14}")
    for name in few:
        _print(name, few[name], many[name])
    _print("all", *(_add(costs) for costs in (few, many)))


def _add(costs: dict[str, Cost]) -> Cost:
    return Cost(
        sum(cost.wall for cost in costs.values()),
        sum(cost.processor for cost in costs.values()),
        sum(cost.statements for cost in costs.values()),
    )


def _print(name: str, few: Cost, many: Cost) -> None:
    pairs = ((few.wall, many.wall), (few.processor, many.processor))
    times = "".join(f"{a:9.2f}{b:9.2f}{b / a:8.1f}" for a, b in pairs)
    print(f"{name:12}{times}{few.statements:7}{many.statements:7}")


def measure(folder: Path, n_shards: int) -> dict[str, Cost]:
    """Write a finished data root and run every stage on it, which must make nothing."""
    source = folder / "tree"
    config = load_config(None, source=str(source))
    shards = [Shard("main", "dark", number) for number in range(n_shards)]
    root, costs = Root(folder / "root"), {}
    with root.lock():
        _write_tree(config, source, shards)
        _finish(root, config, shards)
        with counting() as counter:
            wall, processor = perf_counter(), process_time()

            def tell(stage: str, report: Report) -> None:
                nonlocal wall, processor
                assert not report.made, (stage, report)
                took = perf_counter() - wall, process_time() - processor
                costs[stage] = Cost(*took, counter.take())
                wall, processor = perf_counter(), process_time()

            run_stages(root, config, tell)
    return costs


class Counter:
    """Statements since they were last taken."""

    def __init__(self) -> None:
        self._n = 0

    def add(self, *_: Any) -> None:
        """Count one; many rows at once are one statement."""
        self._n += 1

    def take(self) -> int:
        """Return the count and begin anew."""
        n, self._n = self._n, 0
        return n


@contextmanager
def counting() -> Iterator[Counter]:
    """Count the statements of every engine while the block runs."""
    counter = Counter()
    event.listen(Engine, "before_cursor_execute", counter.add)
    try:
        yield counter
    finally:
        event.remove(Engine, "before_cursor_execute", counter.add)


def _write_tree(config: Config, source: Path, shards: list[Shard]) -> None:
    """Lay empty files where a tree has a shard's coadds, redshifts and what afterburners say."""
    (source / "spectro/redux/iron/healpix").mkdir(parents=True)
    tree = HealpixTree(open_source(str(source), config.acquire))
    names = [tree.redshift_catalogue.path]
    for kind in ("coadd", "redrock", "qso_mgii", "qso_qn"):
        names += [tree.file(kind, shard).path for shard in shards]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()


def _finish(root: Root, config: Config, shards: list[Shard]) -> None:
    """Write what every stage would have made, under the fingerprint that it asks for."""
    with root.ledger.closing():
        for stage in find_path(config).stages:
            run = start_run(root, config)
            write = Writer(run, shards)
            for piece in list_pieces(run, stage):
                write(stage, piece)
            if stage.books_shards:
                run.ledger.record(Outcome(s, stage.name, ShardState.DONE, 1, 1) for s in shards)
            # Finds all of it done and books it.
            run_stage(start_run(root, config), stage)


class Writer:
    """Writes the files of a stage: the first empty one by the store, the others as its copies."""

    def __init__(self, run: Run, shards: list[Shard]) -> None:
        self._run = run
        self._shards = shards
        self._patterns: dict[str, tuple[bytes, str]] = {}

    def __call__(self, stage: Stage, piece: Piece) -> None:
        """Write every file of a piece."""
        is_shard = isinstance(piece.task.place, Shard)
        shards = [piece.task.place] if is_shard else self._shards
        for path, dataset in zip(piece.paths, stage.makes, strict=True):
            if path.name == MODEL_CARD:
                self._run.model.mkdir(parents=True)
                write_card(self._run.model, {"id": self._run.model_id})
            elif is_shard and dataset.name in self._patterns:
                self._copy(dataset.name, path, piece.fingerprint)
            else:
                is_empty = dataset.name not in _PLANNED_FROM
                self._write(dataset.name, path, piece.fingerprint, [] if is_empty else shards)
                if is_empty and is_shard:
                    self._patterns[dataset.name] = (_open(path), piece.fingerprint)

    def _write(self, name: str, path: Path, fingerprint: str, shards: list[Shard]) -> None:
        table = self._run.kind[name]
        rows = _make_rows(table, shards)
        made = {"n_expected": len(shards), "n_made": len(shards)}
        self._run.store.write(path, rows, table, fingerprint=fingerprint, **made)

    def _copy(self, name: str, path: Path, fingerprint: str) -> None:
        data, known = self._patterns[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.replace(known.encode(), fingerprint.encode()))
        close_seal(path)


def _open(path: Path) -> bytes:
    """Return a file of the lake with its seal broken."""
    key, blank = list(sealing({}).items())[-1]
    return path.read_bytes().replace(pq.read_metadata(path).metadata[key], blank)


def _make_rows(table: Table, shards: list[Shard]) -> pa.Table:
    known = {
        **dict(zip(SHARD_KEY, zip(*shards, strict=True) if shards else ((),) * 3, strict=True)),
        "TARGETID": [_FIRST_TARGETID + shard.healpix for shard in shards],
        "parent": [Parent.CORE.value] * len(shards),
        "tier": [Tier.NONE.value] * len(shards),
    }
    n = len(shards)
    values = {c.name: known[c.name] if c.name in known else _blank(c, n) for c in table.columns}
    sizes = {c.array: _SIZE for c in table.columns if c.array and not c.size}
    return columns_to_table(table, values, **sizes)


def _blank(column: Column, n: int) -> Any:
    if column.array is not None:
        return np.zeros((n, column.size or _SIZE))
    if column.vocabulary:
        return [column.vocabulary[0]] * n
    return (
        [""] * n if pa.types.is_string(column.type) else np.zeros(n, column.type.to_pandas_dtype())
    )


if __name__ == "__main__":
    main()
