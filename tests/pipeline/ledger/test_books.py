"""The completeness ledger: what goes in comes out, and every row is accounted for."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from example_outcomes import DONE, SHARDS
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from catalog_schema.vocabulary import ShardState
from pipeline.errors import UserError
from pipeline.lake.layout import Lake, Shard
from pipeline.ledger.books import Ledger, Outcome, balance
from pipeline.ledger.database import parse_url

pytest_plugins = ["databases"]


def open_ledger(url: str, lake: str = "a", patience: float = 20.0) -> Ledger:
    return Ledger(parse_url(url), lake, patience)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "ledger.sqlite"


def read_attempts(path: Path) -> list[int]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        query = "select attempts from shard_stage order by healpix"
        found = [row[0] for row in connection.execute(text(query))]
    engine.dispose()
    return found


def test_round_trip_in_order(path: Path) -> None:
    failed = Outcome(SHARDS[2], "extract", ShardState.FAILED, 5, error="no such file")
    other = replace(DONE, stage="acquire")
    Ledger(path).record([failed, DONE, other])
    assert Ledger(path).outcomes() == [other, DONE, failed]
    assert Ledger(path).outcomes("extract") == [DONE, failed]
    assert Ledger(path).outcomes("nothing") == []


def test_imbalance_is_what_nobody_accounts_for() -> None:
    assert DONE.imbalance == 0
    assert replace(DONE, n_made=5).imbalance == 2
    assert replace(DONE, dropped={}).imbalance == 3
    assert Outcome(SHARDS[0], "x", ShardState.FAILED, 5).imbalance == 5


def test_gates_are_replaced_and_empty_ones_left_out(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record([DONE])
    ledger.record([replace(DONE, dropped={"no_redshift": 3, "dead": 0})])
    assert ledger.outcomes()[0].dropped == {"no_redshift": 3}


def test_attempts_count_work_and_not_looks(path: Path) -> None:
    ledger = Ledger(path)
    skipped = replace(DONE, skipped=True, seconds=0.0, n_bytes=0)
    ledger.record([DONE])
    ledger.record([skipped])
    assert read_attempts(path) == [1]
    # A look keeps the time and size that the work took.
    assert ledger.outcomes() == [DONE]
    ledger.record([replace(DONE, state=ShardState.FAILED, n_made=0, dropped={}, error="no")])
    ledger.record([DONE])
    assert read_attempts(path) == [3]
    assert ledger.outcomes()[0].error is None


def test_a_look_that_finds_something_else_is_booked(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record([Outcome(SHARDS[0], "extract", ShardState.FAILED, 10, error="no")])
    ledger.record([replace(DONE, skipped=True)])
    assert ledger.outcomes()[0].state is ShardState.DONE
    assert ledger.outcomes()[0].dropped == DONE.dropped


def test_keep_only_forgets_the_others_of_this_stage(path: Path) -> None:
    ledger = Ledger(path)
    booked = [replace(DONE, shard=s, stage=stage) for s in SHARDS for stage in ("a", "b")]
    ledger.record(booked)
    ledger.keep_only("a", SHARDS[1:3])
    assert [o.shard for o in ledger.outcomes("a")] == SHARDS[1:3]
    assert [o.shard for o in ledger.outcomes("b")] == SHARDS
    ledger.record([replace(DONE, stage="a", dropped={})])
    # Gates of a forgotten shard do not come back.
    assert ledger.outcomes("a")[0].dropped == {}


outcomes = st.builds(
    Outcome,
    shard=st.builds(Shard, st.sampled_from(["main", "sv3"]), st.just("dark"), st.integers(0, 5)),
    stage=st.sampled_from(["a", "b"]),
    state=st.sampled_from(ShardState),
    n_expected=st.integers(0, 2**40),
    n_made=st.integers(0, 2**40),
    dropped=st.dictionaries(st.sampled_from("xyz"), st.integers(1, 2**40)),
    error=st.none() | st.text(max_size=5).filter(lambda t: "\x00" not in t),
    seconds=st.floats(0, 1e6),
    n_bytes=st.integers(0, 2**40),
)


@given(booked=st.lists(outcomes, max_size=8))
def test_the_last_outcome_stands(tmp_path_factory: pytest.TempPathFactory, booked: list) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "l.sqlite")
    ledger.record(booked)
    expected = {(o.stage, o.shard): o for o in booked}
    assert ledger.outcomes() == [expected[key] for key in sorted(expected)]


def test_readers_do_not_block_the_writer(path: Path) -> None:
    writer, faults, counts = Ledger(path), [], []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                outcomes = Ledger(path).outcomes()
                counts.append(len(outcomes))
                assert all(o.imbalance == 0 for o in outcomes)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        writer.record([replace(DONE, shard=Shard("main", "dark", number))])
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert counts
    assert len(writer.outcomes()) == 30


def test_closing_releases_the_file(path: Path) -> None:
    with Ledger(path).closing() as ledger:
        ledger.record([DONE])
    assert Ledger(path).outcomes() == [DONE]


def test_round_trip_on_any_database(database_url: str) -> None:
    failed = Outcome(SHARDS[2], "extract", ShardState.FAILED, 5, error="nul \x00 and \udcff")
    other = replace(DONE, stage="acquire")
    upper = replace(DONE, stage="Z")
    open_ledger(database_url).record([failed, DONE, other, upper])
    back = open_ledger(database_url)
    shown = replace(failed, error="nul \\x00 and \\udcff")
    assert back.outcomes() == [upper, other, DONE, shown]
    assert back.outcomes("extract") == [DONE, shown]
    assert back.outcomes("extract")[0].requests == {"get": 3, "slow_down": 1}


def test_large_counts_and_negative_pixels(database_url: str) -> None:
    big = replace(DONE, n_expected=2**60, n_made=2**60 - 3, n_bytes=2**62)
    ledger = open_ledger(database_url)
    ledger.record([big])
    assert ledger.outcomes() == [big]


def test_states_attempts_and_worker(database_url: str) -> None:
    ledger = open_ledger(database_url)
    planned = Outcome(SHARDS[0], "extract", ShardState.PLANNED, 10)
    running = replace(planned, state=ShardState.RUNNING, worker="node:1")
    seen = []
    # The second run finds the shard as a killed one left it.
    for outcome in (planned, running, planned, running, replace(DONE, worker="node:2")):
        ledger.record([outcome])
        [booked] = ledger.outcomes()
        seen.append((booked.state.value, booked.attempts, booked.worker))
    assert seen == [
        ("planned", 0, ""),
        ("running", 1, "node:1"),
        ("planned", 1, ""),
        ("running", 2, "node:1"),
        ("done", 2, "node:2"),
    ]
    ledger.record([replace(DONE, skipped=True, seconds=0.0, n_bytes=0, requests={})])
    assert ledger.outcomes() == [DONE]
    assert ledger.outcomes()[0].worker == "node:2"


def test_planning_again_forgets_what_was_made(database_url: str) -> None:
    ledger = open_ledger(database_url)
    ledger.record([DONE])
    planned = Outcome(SHARDS[0], "extract", ShardState.PLANNED, 12)
    ledger.record([planned])
    assert ledger.outcomes() == [planned]
    assert ledger.outcomes()[0].attempts == 1


def test_lakes_do_not_see_each_other(database_url: str) -> None:
    first, second = open_ledger(database_url, "/a"), open_ledger(database_url, "/b")
    first.record([DONE])
    second.record([replace(DONE, n_made=0, dropped={"dead": 10}), replace(DONE, shard=SHARDS[1])])
    second.keep_only("extract", [SHARDS[0]])
    first.keep_only("extract", [SHARDS[0]])
    assert first.outcomes() == [DONE]
    assert second.outcomes()[0].dropped == {"dead": 10}
    second.keep_only("extract", [])
    assert (len(first.outcomes()), second.outcomes()) == (1, [])
    second.record([replace(DONE, dropped={})])
    assert second.outcomes()[0].dropped == {}


WRITER = """
import sys
from example_outcomes import DONE
from dataclasses import replace
from pipeline.ledger.database import parse_url
from pipeline.lake.layout import Shard
from pipeline.ledger.books import Ledger

