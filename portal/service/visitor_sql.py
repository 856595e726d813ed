"""Visitors' SQL: one SELECT on one release, in a process of its own, below fixed limits."""

import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from catalog_schema.kinds import KINDS
from catalog_schema.macros import list_macros
from portal.data.database import DATASETS
from portal.data.releases import CHECK_ADVICE, Release, ReleaseError, find_fault
from portal.data.texts import clean
from portal.service import pool
from portal.service.pool import LIMITS, Limits, TaskError

COOKBOOK = "sql/cookbook.sql"
_HEADING = re.compile(r"^-- ## (.+)$", re.MULTILINE)
# Of a table that the schema does not know: nothing that SQL or Markdown would read otherwise.
_TABLE = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)
_MAX_TABLES = 200
# The key of rows as an Arrow stream, as the worker knows it.
_ROWS = "rows"


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


@contextmanager
def start(
    release: Release,
    sql: str,
    limits: Limits = LIMITS,
    key: str = _ROWS,
    left: threading.Event | None = None,
) -> Iterator[pool.Running]:
    """Start a statement; leaving the context ends it, finished or not.

    Parameters
    ----------
    release : Release
    sql : str
    limits : Limits
    key : str
        Of the format in which the answer is written; of rows for a page by default.
    left : threading.Event or None
        Set when nobody waits any more.

    Raises
    ------
    portal.service.pool.TaskError
        If the text is too long or too much is under way.
    """
    if len(sql) > limits.text:
        raise TaskError(f"The statement has {len(sql):,} characters; {limits.text:,} are allowed.")
    if not sql.strip():
        raise TaskError("Write a SELECT statement first.")
    with pool.start(partial(_make_task, release, sql, key), limits, left=left) as running:
        yield running


def read_outcome(answer: pool.Answer) -> Outcome:
    """Return the rows of an answered statement and what is told of it."""
    answer.file.seek(0)
    told = answer.header
    rows = pa.ipc.open_stream(answer.file).read_all()
    return Outcome(rows, told["is_cut"], told["plan"], told["bytes_read"], told["seconds"])


def ask_sql(release: Release, sql: str, limits: Limits = LIMITS) -> Outcome:
    """Run a statement to its end.

    Raises
    ------
    portal.service.pool.TaskError
        If it is refused, fails or breaks a limit.
    """
    with start(release, sql, limits) as running:
        return read_outcome(running.wait_for())


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
        if find_fault(root, path.relative_to(root).as_posix()) is None
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


def _list_faults(root: Path, served: Collection[str]) -> dict[str, str]:
    """Return what to tell whoever asks for a table that is not served."""
    lost = {name: path for name, path in DATASETS.items() if name not in served}
    faults = {name: find_fault(root, path) for name, path in lost.items()}
    return {
        name: f"`{lost[name]}` {fault}. {CHECK_ADVICE}"
        for name, fault in faults.items()
        if fault is not None
    }


def _make_task(release: Release, sql: str, key: str) -> dict[str, Any]:
    tables = list_tables(release.root)
    return {
        "faults": _list_faults(release.root, tables),
        "root": str(release.root),
        "definitions": list_macros(KINDS[release.kind]) if release.kind in KINDS else [],
        "sql": sql,
        "values": [],
        "format": key,
        "tables": {name: str(path) for name, path in tables.items()},
    }
