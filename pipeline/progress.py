"""Progress of long steps: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
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
    else:
        yield from _print_lines(items, label, total)


def _draw_bar(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track as draw

    yield from draw(items, f"{label:12}", total=total, console=Console(stderr=True), transient=True)


def _print_lines(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    last = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{label:12} {count}/{total}", file=sys.stderr, flush=True)


def track_counts(label: str) -> Callable[[int, int], None]:
    """Return a callback (done, total) that prints a line now and then."""
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{label:12} {done}/{total}", file=sys.stderr, flush=True)

    return tell
