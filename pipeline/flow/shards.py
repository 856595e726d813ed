"""Runs a stage's work shard by shard, on this process or on Ray, and books every outcome."""

import os
import socket
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.column import Table
from catalog_schema.tables import SHARD_KEY
from catalog_schema.vocabulary import ShardState
from pipeline.errors import DataError, QadError, UserError
from pipeline.flow.workers import run_here, run_on_ray
from pipeline.lake.files import measure, remove, show
from pipeline.lake.layout import Lake, Shard
from pipeline.lake.store import Stamp, Store
from pipeline.ledger.books import Outcome
from pipeline.progress import track

# Torch and the stage's other libraries; and what a spectrum takes in the hungriest stage, where
# flux, inverse variance and mask of its arms, joined, and resampled are in memory at once.
_WORKER_BYTES = 600 * 2**20
_ROW_BYTES = 2**20


@dataclass(frozen=True)
class Task:
    """One shard's work: plain values, so that it can travel to another machine."""

    shard: Shard
    fingerprint: str
    n_expected: int
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Product:
    """What the work on one shard made: rows, why others are not among them, what was fetched.

    `requests` counts the requests that it took to a remote source, by how they ended.
    """

    data: pa.Table
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    requests: dict[str, int] = field(default_factory=dict)
    n_bytes: int = 0


@dataclass(frozen=True)
class Report:
    """Result of a stage.

    Attributes
    ----------
    dataset : str
    made, skipped : int
        Datasets written, and found done.
    failed : tuple of Outcome
        Shards without output, each with its reason.
    n_expected, n_made : int
        Rows given and rows in the datasets.
    dropped : dict
        Rows dropped by each gate.
    notes : tuple of str
        Warnings for the user.
    """

    dataset: str
    made: int = 0
    skipped: int = 0
    failed: tuple[Outcome, ...] = ()
    n_expected: int = 0
    n_made: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Work = Callable[[Task], Product]


def run_shards(
    store: Store, stage: str, table: Table, tasks: Sequence[Task], work: Work, workers: int
) -> Report:
    """Run `work` on every task whose dataset is not done, and write it to the ledger.

    Parameters
    ----------
    store : Store
    stage : str
    table : Table
        Schema of the dataset; its name is the dataset's.
    tasks : sequence of Task
    work : callable
        Module-level function or a partial of one.
    workers : int
        1 runs here; more run as Ray tasks, on the cluster at ``RAY_ADDRESS`` if that is set.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        If the data root cannot take the data; a shard's own fault is reported, not raised.
    """
    find = partial(_find_done, store, stage, table)
    finished = [outcome for outcome in store.map(find, tasks) if outcome]
    done = {outcome.shard for outcome in finished}
    waiting = [task for task in tasks if task.shard not in done]
    book = partial(_book_state, store, stage)
    store.ledger.keep_only(stage, [task.shard for task in tasks])
    store.ledger.record(finished)
    book(ShardState.PLANNED, waiting)
    run = partial(_run_task, store.lake, stage, table, work)
    start = partial(book, ShardState.RUNNING)
    if workers > 1 and waiting:
        outcomes = run_on_ray(run, waiting, start, workers, estimate_memory)
    else:
        outcomes = run_here(run, waiting, start)
    for outcome in track(outcomes, stage, len(waiting)):
        store.ledger.record([outcome])
        finished.append(outcome)
    return summarise(table.name, finished)