ledger, number = Ledger(parse_url(sys.argv[1]), "a"), int(sys.argv[3])
for commit in range(int(sys.argv[2])):
    own = replace(DONE, shard=Shard("main", "dark", 1000 * (number + 1) + commit))
    ledger.record([own, DONE] if commit % 2 else [DONE, own])
"""


def test_processes_lose_no_update(database_url: str) -> None:
    """Two processes open, migrate and write an empty database at the same time."""
    command = [sys.executable, "-c", WRITER, database_url, "50"]
    writers = [subprocess.Popen([*command, n], cwd=Path(__file__).parents[1]) for n in ("0", "1")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    outcomes = open_ledger(database_url).outcomes()
    assert len(outcomes) == 1 + 2 * 50
    assert [o.attempts for o in outcomes] == [100] + [1] * 100


def test_eight_writers_lose_no_update(database_url: str) -> None:
    ledgers = [open_ledger(database_url) for _ in range(8)]

    def write(number: int) -> None:
        for commit in range(50):
            own = replace(DONE, shard=Shard("main", "dark", 1000 * (number + 1) + commit))
            ledgers[number].record([own, DONE] if commit % 2 else [DONE, own])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    outcomes = ledgers[0].outcomes()
    assert len(outcomes) == 1 + 8 * 50
    assert outcomes[0].attempts == 400
    assert {o.attempts for o in outcomes[1:]} == {1}
    assert balance(outcomes).broken == ()


def test_balance_holds_in_every_shard_and_in_total() -> None:
    lost, won = replace(DONE, n_made=5), replace(DONE, shard=SHARDS[1], n_made=9)
    cancelled = balance([lost, DONE, won])
    assert (cancelled.n_expected, cancelled.n_made, cancelled.n_dropped) == (30, 21, 9)
    assert cancelled.imbalance == 0
    assert cancelled.broken == (lost, won)
    empty = Outcome(SHARDS[2], "extract", ShardState.RUNNING, 0)
    assert balance([DONE, empty]).broken == (empty,)
    assert balance([]).broken == ()


def test_a_lake_in_a_bucket_is_booked_in_a_database_that_all_machines_see(tmp_path: Path) -> None:
    place = Lake(tmp_path, "s3://bucket/prefix")
    for url in ("", f"sqlite:///{tmp_path}/ledger.sqlite"):
        with pytest.raises(UserError, match="needs a PostgreSQL ledger"):
            Ledger.of_lake(place, url)


def test_a_lake_s_books_are_in_its_own_file_or_in_the_named_database(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other.sqlite"
    root.mkdir()
    with Ledger.of_lake(Lake(root), "").closing() as ledger:
        ledger.record([DONE])
    assert Lake(root).ledger.is_file()
    url = f"sqlite:///{other}"
    with Ledger.of_lake(Lake(root), url).closing() as ledger:
        assert ledger.outcomes() == []
        ledger.record([DONE])
    assert other.is_file()
    # In a shared database the books of two roots are apart.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Ledger.of_lake(Lake(elsewhere), url).closing() as ledger:
        assert ledger.outcomes() == []


def test_a_copy_fills_an_empty_database_and_no_other(tmp_path: Path, path: Path) -> None:
    copy, empty = tmp_path / "copy.sqlite", tmp_path / "empty.sqlite"
    with Ledger(path).closing() as ledger:
        ledger.record([DONE])
        ledger.copy_to(copy)
        with pytest.raises(UserError, match=r"holds rows in shard_\w+ already"):
            ledger.fill_from(copy)
    with Ledger(empty).closing() as ledger:
        ledger.fill_from(copy)
        [found] = ledger.outcomes()
    assert (found.shard, found.n_made, found.dropped) == (DONE.shard, DONE.n_made, DONE.dropped)
