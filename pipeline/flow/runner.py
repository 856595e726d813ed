"""Runs a stage: does what is not done, here or on Ray, and books every outcome."""

import os
import socket
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from catalog_schema.column import Table
from catalog_schema.vocabulary import ShardState
from catalog_schema.waist import SHARD_KEY
from pipeline.errors import DataError, QadError, UserError
from pipeline.flow.report import Report, summarise
from pipeline.lake.files import exists, list_sizes, measure, remove
from pipeline.lake.layout import MODEL_CARD, Lake, Shard
from pipeline.lake.store import Stamp, Store, digest
from pipeline.ledger.outcome import Outcome
from pipeline.progress import track
from pipeline.run import Run
from pipeline.stage import Job, Per, Product, Stage, Task, get_shard
from pipeline.workers import run_here, run_on_ray

# Torch and the stage's other libraries; and what a spectrum takes in the hungriest stage, where
# flux, inverse variance and mask of its arms, joined, and resampled are in memory at once.
_WORKER_BYTES = 600 * 2**20
_ROW_BYTES = 2**20


@dataclass(frozen=True)
class Piece:
    """A task with the files that it makes, in the order of the stage's datasets."""

    task: Task
    paths: tuple[Path, ...]
    fingerprint: str


def run_stage(run: Run, stage: Stage) -> Report:
    """Make what the stage has not made yet of these inputs and settings.

    Parameters
    ----------
    run : Run
    stage : Stage

    Raises
    ------
    UserError
        If the call or the data root is wrong; a shard's own fault is in the report.
    """
    if stage.per is not Per.SHARD:
        return _run_pieces(run, stage)
    return _find_unchanged(run, stage) or _run_shards(run, stage)


def list_pieces(run: Run, stage: Stage, job: Job | None = None) -> Iterator[Piece]:
    """Yield what there is to do, done or not."""
    tasks = (job or stage.plan(run)).tasks
    fingerprints = run.make_fingerprints(stage, [task.inputs for task in tasks])
    for task, fingerprint in zip(tasks, fingerprints, strict=True):
        paths = tuple(run.find_path(dataset.name, task.place) for dataset in stage.makes)
        yield Piece(task, paths, fingerprint)


def find_done(store: Store, piece: Piece) -> Stamp | None:
    """Return the stamp of a piece's last file if all are made of what it is made of now."""
    found = None
    for path in piece.paths:
        if path.name == MODEL_CARD:
            found = Stamp(piece.fingerprint, "", 0, 0) if exists(path) else None
        else:
            found = store.find_done(path, piece.fingerprint)
        if found is None:
            return None
    return found


def estimate_memory(piece: Piece) -> int:
    """Return the bytes that a worker may take for a task: its libraries and the shard's rows."""
    return _WORKER_BYTES + _ROW_BYTES * (piece.task.n_expected or 0)


def _find_unchanged(run: Run, stage: Stage) -> Report | None:
    """Return the report of a stage where nothing has changed since it was last done whole.

    Then no shard need be planned. What it needs, what it reads, its books and its files' sizes are
    compared with what the ledger remembers.
    """
    if stage.has_outside:
        return None
    known = run.ledger.recall(stage.name)
    if known is None or known != (_digest_needs(run, stage), _digest_files(run, stage)):
        return None
    skipped = [replace(outcome, skipped=True) for outcome in run.get_outcomes(stage.name)]
    return summarise(stage.dataset.name, skipped)


def _digest_needs(run: Run, stage: Stage) -> str:
    needed = [run.find_content(name) for name in stage.needs]
    return run.make_fingerprint(stage, needed)


def _digest_files(run: Run, stage: Stage) -> str:
    """Digest the sizes of a stage's files and its books, in which a killed run has left a mark."""
    folders = [run.store.lake.dataset(dataset.name) for dataset in stage.makes]
    sizes = [sorted(list_sizes(folder).items()) for folder in folders]
    booked = [(str(o.shard), o.state.value, o.content) for o in run.get_outcomes(stage.name)]
    return digest(sizes, booked)


def _run_shards(run: Run, stage: Stage) -> Report:
    job = stage.plan(run)
    pieces = list(list_pieces(run, stage, job))
    find = partial(_find_outcome, run.store, stage)
    finished = [outcome for outcome in run.store.map(find, pieces) if outcome]
    done = {outcome.shard for outcome in finished}
    waiting = [piece for piece in pieces if piece.task.place not in done]
    ledger, workers = run.ledger, run.config.run.workers
    ledger.keep_only(stage.name, [get_shard(piece.task) for piece in pieces])
    ledger.record(finished)
    book = partial(_book_state, run, stage)
    book(ShardState.PLANNED, waiting)
    work = partial(_do_piece, run.store.lake, stage.name, _list_tables(run, stage), job.work)
    start = partial(book, ShardState.RUNNING)
    if workers > 1 and waiting:
        outcomes = run_on_ray(work, waiting, start, workers, estimate_memory)
    else:
        outcomes = run_here(work, waiting, start)
    for outcome in track(outcomes, stage.name, len(waiting)):
        ledger.record([outcome])
        finished.append(outcome)
    report = summarise(stage.dataset.name, finished)
    run.forget(stage.name)
    if not report.failed:
        ledger.remember(stage.name, _digest_needs(run, stage), _digest_files(run, stage))
    return replace(report, notes=(*report.notes, *job.notes))


