"""Requests through a transfer: counted one by one, sent again where it helps, told where not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError, MissingFileError
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.transfer import RequestError, Transfer

SETTINGS = AcquireSettings(concurrency=3, max_attempts=4, backoff_s=0.0, timeout_s=1)
PASSING = ("slow_down", "server_error", "connection", "short_read")
FINAL = ("not_found", "forbidden", "bad_range", "changed", "no_ranges", "refused")


def fail(kinds: list[str], answer: str = "answer") -> Callable[[], str]:
    left = list(kinds)

    def send() -> str:
        if left:
            raise RequestError(left.pop(0))
        return answer

    return send


@given(kinds=st.lists(st.sampled_from(PASSING), max_size=6))
def test_passing_faults_are_mended_while_attempts_last(kinds: list[str]) -> None:
    transfer = Transfer(SETTINGS)
    if len(kinds) < 4:
        assert transfer.call("it", "get", fail(kinds)) == "answer"
    else:
        told = f"^it: no answer after 4 attempts, the last fault: {kinds[3]}; run again later$"
        with pytest.raises(DataError, match=told):
            transfer.call("it", "get", fail(kinds))
    sent = {"get": min(len(kinds) + 1, 4)}
    faults = {kind: kinds[:4].count(kind) for kind in set(kinds[:4])}
    assert dict(transfer.counts.requests) == sent | faults


@pytest.mark.parametrize("kind", FINAL)
@pytest.mark.parametrize("before", [[], ["connection"]])
def test_final_faults_end_at_once(kind: str, before: list[str]) -> None:
    transfer = Transfer(SETTINGS)
    error = MissingFileError if kind == "not_found" else DataError
    with pytest.raises(error, match=r"^it: ") as told:
        transfer.call("it", "head", fail([*before, kind]))
    assert "\n" not in str(told.value)
    assert transfer.counts.requests["head"] == len(before) + 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "refused"),
        (403, "forbidden"),
        (404, "not_found"),
        (412, "changed"),
        (416, "bad_range"),
        (429, "slow_down"),
        (499, "refused"),
        (500, "server_error"),
        (503, "slow_down"),
        (504, "server_error"),
    ],
)
def test_kinds_of_statuses(status: int, kind: str) -> None:
    assert RequestError.of_status(status).kind == kind


@pytest.mark.parametrize(
    ("word", "pause"), [(None, 0), ("", 0), ("7", 7), ("soon", 0), ("-1", 0), ("1.5", 0)]
)
def test_how_long_the_server_asks_to_wait(word: str | None, pause: float) -> None:
    assert RequestError.of_status(503, word).pause == pause


@given(n=st.integers(0, 20))
def test_answers_come_in_the_order_of_what_was_asked(n: int) -> None:
    transfer = Transfer(SETTINGS)
    assert transfer.map(lambda k: k * k, range(n)) == [k * k for k in range(n)]


def test_sessions_count_for_themselves_and_share_the_link() -> None:
    transfer = Transfer(SETTINGS)
    one, other = transfer.session(), transfer.session()
    one.call("it", "get", fail(["connection"]))
    other.counts.add(None, 5)
    other.counts.add("list", 2, 3)
    assert dict(one.counts.requests) == {"get": 2, "connection": 1}
    assert (dict(other.counts.requests), other.counts.n_bytes) == ({"list": 3}, 7)
    assert (dict(transfer.counts.requests), one.counts.n_bytes) == ({}, 0)
    assert one.meter is other.meter is transfer.meter
