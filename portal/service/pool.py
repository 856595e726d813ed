"""The processes in which statements run and files are written: few, bounded, each for one task."""

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa

_WORKER = Path(__file__).with_name("worker.py")
# As the worker writes it: the header's length, after the header, at the end.
_LENGTH_BYTES = 8
MAX_RUNNING = 4
# Tasks that wait for one of them; whoever comes then is sent away.
MAX_WAITING = 12
# Seconds after a task at which another process starts: the page is drawn by then.
_REST = 1.0
# Seconds between looks at whether anybody still waits for the answer.
_TICK = 0.1
# Processes with their libraries loaded, which takes longer than most statements.
_N_SPARE = 2


class TaskError(Exception):
    """A task that is not done; the message is one line."""


class BusyError(TaskError):
    """Too much is under way; it can be asked for again in a moment."""


class LeftError(TaskError):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Limits:
    """What one task may take.

    Attributes
    ----------
    seconds : int
        Wall-clock time.
    memory_bytes : int
        Of DuckDB.
    rows, result_bytes : int
        Of the result; what lies beyond is cut, and the cut is told.
    cells : int
        Single values that are written as text or FITS.
    file_bytes : int
        Of what is written.
    text : int
        Characters of a statement.
    threads : int
    """

    seconds: int = 20
    memory_bytes: int = 1 << 30
    rows: int = 100_000
    result_bytes: int = 64 << 20
    cells: int = 10_000_000
    file_bytes: int = 256 << 20
    text: int = 20_000
    threads: int = 2

    def describe(self) -> str:
        """Say the limits in a sentence."""
        return (
            f"One SELECT of up to {self.text:,} characters; {self.seconds} s, "
            f"{self.memory_bytes / 2**30:g} GiB of memory, {self.rows:,} rows or "
            f"{self.result_bytes >> 20} MiB of result."
        )


LIMITS = Limits()
# Of what the portal itself asks for: a selection of the whole catalogue, with its arrays.
WIDE = Limits(
    seconds=90, rows=200_000, result_bytes=512 << 20, cells=60_000_000, file_bytes=1 << 30
)


class _Worker(NamedTuple):
    """A process that waits for its one task, the file of its answer, and both to be freed."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    held: ExitStack


_slots = threading.BoundedSemaphore(MAX_RUNNING)
_places = threading.BoundedSemaphore(MAX_RUNNING + MAX_WAITING)
_spare: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
_preparing = threading.Lock()


class Answer(NamedTuple):
    """What a task has written: a file, how much of it is content, and the worker's header."""

    file: IO[bytes]
    n_bytes: int
    header: dict[str, Any]

    def read(self) -> bytes:
        """Return the whole content."""
        self.file.seek(0)
        return self.file.read(self.n_bytes)


class Running:
    """A task under way."""

    def __init__(self, worker: _Worker, limits: Limits) -> None:
        self._worker, self._limits = worker, limits

    def wait(self, seconds: float) -> bool:
        """Return whether the task has ended within so many seconds."""
        try:
            self._worker.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def read(self) -> Answer:
        """Return the answer of a task that has ended; its file is closed with the task's context.

        Raises
        ------
        TaskError
            If it failed or broke a limit.
        """
        file = self._worker.output
        n_bytes = file.seek(0, 2) - _LENGTH_BYTES
        if self._worker.process.returncode or n_bytes < 0:
            memory = self._limits.memory_bytes / 2**30
            raise TaskError(
                f"It was ended: it needs more than {memory:g} GiB of memory or "
                f"{self._limits.seconds} s."
            )
        file.seek(n_bytes)
        length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
        file.seek(n_bytes - length)
        header = json.loads(file.read(length))
        if "error" in header:
            raise TaskError(str(header["error"]))
        return Answer(file, n_bytes - length, header)

    def wait_for(self, left: threading.Event | None = None) -> Answer:
        """Wait for the end and return the answer.

        Raises
        ------
        TaskError
            If it failed or broke a limit; `LeftError` if the event was set meanwhile.
        """
        deadline = time.monotonic() + self._limits.seconds
        while not self.wait(_TICK):
            if left is not None and left.is_set():
                raise LeftError("nobody waits")
            if time.monotonic() > deadline:
                raise describe_timeout(self._limits)
        return self.read()


