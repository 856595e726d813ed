"""The completeness ledger: what goes in comes out, and every row is accounted for."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from catalog_schema.vocabulary import ShardState
from pipeline.lake.layout import Shard
from pipeline.ledger.books import Ledger, Outcome

SHARDS = [Shard("main", "dark", n) for n in range(4)]
DONE = Outcome(
    SHARDS[0],
    "extract",
    ShardState.DONE,
    10,
    7,
    {"dead": 2, "not_in_coadd": 1},
    notes=("one", "two"),
    seconds=1.5,
    n_bytes=99,
)


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
