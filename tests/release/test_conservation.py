"""The books of a run: closed where every row is told, refused as soon as one is not."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from catalog_schema.vocabulary import ShardState
from pipeline.errors import UserError
from pipeline.lake.layout import Shard
from pipeline.ledger.outcome import Outcome
from pipeline.spectra.data_path import SPECTRA
from release.conservation import (
    NEGATIVE_CONTROL,
    RELEASE_STAGE,
    REPEAT_OBSERVATION,
    SHARD_FAILED,
    close_release,
    find_breaks,
    settle,
    sum_gates,
)

STAGES = SPECTRA.conserved

GATES = ("dead", "not_in_coadd")


@st.composite
def shard_books(draw: st.DrawFn, number: int) -> list[Outcome]:
    """Draw the books of a shard whose stages hand each other their rows."""
    n, books = draw(st.integers(0, 50)), []
    for stage in STAGES:
        dropped = {gate: draw(st.integers(0, n // 2)) for gate in GATES}
        n_made = n - sum(dropped.values())
        shard = Shard("main", "dark", number)
        books.append(Outcome(shard, stage, ShardState.DONE, n, n_made, dropped))
        n = n_made
    return books


@st.composite
def runs(draw: st.DrawFn) -> list[Outcome]:
    """Draw the books of some shards, in the order of a ledger: by stage."""
    shards = [draw(shard_books(number)) for number in range(draw(st.integers(1, 3)))]
    return [books[k] for k in range(len(STAGES)) for books in shards]


@given(runs())
def test_books_in_which_every_row_is_told_are_closed(outcomes: list[Outcome]) -> None:
    account = settle(outcomes, STAGES, accept_failed=False)
    assert find_breaks(outcomes, STAGES) == []
    assert account.failed == ()
    assert sorted(map(str, account.outcomes)) == sorted(map(str, outcomes))
    made = {o.shard: o.n_made for o in outcomes if o.stage == STAGES[-1] and o.n_made}
    assert account.n_scored == made
    for gate in GATES:
        assert sum_gates(outcomes).get(gate, 0) == sum(o.dropped[gate] for o in outcomes)
    assert 0 not in sum_gates(outcomes).values()


@given(runs(), st.data())
def test_one_row_more_or_less_anywhere_is_refused(
    outcomes: list[Outcome], data: st.DataObject
) -> None:
    k = data.draw(st.integers(0, len(outcomes) - 1))
    step = data.draw(st.sampled_from([-1, 1]))
    old = outcomes[k]
    changed = data.draw(
        st.sampled_from(
            [
                replace(old, n_made=old.n_made + step),
                replace(old, dropped=old.dropped | {"dead": old.dropped["dead"] + step}),
                # As told, but more than the stage before has handed on.
                replace(old, n_expected=old.n_expected + step, n_made=old.n_made + step),
                replace(old, state=ShardState.RUNNING),
            ]
        )
    )
    # The first stage may be given any number, and the last hand on any.
    is_balanced = changed.state is ShardState.DONE and not changed.imbalance
    assume(not is_balanced or old.stage not in (STAGES[0], STAGES[-1]))
    broken = [*outcomes[:k], changed, *outcomes[k + 1 :]]
    assert any(str(old.shard) in text for text in find_breaks(broken, STAGES))
    with pytest.raises(UserError, match="unaccounted for"):
        settle(broken, STAGES, accept_failed=True)


@given(runs(), st.integers(0, len(STAGES) - 1))
def test_a_stage_without_books_is_missed(outcomes: list[Outcome], place: int) -> None:
    shard = outcomes[0].shard
    rest = [o for o in outcomes if (o.shard, o.stage) != (shard, STAGES[place])]
    # After the last stage with rows nobody expects another.
    assume(place < len(STAGES) - 1 or outcomes[place * len({o.shard for o in outcomes})].n_expected)
    assert any(str(shard) in text for text in find_breaks(rest, STAGES))


@given(runs(), st.integers(0, len(STAGES) - 1), st.booleans())
def test_a_failed_shard_ends_there_and_loses_the_rows_that_it_was_given(
    outcomes: list[Outcome], place: int, knows_rows: bool
) -> None:
    shard = outcomes[0].shard
    mine = [o for o in outcomes if o.shard == shard]
    n_given = mine[place].n_expected
    # A stage that fails early may not know how many rows it was given.
    known = n_given if knows_rows or not place else 0
    failed = Outcome(shard, STAGES[place], ShardState.FAILED, known, error="no such file")
    books = [failed if o == mine[place] else o for o in outcomes]
    with pytest.raises(UserError, match=r"shards failed: main-dark-0; run `qad run` again"):
        settle(books, STAGES, accept_failed=False)
    account = settle(books, STAGES, accept_failed=True)
    assert account.failed == (shard,)
    assert shard not in account.n_scored
    ended = [o for o in account.outcomes if o.shard == shard]
    assert [o.stage for o in ended] == list(STAGES[: place + 1])
    assert ended[-1].dropped == {SHARD_FAILED: n_given}
    assert find_breaks(account.outcomes, STAGES) == []


@given(runs(), st.data())
def test_the_release_s_own_step_balances_and_names_what_it_left_out(
    outcomes: list[Outcome], data: st.DataObject
) -> None:
    account = settle(outcomes, STAGES, accept_failed=False)
    controls = {s: data.draw(st.integers(0, n)) for s, n in account.n_scored.items()}
    published = {s: data.draw(st.integers(0, n - controls[s])) for s, n in account.n_scored.items()}
    closed = close_release(account, published, controls)
    assert find_breaks(closed, (*STAGES, RELEASE_STAGE)) == []
    last = {o.shard: o for o in closed if o.stage == RELEASE_STAGE}
    assert last.keys() == account.n_scored.keys()
    for shard, outcome in last.items():
        assert outcome.n_made == published[shard]
        assert outcome.dropped[NEGATIVE_CONTROL] == controls[shard]
        repeated = account.n_scored[shard] - published[shard] - controls[shard]
        assert outcome.dropped[REPEAT_OBSERVATION] == repeated


def test_many_broken_shards_are_counted_and_few_named() -> None:
    books = [Outcome(Shard("main", "dark", k), STAGES[0], ShardState.DONE, 2, 1) for k in range(9)]
    with pytest.raises(UserError, match=r"main-dark-2.* and \d+ more; run `qad run` again"):
        settle(books, STAGES, accept_failed=False)
