"""Progress of transfers with their rate: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from release.places.remote import Tell

_SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def show_transfer(label: str, total: int | None) -> Iterator[Tell]:
    """Give a function to call with the number of bytes that were moved.

    Parameters
    ----------
    label : str
        What is done and where, e.g. ``send to s3://bucket``.
    total : int or None
        Bytes to move, where they are known before.
    """
    if sys.stderr.isatty():
        with _draw_bar(label, total) as tell:
            yield tell
        return
    meter = _Lines(label, total)
    yield meter.add
    meter.end()


@contextmanager
def _draw_bar(label: str, total: int | None) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda n_bytes: progress.advance(task, n_bytes)


class _Lines:
    def __init__(self, label: str, total: int | None) -> None:
        self._label, self._total, self._done = label, total, 0
        self._begin = self._last = time.monotonic()

    def add(self, n_bytes: int) -> None:
        self._done += n_bytes
        if time.monotonic() - self._last > _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._print()

    def end(self) -> None:
        if self._done:
            self._print()

    def _print(self) -> None:
        rate = self._done / max(time.monotonic() - self._begin, 1e-3)
        total = "" if self._total is None else f" of {self._total / 1e6:.1f}"
        done = f"{self._done / 1e6:.1f}{total} MB, {rate / 1e6:.1f} MB/s"
        print(f"{self._label}: {done}", file=sys.stderr, flush=True)
