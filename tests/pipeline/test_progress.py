"""Progress in a log: a line now and then, nothing lost, silence for what is quick."""

import pytest

from pipeline import progress
from pipeline.progress import show_transfer, track, track_counts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that each look at the clock finds, the last one for ever."""
    times = [0.0]
    monkeypatch.setattr(
        progress.time, "monotonic", lambda: times.pop(0) if len(times) > 1 else times[0]
    )
    return times


def advance(clock: list[float], seconds: float) -> None:
    clock[:] = [clock[-1] + seconds]


def test_items_pass_and_a_line_is_printed_now_and_then(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    for item in track("abcd", "extract", 4):
        seen.append(item)
        advance(clock, 10)
    assert seen == list("abcd")
    assert capsys.readouterr().err.splitlines() == ["extract      2/4", "extract      4/4"]


def test_what_is_quick_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(range(99), "extract", 99)) == list(range(99))
    track_counts("mock")(1, 2)
    with show_transfer("fetch", 0):
        pass
    assert capsys.readouterr().err == ""


def test_a_transfer_says_its_sum_and_rate(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with show_transfer("send to s3://b", 4_000_000) as tell:
        tell(1_000_000)
        advance(clock, 20)
        tell(1_000_000)
        advance(clock, 5)
        tell(2_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "send to s3://b: 2.0 of 4.0 MB, 0.1 MB/s",
        "send to s3://b: 4.0 of 4.0 MB, 0.2 MB/s",
    ]


def test_a_transfer_of_unknown_size_that_breaks_off(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        with show_transfer("fetch x", None) as tell:
            advance(clock, 30)
            tell(3_000_000)
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert capsys.readouterr().err.splitlines() == ["fetch x: 3.0 MB, 0.1 MB/s"]
