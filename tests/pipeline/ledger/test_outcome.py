"""What a stage did with a shard: requests apart from faults, and what nobody accounts for."""

from dataclasses import replace

import pytest
from example_outcomes import DONE
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.vocabulary import ShardState
from pipeline.ledger.outcome import REQUEST_KINDS

COUNTS = st.integers(0, 1000)


@given(
    sent=st.dictionaries(st.sampled_from(REQUEST_KINDS), COUNTS),
    faults=st.dictionaries(st.sampled_from(["slow_down", "connection", "short_read"]), COUNTS),
)
def test_requests_and_faults_are_counted_apart(sent: dict, faults: dict) -> None:
    outcome = replace(DONE, requests={**sent, **faults})
    assert outcome.n_requests == sum(sent.values())
    assert outcome.n_request_faults == sum(faults.values())


@given(made=COUNTS, dropped=st.dictionaries(st.text(max_size=3), COUNTS), lost=st.integers(-9, 9))
def test_imbalance_is_what_is_neither_made_nor_dropped(made: int, dropped: dict, lost: int) -> None:
    expected = made + sum(dropped.values()) + lost
    outcome = replace(DONE, n_expected=expected, n_made=made, dropped=dropped)
    assert outcome.imbalance == lost


@pytest.mark.parametrize("state", ShardState)
def test_only_what_has_ended_is_settled(state: ShardState) -> None:
    assert replace(DONE, state=state).is_settled == (state.value in ("done", "failed"))


def test_who_did_it_and_how_often_makes_no_other_outcome() -> None:
    assert replace(DONE, content="x", worker="node:1", attempts=9) == DONE
    assert replace(DONE, n_made=0) != DONE
