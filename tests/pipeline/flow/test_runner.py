"""Running shards: done ones are skipped, one fault stops one shard, a full disk stops all."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_runs import finished_shards, run_one
from toy_stage import SHARDS, TASKS, TOY, make_product, run_tasks, start_toy

from catalog_schema.column import arrow_schema
from catalog_schema.desi import WAVE_SIZE
from catalog_schema.tables import GATES
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config
from pipeline.errors import DataError, UserError
from pipeline.flow.report import Report
from pipeline.flow.root import Root
from pipeline.flow.runner import Piece, estimate_memory
from pipeline.lake.layout import Shard
from pipeline.lake.rows import split_by_shard
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger
from pipeline.stage import Dataset, Per, Product, Task
from pipeline.workers import sharing_ray


def work(calls: list, faults: dict, task: Task) -> Product:
    calls.append(task.place)
    if task.place in faults:
        raise faults[task.place]
    return make_product(task)


@pytest.fixture(scope="module")
def workers() -> Iterator[int]:
    """Return a number of workers whose Ray the tests share."""
    with sharing_ray():
        yield 2


class Runner:
    """Runs the tasks here and counts the calls."""

    def __init__(self, store: Root) -> None:
        self.store = store

    def __call__(self, tasks: list[Task] = TASKS, **faults: Exception) -> tuple[Report, list]:
        calls: list = []
        by_shard = {SHARDS[int(name[-1])]: error for name, error in faults.items()}
        job = partial(work, calls, by_shard)
        return run_tasks(self.store, tasks, job), calls

    def path(self, shard: Shard) -> Path:
        return self.store.lake.shard("gates", shard)


@pytest.fixture
def run(store: Root) -> Runner:
    return Runner(store)


def test_shards_are_made_once(run: Runner) -> None:
    report, calls = run()
    assert calls == SHARDS
    assert (report.made, report.skipped, report.n_expected, report.n_made) == (3, 0, 6, 3)
    assert report.dropped == {"dead": 3}
    assert report.notes == tuple(f"{shard}: a note" for shard in SHARDS)
    again, calls = run()
    assert calls == []
    assert again == replace(report, made=0, skipped=3)
    assert all(o.imbalance == 0 for o in Ledger(run.store.lake.ledger).outcomes("x"))


def test_only_the_changed_shard_is_remade(run: Runner) -> None:
    run()
    before = [run.path(shard).stat().st_mtime_ns for shard in SHARDS]
    changed = [TASKS[0], replace(TASKS[1], inputs=("g",), arguments=("other",)), TASKS[2]]
    report, calls = run(changed)
    assert calls == [SHARDS[1]]
    assert (report.made, report.skipped) == (1, 2)
    after = [run.path(shard).stat().st_mtime_ns for shard in SHARDS]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    assert run.store.read(run.path(SHARDS[1]))["gate"].to_pylist() == ["other"]


def test_deleted_and_damaged_files_are_made_again(run: Runner) -> None:
    run()
    run.path(SHARDS[0]).unlink()
    run.path(SHARDS[2]).write_bytes(run.path(SHARDS[2]).read_bytes()[:-20])
    report, calls = run()
    assert calls == [SHARDS[0], SHARDS[2]]
    assert (report.made, report.skipped) == (2, 1)


def test_a_fault_stops_only_its_shard(run: Runner) -> None:
    report, calls = run(shard1=DataError("file is truncated"))
    assert calls == SHARDS
    [failed] = report.failed
    assert failed.shard == SHARDS[1]
    assert failed.error == "file is truncated"
    assert failed.notes == ()
    assert (report.made, report.n_expected, report.n_made) == (2, 6, 2)
    assert finished_shards(run.store, "x") == [SHARDS[0], SHARDS[2]]
    assert not run.path(SHARDS[1]).exists()
    mended, calls = run()
    assert calls == [SHARDS[1]]
    assert mended.failed == ()


def test_a_fault_takes_the_old_file_away(run: Runner) -> None:
    """Else a later stage would read rows of other settings."""
    run()
    changed = [replace(task, inputs=("g",)) for task in TASKS]
    run(changed, shard0=DataError("gone"))
    assert not run.path(SHARDS[0]).exists()


def test_unforeseen_fault_keeps_its_traceback(run: Runner) -> None:
    report, _ = run(shard2=ZeroDivisionError("by zero"))
    [failed] = report.failed
    assert failed.error == "ZeroDivisionError: by zero"
    assert "Traceback" in failed.notes[0]
    [booked] = [
        o for o in Ledger(run.store.lake.ledger).outcomes("x") if o.state is ShardState.FAILED
    ]
    assert "Traceback" in "\n".join(booked.notes)


def test_user_error_ends_the_run_and_keeps_what_is_done(run: Runner) -> None:
    with pytest.raises(UserError, match="disk is full"):
        run(shard1=UserError("disk is full"))
    assert finished_shards(run.store, "x") == [SHARDS[0]]
    _, calls = run()
    assert calls == SHARDS[1:]


def test_rows_that_cannot_be_written_stop_only_their_shard(store: Store) -> None:
    def make_union(task: Task) -> Product:
        if task.place != SHARDS[1]:
            return make_product(task)
        union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
        return Product((pa.table({"a": union}),))

    report = run_tasks(store, TASKS, make_union)
    assert [failed.shard for failed in report.failed] == [SHARDS[1]]
    assert report.made == 2


def test_shards_out_of_the_plan_are_forgotten(run: Runner) -> None:
    run()
    run(TASKS[1:])
    assert finished_shards(run.store, "x") == SHARDS[1:]


def test_rows_of_another_shard_are_refused(store: Store) -> None:
    def misfile(task: Task) -> Product:
        return make_product(replace(task, place=SHARDS[0]))

    report = run_tasks(store, TASKS, misfile)
    assert [outcome.shard for outcome in report.failed] == SHARDS[1:]
    assert "rows of HEALPIX 3 among them" in report.failed[0].error
    assert not store.lake.shard("gates", SHARDS[1]).exists()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_rows_are_cut_into_their_own_shards(n_shards: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 5 * n_shards
    shards = {
        "SURVEY": rng.choice(["main", "sv3"], n),
        "PROGRAM": rng.choice(["dark", "bright"], n),
        "HEALPIX": rng.choice(rng.integers(0, 49152, n_shards), n).astype(np.int32),
    }
    rows = pa.table(shards | {"TARGETID": rng.permutation(n)})
    found = split_by_shard(rows)
    for shard, part in found.items():
        for name, value in (
            ("SURVEY", shard.survey),
            ("PROGRAM", shard.program),
            ("HEALPIX", shard.healpix),
        ):
            assert set(part[name].to_pylist()) == {value}
        assert part["TARGETID"].to_pylist() == sorted(part["TARGETID"].to_pylist())
    kept = np.concatenate([part["TARGETID"].to_numpy() for part in found.values()])
    assert sorted(kept.tolist()) == list(range(n))
    assert list(found) == sorted(found)


def test_no_task_is_an_empty_report(run: Runner) -> None:
    assert run([]) == (Report("gates"), [])


def test_report_is_in_order_of_the_shards(run: Runner) -> None:
    report, calls = run(TASKS[::-1], shard0=DataError("a"), shard2=DataError("b"))
    assert calls == SHARDS[::-1]
    assert [failed.shard for failed in report.failed] == [SHARDS[0], SHARDS[2]]


def test_stamp_that_is_missing_is_named(run: Runner) -> None:
    run()
    assert [*start_toy(run.store).read_stamps("gates", SHARDS)] == SHARDS
    run.path(SHARDS[1]).unlink()
    with pytest.raises(UserError, match=f"{SHARDS[1].healpix}.parquet: missing"):
        start_toy(run.store).read_stamps("gates", SHARDS)


def test_contents_are_in_the_ledger_and_else_in_the_files(run: Runner) -> None:
    run()
    stamps = start_toy(run.store).read_stamps("gates", SHARDS)
    expected = {shard: stamp.content for shard, stamp in stamps.items()}
    assert start_toy(run.store).list_contents("gates") == expected
    booked = run.store.ledger.outcomes("x")
    run.store.ledger.record([replace(outcome, content="") for outcome in booked])
    assert start_toy(run.store).list_contents("gates") == expected
    # A look at the finished work books what was not known.
    run()
    assert [outcome.content for outcome in run.store.ledger.outcomes("x")] == [*expected.values()]


@pytest.mark.slow
def test_workers_make_the_same_bytes(lake: Store, config: Config, workers: int) -> None:
    shards = finished_shards(lake, "extract")
    paths = [lake.lake.shard("coadds", shard) for shard in shards]
    before = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    parallel = config.model_copy(update={"run": config.run.model_copy(update={"workers": workers})})
    report = run_one(lake, parallel, "extract")
    assert report.made == len(shards) == 2
    assert [path.read_bytes() for path in paths] == before


def test_a_task_asks_for_the_memory_of_its_rows() -> None:
    few, many = (Piece(replace(TASKS[0], n_expected=n), (), "") for n in (0, 500))
    assert estimate_memory(few) > 0
    assert estimate_memory(many) - estimate_memory(few) > 500 * 3 * 4 * WAVE_SIZE


@pytest.mark.slow
def test_a_shard_that_no_node_has_the_memory_for_is_tried_all_the_same(
    store: Store, workers: int
) -> None:

    # Workers cannot import the tests, so the work travels by value.
    def make_empty(task: Task) -> Product:
        return Product((arrow_schema(GATES).empty_table(),), {"dead": task.n_expected})

    huge = [replace(task, n_expected=10**9, arguments=("dead",)) for task in TASKS]
    report = run_tasks(store, huge, make_empty, workers)
    assert report.failed == ()
    assert report.made == 3


@pytest.mark.slow
def test_worker_s_user_error_is_one_line(lake: Store, config: Config, workers: int) -> None:
    """A root that refuses the data ends a parallel run as it ends a serial one."""
    for shard in finished_shards(lake, "extract"):
        path = lake.lake.shard("coadds", shard)
        path.unlink()
        os.symlink("/dev/full", path.with_name(f".{path.name}.tmp"))
    parallel = config.model_copy(update={"run": config.run.model_copy(update={"workers": workers})})
    with pytest.raises(UserError, match="cannot write") as caught:
        run_one(lake, parallel, "extract")
    assert "\n" not in str(caught.value)


def test_an_unchanged_stage_is_not_planned(store: Root) -> None:
    """What it needs and its files being as they were, no shard is looked at."""
    closed = replace(TOY, has_outside=False)
    made = run_tasks(store, TASKS, stage=closed)
    assert run_tasks(store, [], stage=closed) == replace(made, made=0, skipped=3)
    # A file that is gone or cut off has the stage planned again.
    path = store.lake.shard("gates", SHARDS[1])
    path.write_bytes(path.read_bytes()[:-20])
    assert run_tasks(store, TASKS, stage=closed).made == 1
    path.unlink()
    assert run_tasks(store, TASKS, stage=closed).made == 1
    # So has another revision of its code.
    assert run_tasks(store, TASKS, stage=replace(closed, revision=2)).made == 3


def test_a_stage_with_a_failed_shard_is_planned_again(store: Root) -> None:
    closed = replace(TOY, has_outside=False)
    faulty = partial(work, [], {SHARDS[0]: DataError("gone")})
    assert len(run_tasks(store, TASKS, faulty, stage=closed).failed) == 1
    assert run_tasks(store, TASKS, stage=closed).made == 1


def test_a_killed_run_of_other_settings_leaves_no_stage_for_done(store: Root) -> None:
    """It has planned the shards anew and made none: the books are not what was remembered."""
    closed = replace(TOY, has_outside=False)
    run_tasks(store, TASKS, stage=closed)

    def die(task: Task) -> Product:
        raise UserError("killed")

    other = [replace(task, inputs=("g",)) for task in TASKS]
    with pytest.raises(UserError, match="killed"):
        run_tasks(store, other, die, stage=replace(closed, revision=2))
    report = run_tasks(store, TASKS, stage=closed)
    assert (report.made, report.skipped) == (0, 3)
    assert finished_shards(store, "x") == SHARDS


def test_a_table_that_a_work_does_not_return_is_told(store: Root) -> None:
    twofold = replace(TOY, makes=(*TOY.makes, Dataset("completeness", Per.SHARD)))
    report = run_tasks(store, TASKS, stage=twofold)
    assert len(report.failed) == 3
    assert "shorter" in report.failed[0].error