def summarise(dataset: str, outcomes: Iterable[Outcome]) -> Report:
    """Add the outcomes of a stage up, in the order of the shards."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.shard)
    dropped: dict[str, int] = {}
    for outcome in ordered:
        for gate, count in outcome.dropped.items():
            dropped[gate] = dropped.get(gate, 0) + count
    done = [outcome for outcome in ordered if outcome.state is ShardState.DONE]
    return Report(
        dataset,
        made=sum(not outcome.skipped for outcome in done),
        skipped=sum(outcome.skipped for outcome in done),
        failed=tuple(outcome for outcome in ordered if outcome.state is ShardState.FAILED),
        n_expected=sum(outcome.n_expected for outcome in ordered),
        n_made=sum(outcome.n_made for outcome in done),
        dropped=dropped,
        notes=tuple(f"{o.shard}: {note}" for o in done for note in o.notes),
    )


def find_finished(store: Store, dataset: str, planned: dict[Path, str]) -> Report | None:
    """Return the report of a stage that has made all its files before, None otherwise.

    Parameters
    ----------
    store : Store
    dataset : str
    planned : dict
        Fingerprint of each file; the last one is of the dataset.
    """
    done = [store.find_done(path, fingerprint) for path, fingerprint in planned.items()]
    if not all(done) or not done[-1]:
        return None
    return Report(dataset, skipped=1, n_expected=done[-1].n_expected, n_made=done[-1].n_made)


def finished_shards(store: Store, stage: str) -> list[Shard]:
    """List the shards that a stage has finished, in order."""
    return sorted(
        outcome.shard
        for outcome in store.ledger.outcomes(stage)
        if outcome.state is ShardState.DONE
    )


def split_by_shard(rows: pa.Table) -> dict[Shard, pa.Table]:
    """Cut a table into its shards, each in order of TARGETID, in one pass over the rows."""
    by_shard = [(name, "ascending") for name in SHARD_KEY]
    ordered = rows.sort_by([*by_shard, ("TARGETID", "ascending")])
    # Arrow's groups come in any order, also from sorted rows.
    counts = ordered.group_by(SHARD_KEY).aggregate([([], "count_all")])
    runs = counts.sort_by(by_shard).to_pylist()
    parts, first = {}, 0
    for run in runs:
        shard = Shard(run["SURVEY"], run["PROGRAM"], run["HEALPIX"])
        parts[shard] = ordered.slice(first, run["count_all"])
        first += run["count_all"]
    return parts


def read_contents(store: Store, stage: str, dataset: str) -> dict[Shard, str]:
    """Return the content digest of every shard that a stage has finished, in order.

    They are in the ledger; only what an older version booked is looked up in the dataset's files.
    """
    done = [o for o in store.ledger.outcomes(stage) if o.state is ShardState.DONE]
    contents = {outcome.shard: outcome.content for outcome in done}
    unknown = [shard for shard, content in contents.items() if not content]
    stamps = read_stamps(store, dataset, unknown)
    return {**contents, **{shard: stamp.content for shard, stamp in stamps.items()}}


def read_shards(
    store: Store, dataset: str, shards: Iterable[Shard], columns: list[str] | None = None
) -> dict[Shard, pa.Table]:
    """Read shards of a dataset, each in order of TARGETID."""

    def read(shard: Shard) -> tuple[Shard, pa.Table]:
        return shard, store.read(store.lake.shard(dataset, shard), columns)

    return dict(store.map(read, list(shards)))


def read_rows(store: Store, dataset: str, keys: pa.Table) -> pa.Table:
    """Read the rows of some spectra, given by key, from their shards only."""
    parts = []
    for shard, rows in split_by_shard(keys).items():
        data = store.read(store.lake.shard(dataset, shard))
        wanted = rows["TARGETID"].combine_chunks()
        parts.append(data.filter(pc.is_in(data["TARGETID"], wanted)))
    return pa.concat_tables(parts).combine_chunks()


def read_stamps(store: Store, dataset: str, shards: Iterable[Shard]) -> dict[Shard, Stamp]:
    """Return the stamps of a sharded dataset.

    Raises
    ------
    UserError
        If a shard that the ledger calls done has no file.
    """

    def read(shard: Shard) -> tuple[Shard, Stamp]:
        path = store.lake.shard(dataset, shard)
        stamp = store.read_stamp(path)
        if stamp is None:
            raise UserError(f"{show(path)}: missing; run the stages again")
        return shard, stamp

    return dict(store.map(read, list(shards)))


def estimate_memory(task: Task) -> int:
    """Return the bytes that a worker may take for a task: its libraries and the shard's rows."""
    return _WORKER_BYTES + _ROW_BYTES * task.n_expected


def _find_done(store: Store, stage: str, table: Table, task: Task) -> Outcome | None:
    done = store.find_done(store.lake.shard(table.name, task.shard), task.fingerprint)
    if not done:
        return None
    return Outcome(
        task.shard,
        stage,
        ShardState.DONE,
        task.n_expected,
        n_made=done.n_made,
        dropped=done.dropped,
        notes=done.notes,
        content=done.content,
        skipped=True,
    )


def _book_state(store: Store, stage: str, state: ShardState, tasks: Sequence[Task]) -> None:
    store.ledger.record(Outcome(task.shard, stage, state, task.n_expected) for task in tasks)


def _run_task(lake: Lake, stage: str, table: Table, work: Work, task: Task) -> Outcome:
    store = Store(lake.root, lake_url=lake.url)
    path = store.lake.shard(table.name, task.shard)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    booked = partial(Outcome, task.shard, stage, n_expected=task.n_expected, worker=worker)
    start = time.monotonic()
    try:
        product = work(task)
        _check_place(product.data, task.shard)
        stamp = store.write(
            path,
            product.data,
            table,
            fingerprint=task.fingerprint,
            n_expected=task.n_expected,
            n_made=product.data.num_rows,
            dropped=product.dropped,
            notes=product.notes,
        )
    except UserError:
        raise
    except Exception as error:
        remove(path)
        unforeseen = () if isinstance(error, QadError) else (traceback.format_exc(),)
        reason = str(error) if isinstance(error, QadError) else f"{type(error).__name__}: {error}"
        fetched = error if isinstance(error, DataError) else DataError()
        return booked(
            ShardState.FAILED,
            error=reason,
            notes=unforeseen,
            seconds=time.monotonic() - start,
            requests=fetched.requests,
            n_bytes=fetched.n_bytes,
        )
    return booked(
        ShardState.DONE,
        n_made=stamp.n_made,
        dropped=stamp.dropped,
        notes=stamp.notes,
        content=stamp.content,
        seconds=time.monotonic() - start,
        requests=product.requests,
        n_bytes=product.n_bytes or measure(path),
    )


def _check_place(data: pa.Table, shard: Shard) -> None:
    """Refuse rows of another shard: filed here they would be lost."""
    for name, value in zip(SHARD_KEY, (shard.survey, shard.program, shard.healpix), strict=True):
        strangers = [other for other in data[name].unique().to_pylist() if other != value]
        if strangers:
            raise DataError(f"{shard}: rows of {name} {strangers[0]} among them")
