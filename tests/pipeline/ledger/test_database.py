"""The ledger on SQLite and on a real PostgreSQL: the same books, many writers, restarts."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from example_outcomes import DONE, SHARDS
from postgres_server import Server
from toy_stage import run_tasks

from catalog_schema.tables import COMPLETENESS, EFFORT, GATES
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.flow.root import Root, open_root, read_saved_config, save_config
from pipeline.flow.status import describe_status, export_ledger
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store, columns_to_table
from pipeline.ledger.books import Ledger, Outcome, balance
from pipeline.ledger.database import parse_url
from pipeline.stage import Product, Task

pytest_plugins = ["databases"]
QAD = Path(sys.executable).with_name("qad")


def open_ledger(url: str, lake: str = "a", patience: float = 20.0) -> Ledger:
    return Ledger(parse_url(url), lake, patience)


def make_product(store: Store, states: list, task: Task) -> Product:
    states.append([o.state.value for o in store.ledger.outcomes("x")])
    columns = {
        "SURVEY": ["main"],
        "PROGRAM": ["dark"],
        "HEALPIX": [task.place.healpix],
        "stage": ["x"],
        "gate": ["dead"],
        "n_dropped": [1],
    }
    return Product((columns_to_table(GATES, columns),), {"dead": 1}, requests={"ok": 2})


def run_some(store: Store, work: Callable[[Task], Product], n: int = 3) -> list[Outcome]:
    tasks = [Task(shard, 2, ("f",)) for shard in SHARDS[:n]]
    with store.lock():
        run_tasks(store, tasks, work)
    return store.ledger.outcomes("x")


def test_another_shell_sees_the_progress(database_url: str, tmp_path: Path) -> None:
    store, other, states = (
        Root(tmp_path / "r", database_url),
        Root(tmp_path / "r", database_url),
        [],
    )
    outcomes = run_some(store, lambda task: make_product(other, states, task))
    assert states == [
        ["running", "planned", "planned"],
        ["done", "running", "planned"],
        ["done", "done", "running"],
    ]
    assert [(o.attempts, o.requests) for o in outcomes] == [(1, {"ok": 2})] * 3
    assert all(o.worker.rpartition(":")[2].isdigit() and o.n_bytes for o in outcomes)


def test_status_and_export_of_an_unfinished_run(database_url: str, tmp_path: Path) -> None:
    store = Root(tmp_path / "root", database_url)
    save_config(store, load_config(None, ["run.ledger_url=" + database_url]))
    lost = Outcome(SHARDS[1], "extract", ShardState.FAILED, 4, error="truncated")
    running = Outcome(SHARDS[2], "extract", ShardState.RUNNING, 6)
    store.ledger.record([DONE, lost, running])
    with store.lock():
        store.ledger.record([running])
        assert "1 running" in "\n".join(describe_status(Root(store.root, database_url)))
    shown = "\n".join(describe_status(store))
    assert "not accounted for: 4" in shown
    assert "1 interrupted" in shown
    assert "given - made - dropped = 4, broken in 1 places" in shown
    for path, table in zip(
        export_ledger(store, tmp_path / "out"), (COMPLETENESS, GATES, EFFORT), strict=True
    ):
        assert path.name == f"{table.name}.parquet"
        assert find_violations(pq.read_table(path), table) == []
    states = pq.read_table(tmp_path / "out" / "completeness.parquet")["state"].to_pylist()
    assert states == ["done", "failed", "running"]
    [effort, *_] = pq.read_table(tmp_path / "out" / "effort.parquet").to_pylist()
    assert effort["worker"]
    taken = {name: effort[name] for name in EFFORT.names[4:] if name != "worker"}
    assert taken == {
        "attempts": 1,
        "seconds": 1.5,
        "n_bytes_moved": 99,
        "n_requests": 3,
        "n_request_faults": 1,
    }


def test_what_a_killed_run_was_at_is_planned_again(database_url: str, tmp_path: Path) -> None:
    store = Root(tmp_path / "root", database_url)
    store.ledger.record([DONE, Outcome(SHARDS[2], "score", ShardState.RUNNING, 6)])
    with store.lock():
        [done, left] = store.ledger.outcomes()
    assert done == DONE
    assert (left.state, left.attempts) == (ShardState.PLANNED, 1)


HOLD = """
import sys
from pathlib import Path
from pipeline.flow.root import Root
with Root(Path(sys.argv[1]), sys.argv[2]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def wait_until_free(store: Store) -> None:
    """Wait for the server to notice that a connection has gone, which takes it a moment."""
    deadline = time.monotonic() + 10
    while store.is_in_use:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_writer_of_a_lake_whatever_the_machine(
    postgres: Server, postgres_url: str, tmp_path: Path
) -> None:
    """Roots that share books but no lock file stand for two machines."""
    other = Root(tmp_path / "root", postgres_url)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(other.root), postgres_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    other.lake.lock.unlink()
    assert other.is_in_use
    with pytest.raises(UserError, match="maybe on another machine"), other.lock():
        pass
    holder.kill()
    holder.wait()
    wait_until_free(other)
    with other.lock():
        assert other.is_in_use
        postgres.stop()
        postgres.start()
        assert not other.ledger.is_held
        other.ledger.record([DONE])
        assert other.ledger.is_held
    wait_until_free(other)


def test_lock_lost_to_another_while_the_server_was_away_ends_the_run(
    postgres: Server, postgres_url: str, tmp_path: Path
) -> None:
    store, other = Root(tmp_path / "root", postgres_url), Root(tmp_path / "root", postgres_url)
    with store.lock():
        postgres.stop()
        postgres.start()
        with other.ledger.holding(), pytest.raises(UserError, match="another qad process"):
            store.ledger.record([DONE])


def test_server_that_is_starting_is_waited_for(postgres: Server, postgres_url: str) -> None:
    open_ledger(postgres_url).record([DONE])
    postgres.stop()
    starter = threading.Timer(0.7, postgres.start)
    starter.start()
    try:
        assert open_ledger(postgres_url).outcomes() == [DONE]
    finally:
        starter.join()


def test_restart_between_writes_is_not_noticed(postgres: Server, postgres_url: str) -> None:
    ledger = open_ledger(postgres_url)
    ledger.record([DONE])
    for mode in ("fast", "immediate"):
        postgres.stop(mode)
        postgres.start()
        ledger.record([DONE])
    assert ledger.outcomes()[0].attempts == 3


def test_run_survives_restarts_during_its_writes(
    postgres: Server, postgres_url: str, tmp_path: Path
) -> None:
    """A thread restarts the server twice while shards are booked as fast as they can be."""
    store = Root(tmp_path / "root", postgres_url)
    ledger, stop = store.ledger, threading.Event()
    faults: list[Exception] = []

    def restart() -> None:
        try:
            for mode in ("fast", "immediate"):
                time.sleep(0.2)
                postgres.stop(mode)
                time.sleep(0.3)
                postgres.start()
        except Exception as error:
            faults.append(error)
        stop.set()

    thread = threading.Thread(target=restart)
    thread.start()
    n_booked = 0
    while not stop.is_set():
        ledger.record([replace(DONE, shard=Shard("main", "dark", n_booked))])
        n_booked += 1
    thread.join()
    assert faults == []
    outcomes = ledger.outcomes()
    assert [o.shard.healpix for o in outcomes] == list(range(n_booked))
    assert n_booked > 10
    assert balance(outcomes).broken == ()


def test_server_that_stays_away_ends_the_run_which_resumes(
    postgres: Server, postgres_url: str, tmp_path: Path
) -> None:
    store = Root(tmp_path / "root", postgres_url)
    store.ledger = Ledger(parse_url(postgres_url), str(store.root.resolve()), patience=1.0)
    made: list[Shard] = []

    def work(task: Task) -> Product:
        made.append(task.place)
        if len(made) == 2:
            postgres.stop()
        return make_product(Root(tmp_path / "elsewhere"), [], task)

    try:
        with pytest.raises(UserError) as caught:
            run_some(store, work)
    finally:
        postgres.start()
    assert "\n" not in str(caught.value)
    assert "correct-horse" not in str(caught.value)
    assert made == SHARDS[:2]
    left = [o.state.value for o in Root(store.root, postgres_url).ledger.outcomes("x")]
    assert left == ["done", "running", "planned"]
    # The file of the second shard was whole before its booking failed.
    outcomes = run_some(Root(store.root, postgres_url), work)
    assert made == SHARDS[:3]
    assert balance(outcomes).broken == ()
    assert [o.attempts for o in outcomes] == [1, 1, 1]


def run_qad(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(QAD), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_password_is_neither_kept_nor_printed(
    postgres: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QAD_LEDGER_URL", postgres_url)
    store = Root(tmp_path / "root")
    save_config(store, Config())
    store.ledger.record([DONE])
    saved = read_saved_config(store).run.ledger_url
    assert saved == postgres_url.replace("postgresql:", "postgresql+psycopg:").replace(
        ":correct-horse@", "@"
    )
    assert not store.lake.ledger.exists()
    # Another shell that knows the password finds the ledger by the saved settings.
    monkeypatch.delenv("QAD_LEDGER_URL")
    monkeypatch.setenv("PGPASSWORD", "correct-horse")
    assert open_root(store.root).ledger.outcomes() == [DONE]
    monkeypatch.delenv("PGPASSWORD")
    begin = time.monotonic()
    with pytest.raises(UserError, match="password authentication failed"):
        Ledger(parse_url(postgres.url(password="hunter2")))
    with pytest.raises(UserError, match="no password supplied"):
        Ledger(parse_url(saved))
    with pytest.raises(UserError, match="does not exist"):
        Ledger(parse_url(postgres.url("nosuch")))
    # No waiting, which would be five seconds each: the server has answered.
    assert time.monotonic() - begin < 5
    wrong = run_qad(
        "status", "--root", str(store.root), QAD_LEDGER_URL=postgres.url(password="hunter2")
    )
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: ledger postgresql+psycopg://qad@127.0.0.1")
    assert len(wrong.stderr.splitlines()) == 1
    assert "hunter2" not in wrong.stderr + wrong.stdout


@pytest.mark.parametrize(
    "given", ["mysql://u:hunter2@h/d", "nonsense hunter2", "postgresql://u:hunter2@h:port/d"]
)
def test_url_of_something_else_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="QAD_LEDGER_URL") as caught:
        parse_url(given)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("override", ["run.ledger_url", "run:ledger_url=", "run.ledger_url=["])
def test_settings_with_a_password_are_refused_without_it(override: str) -> None:
    text = f"{override}'postgresql://u:hunter2@h/d'{']' if '[' in override else ''}"
    with pytest.raises(UserError) as caught:
        load_config(None, [text])
    assert "hunter2" not in str(caught.value)


def test_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(UserError, match="not a database"):
        Ledger(path)
