"""Passing faults are met with another attempt, lasting ones raised; pauses stay in their bounds."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transport.retry import RetryPolicy, read_retry_after


class PassingError(Exception):
    pass


@given(n_faults=st.integers(0, 6), max_attempts=st.integers(1, 5))
def test_as_many_attempts_as_allowed(n_faults: int, max_attempts: int) -> None:
    n_calls = 0

    def call() -> str:
        nonlocal n_calls
        n_calls += 1
        if n_calls <= n_faults:
            raise PassingError(str(n_calls))
        return "done"

    retrying = RetryPolicy(max_attempts, 0, 0).retrying(PassingError)
    if n_faults < max_attempts:
        assert retrying(call) == "done"
        assert n_calls == n_faults + 1
    else:
        with pytest.raises(PassingError, match=str(max_attempts)):
            retrying(call)
        assert n_calls == max_attempts


def test_lasting_fault_is_raised_at_once() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise KeyError("lasting")

    with pytest.raises(KeyError):
        RetryPolicy(5, 0, 0).retrying(PassingError, OSError)(call)
    assert calls == [1]


@given(backoff_s=st.floats(0, 10), longest_s=st.floats(0, 20))
def test_pauses_grow_to_their_bound(backoff_s: float, longest_s: float) -> None:
    pauses: list[float] = []

    def call() -> None:
        raise PassingError

    with pytest.raises(PassingError):
        RetryPolicy(6, backoff_s, longest_s).retrying(PassingError, sleep=pauses.append)(call)
    assert len(pauses) == 5
    limits = [min(backoff_s * 2**number, longest_s) for number in range(5)]
    assert all(0 <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))


@given(wish=st.floats(0, 100), longest_s=st.floats(0, 20))
def test_a_wish_is_granted_within_the_bound(wish: float, longest_s: float) -> None:
    pauses: list[float] = []

    def call() -> None:
        raise PassingError

    retrying = RetryPolicy(4, 1.0, longest_s).retrying(
        PassingError, find_wish=lambda fault: wish, sleep=pauses.append
    )
    with pytest.raises(PassingError):
        retrying(call)
    assert all(min(wish, longest_s) <= pause <= longest_s for pause in pauses)


@given(seconds=st.integers(0, 20_000))
def test_retry_after_is_read_as_seconds_and_as_a_date(seconds: int) -> None:
    assert read_retry_after(str(seconds)) == seconds
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    assert read_retry_after(date) == pytest.approx(seconds, abs=5)


@given(header=st.none() | st.text(st.characters(codec="latin-1", exclude_categories=["Nd"])))
def test_a_damaged_retry_after_asks_for_nothing(header: str | None) -> None:
    assert read_retry_after(header) == 0