@contextmanager
def start(
    make_task: Callable[[], dict[str, Any]],
    limits: Limits,
    rows: pa.Table | None = None,
    left: threading.Event | None = None,
) -> Iterator[Running]:
    """Start a task; leaving the context ends it, finished or not.

    Parameters
    ----------
    make_task : callable
        Returns what `portal.service.worker` reads, without limits; called when it is its turn,
        so that those who wait keep nobody from being answered.
    limits : Limits
    rows : pyarrow.Table or None
        What is to be written, where the task asks no question.
    left : threading.Event or None
        Set when nobody waits any more.

    Raises
    ------
    BusyError
        If too many tasks are running and waiting.
    """
    with _take_slot(limits.seconds, left):
        line = json.dumps({**make_task(), "limits": asdict(limits)}).encode() + b"\n"
        worker = _hand_over(line, rows)
        with worker.held:
            yield Running(worker, limits)


def render(
    make_task: Callable[[], dict[str, Any]], limits: Limits, rows: pa.Table | None = None
) -> bytes:
    """Do a task to its end and return its content, for what a page hands out: all of it.

    Raises
    ------
    TaskError
        If it is refused, fails or breaks a limit; also one that would only cut the rows.
    """
    with start(make_task, limits, rows) as running:
        answer = running.wait_for()
        if answer.header["is_cut"]:
            raise TaskError("These rows are more than a file from here may hold: take fewer.")
        return answer.read()


def prepare() -> None:
    """Start the processes of the next tasks, so that none need be waited for then."""
    with _preparing, suppress(BusyError):
        while _spare.qsize() < _N_SPARE:
            _spare.put(_launch())


def describe_timeout(limits: Limits = LIMITS) -> TaskError:
    """Say that a task took too long."""
    return TaskError(f"It was ended after {limits.seconds} s: narrow it.")


@contextmanager
def _take_slot(seconds: float, left: threading.Event | None) -> Iterator[None]:
    if not _places.acquire(blocking=False):
        raise BusyError("Too many statements and files are under way: try again in a moment.")
    try:
        deadline = time.monotonic() + seconds
        while not _slots.acquire(timeout=_TICK):
            if left is not None and left.is_set():
                raise LeftError("nobody waits")
            if time.monotonic() > deadline:
                raise BusyError(f"{MAX_RUNNING} tasks are running already: try again in a moment.")
        try:
            yield
        finally:
            _slots.release()
            later = threading.Timer(_REST, prepare)
            # A server that ends waits for none.
            later.daemon = True
            later.start()
    finally:
        _places.release()


def _hand_over(line: bytes, rows: pa.Table | None) -> _Worker:
    """Return a process that has the task: one that stands ready, unless it has died."""
    with suppress(queue.Empty):
        while True:
            worker = _spare.get_nowait()
            try:
                if worker.process.poll() is None:
                    return _send(worker, line, rows)
            except BrokenPipeError:
                pass
            worker.held.close()
    return _send(_launch(), line, rows)


def _launch() -> _Worker:
    with ExitStack() as held:
        try:
            output = held.enter_context(tempfile.TemporaryFile())
            # Isolated: neither this process's environment nor its folder reach the task.
            process = subprocess.Popen(
                [sys.executable, "-I", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env={},
            )
        except OSError:
            raise BusyError("No process can be started now: try again in a moment.") from None
        held.callback(process.wait)
        held.callback(process.kill)
        return _Worker(process, output, held.pop_all())


def _send(worker: _Worker, line: bytes, rows: pa.Table | None) -> _Worker:
    assert worker.process.stdin is not None
    with worker.process.stdin as target:
        target.write(line)
        if rows is not None:
            with pa.ipc.new_stream(target, rows.schema) as writer:
                writer.write_table(rows)
    return worker
