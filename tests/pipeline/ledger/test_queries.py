"""Statements of the ledger against books kept in memory, whatever is booked in which order."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, event

from catalog_schema.vocabulary import ShardState
from pipeline.lake.layout import Shard
from pipeline.ledger import queries
from pipeline.ledger.outcome import Outcome
from pipeline.ledger.tables import Base

SHARDS = [Shard(s, p, h) for s in ("main", "sv1") for p in ("dark", "bright") for h in (3, 20)]
STAGES = ("extract", "score", "Adopt")
OUTCOME = st.builds(
    Outcome,
    shard=st.sampled_from(SHARDS),
    stage=st.sampled_from(STAGES),
    state=st.sampled_from(list(ShardState)),
    n_expected=st.integers(0, 2**40),
    n_made=st.integers(0, 2**40),
    dropped=st.dictionaries(st.sampled_from(["dead", "faint", "twice"]), st.integers(0, 9)),
    notes=st.lists(st.text("ab ", min_size=1, max_size=3), max_size=2).map(tuple),
    error=st.none() | st.just("lost"),
    requests=st.dictionaries(st.sampled_from(["get", "slow_down"]), st.integers(0, 9)),
    content=st.sampled_from(["", "a", "b"]),
    worker=st.sampled_from(["", "node:1"]),
    skipped=st.booleans(),
)


@contextmanager
def connect() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with connect() as opened:
        yield opened


def order(outcome: Outcome) -> tuple:
    return outcome.stage, outcome.shard


def is_work(outcome: Outcome) -> bool:
    return outcome.state is not ShardState.PLANNED and not outcome.skipped


@given(booked=st.lists(OUTCOME, max_size=12))
def test_books_hold_the_last_of_each_shard_and_stage(booked: list[Outcome]) -> None:
    """Attempts count begun work once: by its start, or by its end where no start was booked."""
    with connect() as connection:
        check_books(connection, booked)


def check_books(connection: Connection, booked: list[Outcome]) -> None:
    expected: dict[tuple, Outcome] = {}
    for outcome in booked:
        queries.book("a", [outcome], connection)
        old = expected.get(order(outcome))
        stands, attempts = outcome, int(is_work(outcome))
        if old is not None:
            ends = old.state is ShardState.RUNNING and outcome.state is not ShardState.RUNNING
            attempts = old.attempts + (0 if ends else int(is_work(outcome)))
            same = all(
                getattr(old, name) == getattr(outcome, name)
                for name in ("state", "n_expected", "n_made", "content")
            )
            if not is_work(outcome) and same:
                # A look at finished work: all but the gates stays.
                stands, attempts = replace(old, dropped=outcome.dropped), old.attempts
        dropped = {gate: n for gate, n in sorted(stands.dropped.items()) if n}
        expected[order(outcome)] = replace(
            stands, dropped=dropped, skipped=False, attempts=attempts
        )
    found = queries.load("a", None, connection)
    wanted = sorted(expected.values(), key=order)
    assert found == wanted
    assert [o.attempts for o in found] == [o.attempts for o in wanted]
    assert [o.content for o in found] == [o.content for o in wanted]
    for stage in STAGES:
        assert queries.load("a", stage, connection) == [o for o in wanted if o.stage == stage]
    assert queries.load("b", None, connection) == []


def test_whoever_works_is_named_and_whoever_looks_is_not(connection: Connection) -> None:
    done = Outcome(SHARDS[0], "score", ShardState.DONE, 5, 5)
    queries.book("a", [done, replace(done, shard=SHARDS[1], skipped=True)], connection)
    first, second = queries.load("a", None, connection)
    assert {o.worker for o in (first, second) if o.shard == SHARDS[1]} == {""}
    [name] = {o.worker for o in (first, second) if o.shard == SHARDS[0]}
    host, _, pid = name.rpartition(":")
    assert host
    assert pid.isdigit()


def test_two_writers_book_in_one_order(connection: Connection) -> None:
    """Whatever order outcomes come in, rows are locked in that of the shards."""
    sent = []
    event.listen(
        connection.engine,
        "before_cursor_execute",
        lambda conn, cursor, statement, rows, *_: sent.append((statement, rows)),
    )
    outcomes = [Outcome(shard, "score", ShardState.DONE, 1, 1) for shard in SHARDS]
    for given_order in (outcomes, outcomes[::-1]):
        queries.book("a", given_order, connection)
    upserts = [rows for statement, rows in sent if statement.startswith("INSERT INTO shard_stage")]
    keys = [[row[1:4] for row in rows] for rows in upserts]
    assert keys[0] == keys[1] == sorted(keys[0])


def test_others_are_forgotten_with_their_gates_in_this_stage_and_lake_alone(
    connection: Connection,
) -> None:
    outcomes = [
        Outcome(shard, stage, ShardState.DONE, 3, 1, {"dead": 2})
        for shard in SHARDS[:3]
        for stage in STAGES[:2]
    ]
    for lake in ("a", "b"):
        queries.book(lake, outcomes, connection)
    queries.forget_others("a", "extract", {SHARDS[1], SHARDS[5]}, connection)
    left = queries.load("a", None, connection)
    assert {(o.stage, o.shard) for o in left} == {
        ("extract", SHARDS[1]),
        *(("score", shard) for shard in SHARDS[:3]),
    }
    assert len(queries.load("b", None, connection)) == 6
    # A gate without its shard would come back with it.
    queries.book("a", [Outcome(SHARDS[0], "extract", ShardState.PLANNED, 3)], connection)
    [again] = [o for o in queries.load("a", "extract", connection) if o.shard == SHARDS[0]]
    assert again.dropped == {}


@pytest.mark.parametrize("shift", range(3))
def test_what_was_running_is_planned_again_and_nothing_else_moves(
    connection: Connection, shift: int
) -> None:
    states = [*ShardState, *ShardState]
    outcomes = [
        Outcome(shard, "score", states[k + shift], 3)
        for k, shard in enumerate(SHARDS[: len(states) - shift])
        if k + shift < len(states)
    ]
    for lake in ("a", "b"):
        queries.book(lake, outcomes, connection)
    before = {o.shard: o for o in queries.load("a", None, connection)}
    queries.plan_running("a", connection)
    for outcome in queries.load("a", None, connection):
        old = before[outcome.shard]
        is_running = old.state is ShardState.RUNNING
        assert outcome.state is (ShardState.PLANNED if is_running else old.state)
        assert outcome.attempts == old.attempts
    assert {o.shard: o for o in queries.load("b", None, connection)} == before


def test_all_rows_of_a_lake_go_to_another_once(connection: Connection) -> None:
    outcomes = [Outcome(shard, "score", ShardState.DONE, 3, 1, {"dead": 2}) for shard in SHARDS]
    queries.book("a", outcomes, connection)
    rows = queries.read_all("a", connection)
    assert queries.insert_all("b", rows, connection) is None
    assert queries.load("b", None, connection) == queries.load("a", None, connection)
    assert queries.insert_all("b", rows, connection) in ("shard_stage", "shard_gate")
    assert queries.read_all("c", connection) == {table: [] for table in rows}


@pytest.mark.parametrize("text", ["nul \x00", "half \udcff", "ok é"])
def test_any_error_can_be_kept(connection: Connection, text: str) -> None:
    outcome = Outcome(SHARDS[0], "score", ShardState.FAILED, 3, error=text, notes=(text,))
    queries.book("a", [outcome], connection)
    [found] = queries.load("a", None, connection)
    assert found.error == text.replace("\x00", "\\x00").replace("\udcff", "\\udcff")
    assert found.notes == (found.error,)