def _run_pieces(run: Run, stage: Stage) -> Report:
    """Do a stage whose pieces are few, one after the other in this process."""
    job = stage.plan(run)
    reports = [_run_piece(run, stage, job, piece) for piece in list_pieces(run, stage, job)]
    dropped: Counter[str] = Counter()
    for report in reports:
        dropped.update(report.dropped)
    return Report(
        stage.dataset.name,
        made=sum(report.made for report in reports),
        skipped=sum(report.skipped for report in reports),
        failed=tuple(outcome for report in reports for outcome in report.failed),
        n_expected=sum(report.n_expected for report in reports),
        n_made=sum(report.n_made for report in reports),
        dropped=dict(dropped),
        notes=(*(note for report in reports for note in report.notes), *job.notes),
    )


def _run_piece(run: Run, stage: Stage, job: Job, piece: Piece) -> Report:
    name = stage.dataset.name
    if (done := find_done(run.store, piece)) is not None:
        if not stage.books_shards:
            n_expected, n_made = done.n_expected, done.n_made
            return Report(name, skipped=1, n_expected=n_expected, n_made=n_made, notes=done.notes)
        if booked := run.get_outcomes(stage.name):
            return replace(summarise(name, booked), made=0, skipped=1)
    product = job.work(piece.task)
    if stage.books_shards:
        # Booked first: a run killed in between finds no file and does it again.
        run.ledger.keep_only(stage.name, [outcome.shard for outcome in product.outcomes])
        run.ledger.record(product.outcomes)
        run.forget(stage.name)
    stamps = _write(run.store, piece, _list_tables(run, stage), product)
    if stage.books_shards:
        report = replace(summarise(name, product.outcomes), made=1)
        return replace(report, notes=(*report.notes, *product.notes))
    counts = stamps[-1] if stamps else Stamp("", "", *_count(piece.task, product))
    n_expected, n_made = counts.n_expected, counts.n_made
    return Report(name, made=1, n_expected=n_expected, n_made=n_made, notes=product.notes)


def _list_tables(run: Run, stage: Stage) -> tuple[Table, ...]:
    """Return the tables that a stage writes; a model is none."""
    return tuple(run.kind[d.name] for d in stage.makes if d.name in run.kind)


def _write(store: Store, piece: Piece, tables: Sequence[Table], product: Product) -> list[Stamp]:
    """Write a product's tables; a model's folder is written by the work itself."""
    fingerprint = piece.fingerprint
    if product.is_passing:
        # Of another fingerprint than the wanted one: the next run makes them again.
        fingerprint = digest(fingerprint, "to be done again")
    if not product.tables:
        return []
    stamps = []
    for path, table, rows in zip(piece.paths, tables, product.tables, strict=True):
        is_last = table == tables[-1]
        n_expected, n_made = _count(piece.task, product) if is_last else (rows.num_rows,) * 2
        stamp = store.write(
            path,
            rows,
            table,
            fingerprint=fingerprint,
            n_expected=n_expected,
            n_made=n_made,
            dropped=product.dropped if is_last else {},
            notes=product.notes if is_last else (),
        )
        stamps.append(stamp)
    return stamps


def _count(task: Task, product: Product) -> tuple[int, int]:
    """Return the rows given and made."""
    n_rows = product.tables[-1].num_rows if product.tables else 0
    n_made = n_rows if product.n_made is None else product.n_made
    given = task.n_expected if product.n_expected is None else product.n_expected
    return n_made if given is None else given, n_made


def _find_outcome(store: Store, stage: Stage, piece: Piece) -> Outcome | None:
    done = find_done(store, piece)
    if not done:
        return None
    return Outcome(
        get_shard(piece.task),
        stage.name,
        ShardState.DONE,
        done.n_expected,
        n_made=done.n_made,
        dropped=done.dropped,
        notes=done.notes,
        content=done.content,
        skipped=True,
    )


def _book_state(run: Run, stage: Stage, state: ShardState, pieces: Sequence[Piece]) -> None:
    run.ledger.record(
        Outcome(get_shard(piece.task), stage.name, state, piece.task.n_expected or 0)
        for piece in pieces
    )


def _do_piece(
    lake: Lake,
    stage: str,
    tables: Sequence[Table],
    work: Callable[[Task], Product],
    piece: Piece,
) -> Outcome:
    store, task = Store(lake.root, lake.url), piece.task
    shard = get_shard(task)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    booked = partial(Outcome, shard, stage, n_expected=task.n_expected or 0, worker=worker)
    start = time.monotonic()
    try:
        product = work(task)
        for rows in product.tables:
            _check_place(rows, shard)
        stamp = _write(store, piece, tables, product)[-1]
    except UserError:
        raise
    except Exception as error:
        for path in piece.paths:
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
        n_expected=stamp.n_expected,
        n_made=stamp.n_made,
        dropped=stamp.dropped,
        notes=stamp.notes,
        content=stamp.content,
        seconds=time.monotonic() - start,
        requests=product.requests,
        n_bytes=product.n_bytes or measure(piece.paths[-1]),
    )


def _check_place(data: pa.Table, shard: Shard) -> None:
    """Refuse rows of another shard: filed here they would be lost."""
    for name, value in zip(SHARD_KEY, (shard.survey, shard.program, shard.healpix), strict=True):
        strangers = [other for other in data[name].unique().to_pylist() if other != value]
        if strangers:
            raise DataError(f"{shard}: rows of {name} {strangers[0]} among them")
