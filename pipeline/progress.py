"""Progress of long steps: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
_SECONDS_BETWEEN_LINES = 15.0


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the items while telling a person how far the step is.

    Parameters
    ----------
    items : iterable
    label : str
        What is counted, e.g. ``extract``.
    total : int
    """
    if sys.stderr.isatty():
        yield from _draw_bar(items, label, total)
        return
    tell = track_counts(label)
    for count, item in enumerate(items, start=1):
        yield item
        tell(count, total)


def track_counts(label: str) -> Callable[[int, int], None]:
    """Return a callback (done, total) that prints a line now and then."""
    lines = _Lines(f"{label:12} ")

    def tell(done: int, total: int) -> None:
        lines.offer(f"{done}/{total}")

    return tell


@contextmanager
def show_transfer(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the number of bytes that were moved.

    Parameters
    ----------
    label : str
        What is done and where, e.g. ``send to s3://bucket``.
    total : int or None
        Bytes to move, where they are known before.
    """
    if sys.stderr.isatty():
        with _draw_transfer(label, total) as tell:
            yield tell
        return
    meter = _Meter(label, total)
    yield meter.add
    meter.end()


def _draw_bar(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track as draw

    yield from draw(items, f"{label:12}", total=total, console=Console(stderr=True), transient=True)


@contextmanager
def _draw_transfer(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda n_bytes: progress.advance(task, n_bytes)


class _Lines:
    """Prints a line of progress, unless one was printed just now."""

    def __init__(self, label: str) -> None:
        self._label, self._last = label, time.monotonic()

    def offer(self, text: str) -> None:
        if time.monotonic() - self._last > _SECONDS_BETWEEN_LINES:
            self.print(text)

    def print(self, text: str) -> None:
        self._last = time.monotonic()
        print(f"{self._label}{text}", file=sys.stderr, flush=True)


class _Meter:
    """Sums the bytes of a transfer and says their rate."""

    def __init__(self, label: str, total: int | None) -> None:
        self._lines, self._total, self._done = _Lines(f"{label}: "), total, 0
        self._begin = time.monotonic()

    def add(self, n_bytes: int) -> None:
        self._done += n_bytes
        self._lines.offer(str(self))

    def end(self) -> None:
        if self._done:
            self._lines.print(str(self))

    def __str__(self) -> str:
        rate = self._done / max(time.monotonic() - self._begin, 1e-3)
        total = "" if self._total is None else f" of {self._total / 1e6:.1f}"
        return f"{self._done / 1e6:.1f}{total} MB, {rate / 1e6:.1f} MB/s"
