"""Visitors' SQL: one SELECT on one release, in a process of its own, below fixed limits."""

import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa

from catalog_schema.macros import MACROS
from portal.database import DATASETS
from portal.releases import Release, ReleaseError, find_fault
from portal.texts import clean

COOKBOOK = "sql/cookbook.sql"
_WORKER = Path(__file__).with_name("sql_worker.py")
_HEADING = re.compile(r"^-- ## (.+)$", re.MULTILINE)
# Of a table that the schema does not know: nothing that SQL or Markdown would read otherwise.
_TABLE = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)
_MAX_TABLES = 200


class SqlError(Exception):
    """A statement that is not answered; the message is one line."""


@dataclass(frozen=True)
class Limits:
    """What one statement may take.

    Attributes
    ----------
    seconds : int
        Wall-clock time.
    memory_bytes : int
        Of DuckDB.
    rows, result_bytes : int
        Of the result; what lies beyond is cut, and the cut is told.
    text : int
        Characters of the statement.
    threads : int
    """

    seconds: int = 20
    memory_bytes: int = 1 << 30
    rows: int = 100_000
    result_bytes: int = 64 << 20
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
MAX_RUNNING = 4
_slots = threading.BoundedSemaphore(MAX_RUNNING)
# Seconds after a statement at which another process starts: the page is drawn by then.
_REST = 1.0


class _Worker(NamedTuple):
    """A process that waits for its one statement, the file of its answer, and both to be freed."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    held: ExitStack


# Processes with their libraries loaded, which takes longer than most statements.
_N_SPARE = 2
_spare: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
_preparing = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """An answered statement: rows, whether the limits cut them, plan, bytes read, seconds."""

    rows: pa.Table
    is_cut: bool
    plan: str
    bytes_read: int | None
    seconds: float


class Recipe(NamedTuple):
    """A titled statement of the release's cookbook."""

    title: str
    sql: str


class Running:
    """A statement under way."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes], limits: Limits) -> None:
        self._process, self._output, self._limits = process, output, limits

    def wait(self, seconds: float) -> bool:
        """Return whether the statement has ended within so many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def read(self) -> Outcome:
        """Return the answer of a statement that has ended.

        Raises
        ------
        SqlError
            If it failed or broke a limit.
        """
        self._output.seek(0)
        line = self._output.readline()
        if self._process.returncode or not line:
            memory = self._limits.memory_bytes / 2**30
            raise SqlError(f"The statement was ended: it needs more than {memory:g} GiB of memory "
                           f"or {self._limits.seconds} s.")  # fmt: skip
        header = json.loads(line)
        if "error" in header:
            raise SqlError(str(header["error"]))
        rows = pa.ipc.open_stream(self._output).read_all()
        return Outcome(
            rows, header["is_cut"], header["plan"], header["bytes_read"], header["seconds"]
        )


@contextmanager
def start(release: Release, sql: str, limits: Limits = LIMITS) -> Iterator[Running]:
    """Start a statement; leaving the context ends it, finished or not.

    Raises
    ------
    SqlError
        If the text is too long or too many statements are running.
    """
    if len(sql) > limits.text:
        raise SqlError(f"The statement has {len(sql):,} characters; {limits.text:,} are allowed.")
    if not sql.strip():
        raise SqlError("Write a SELECT statement first.")
    if not _slots.acquire(timeout=limits.seconds):
        raise SqlError(f"{MAX_RUNNING} statements are running already: try again in a moment.")
    try:
        worker = _hand_over(_write_request(release, sql, limits))
        with worker.held:
            yield Running(worker.process, worker.output, limits)
    finally:
        _slots.release()
        later = threading.Timer(_REST, prepare)
        # A server that ends waits for none.
        later.daemon = True
        later.start()


def prepare() -> None:
    """Start the processes of the next statements, so that none need be waited for then."""
    with _preparing:
        while _spare.qsize() < _N_SPARE:
            _spare.put(_launch())


def _hand_over(request: bytes) -> _Worker:
    """Return a process that has the request: the one that stands ready, unless it has died."""
    with suppress(queue.Empty):
        worker = _spare.get_nowait()
        try:
            return _send(worker, request)
        except BrokenPipeError:
            worker.held.close()
    return _send(_launch(), request)


def _launch() -> _Worker:
    with ExitStack() as held:
        output = held.enter_context(tempfile.TemporaryFile())
        # Isolated: neither this process's environment nor its folder reach the statement.
        process = subprocess.Popen(
            [sys.executable, "-I", str(_WORKER)],
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL, env={},
        )  # fmt: skip
        held.callback(process.wait)
        held.callback(process.kill)
        return _Worker(process, output, held.pop_all())


def _send(worker: _Worker, request: bytes) -> _Worker:
    assert worker.process.stdin is not None
    with worker.process.stdin as target:
        target.write(request)
    return worker


def ask_sql(release: Release, sql: str, limits: Limits = LIMITS) -> Outcome:
    """Run a statement to its end.

    Raises
    ------
    SqlError
        If it is refused, fails or breaks a limit.
    """
    with start(release, sql, limits) as running:
        if not running.wait(limits.seconds):
            raise describe_timeout(limits)
        return running.read()


def describe_timeout(limits: Limits = LIMITS) -> SqlError:
    """Say that a statement took too long."""
    return SqlError(f"The statement was ended after {limits.seconds} s: narrow it.")


def list_tables(root: Path) -> dict[str, Path]:
    """Return the Parquet files of a release by the name under which SQL knows them."""
    found = {name: root / path for name, path in DATASETS.items()}
    taken = set(found)
    # What a newer release brings beside; of equal names, which SQL tells not by case, the first.
    for path in sorted(root.glob("*/*.parquet"))[:_MAX_TABLES]:
        if _TABLE.fullmatch(path.stem) and path.stem.lower() not in taken:
            found[path.stem] = path
            taken.add(path.stem.lower())
    return {
        name: path.resolve()
        for name, path in found.items()
        if find_fault(root, str(path.relative_to(root))) is None
    }


def read_cookbook(release: Release) -> list[Recipe]:
    """Return the recipes of the release; empty where it has none."""
    try:
        text = release.read(COOKBOOK)
    except ReleaseError:
        return []
    _, *parts = _HEADING.split(text)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [Recipe(clean(title), sql.strip()) for title, sql in pairs]


def _write_request(release: Release, sql: str, limits: Limits) -> bytes:
    request = {
        "root": str(release.root), "macros": MACROS, "sql": sql, "limits": asdict(limits),
        "tables": {name: str(path) for name, path in list_tables(release.root).items()},
    }  # fmt: skip
    return json.dumps(request).encode()
