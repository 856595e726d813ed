"""Tasks in processes of their own: whole answers, limits, places, and nothing left behind."""

import io
import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portal.service import pool
from portal.service.pool import LIMITS, BusyError, LeftError, Limits, TaskError

ROWS = pa.table({"a": list(range(1000)), "b": ["x"] * 1000})


def task(**told: object) -> dict[str, object]:
    return {"format": "parquet", **told}


def test_rows_are_written_as_a_file() -> None:
    content = pool.render(task, LIMITS, ROWS)
    assert pq.read_table(io.BytesIO(content)).to_pydict() == ROWS.to_pydict()


def test_a_prepared_process_does_the_same() -> None:
    pool.prepare()
    assert pool.render(task, LIMITS, ROWS) == pool.render(task, LIMITS, ROWS)


@pytest.mark.parametrize("key", ["csv", "votable", "fits", "json"])
def test_too_many_values_are_refused(key: str) -> None:
    with pytest.raises(TaskError, match="more than the 10 that are written") as fault:
        pool.render(lambda: {"format": key}, replace(LIMITS, cells=10), ROWS)
    assert "\n" not in str(fault.value)


def test_a_file_ends_at_its_limit() -> None:
    many = pa.table({"a": [str(hash(n)) * 20 for n in range(20_000)]})
    with pytest.raises(TaskError):
        pool.render(lambda: {"format": "csv"}, replace(LIMITS, file_bytes=10_000), many)


def test_an_unknown_format_is_a_fault_of_the_task() -> None:
    with pytest.raises(TaskError):
        pool.render(lambda: {"format": "xls"}, LIMITS, ROWS)


def test_an_answer_says_how_much_of_it_is_content() -> None:
    with pool.start(task, LIMITS, ROWS) as running:
        answer = running.wait_for()
        assert len(answer.read()) == answer.n_bytes
        assert answer.header["n_rows"] == 1000
        assert not answer.header["is_cut"]


def endless() -> dict[str, object]:
    """A question that no process answers in time."""
    sql = "SELECT count(*) FROM range(10000000000000) WHERE range % 7 = 1"
    task = {"root": ".", "tables": {}, "faults": {}, "definitions": [], "values": []}
    return {**task, "sql": sql, "format": "rows"}


def test_nobody_waits_for_who_has_left() -> None:
    left = threading.Event()
    left.set()
    with pytest.raises(LeftError), pool.start(endless, LIMITS) as running:
        running.wait_for(left)


def test_what_takes_too_long_is_ended() -> None:
    limits = replace(LIMITS, seconds=1)
    with pytest.raises(TaskError), pool.start(endless, limits) as running:
        running.wait_for()
    assert running._worker.process.poll() is not None


def test_leaving_ends_the_process() -> None:
    with pool.start(task, LIMITS, ROWS) as running:
        process = running._worker.process
    assert process.poll() is not None
    assert running._worker.output.closed


def test_places_are_few_and_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_places", threading.BoundedSemaphore(1))
    with pool.start(task, LIMITS, ROWS) as running:
        with pytest.raises(BusyError, match="under way"), pool.start(task, LIMITS, ROWS):
            pass
        running.wait_for()
    assert pool.render(task, LIMITS, ROWS)


def test_who_waits_is_sent_away_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_slots", threading.BoundedSemaphore(1))
    with ExitStack() as held:
        held.enter_context(pool.start(task, LIMITS, ROWS))
        began = time.monotonic()
        with pytest.raises(BusyError), pool.start(task, replace(LIMITS, seconds=0), ROWS):
            pass
        assert time.monotonic() - began < 30
        left = threading.Event()
        left.set()
        with pytest.raises(LeftError), pool.start(task, LIMITS, ROWS, left):
            pass


def test_a_task_is_made_when_it_is_its_turn() -> None:
    def fail() -> dict[str, object]:
        raise TaskError("not now")

    for _ in range(pool.MAX_RUNNING + pool.MAX_WAITING + 1):
        with pytest.raises(TaskError, match="not now"):
            pool.render(fail, LIMITS, ROWS)


def test_limits_are_said_in_a_sentence() -> None:
    told = Limits(seconds=7, rows=1234, memory_bytes=3 << 30, result_bytes=5 << 20).describe()
    for word in ("7 s", "1,234 rows", "3 GiB", "5 MiB"):
        assert word in told
    assert "7 s" in str(pool.describe_timeout(Limits(seconds=7)))
