"""Files that pages hand out, written by the processes of the pool."""

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from portal.data import catalogue
from portal.data.conditions import Filters
from portal.data.database import Connection, list_definitions
from portal.export.formats import Format
from portal.service import pool
from portal.service.visitor_sql import list_tables


def write_rows(rows: pa.Table, kind: Format) -> bytes:
    """Return rows that a page has as the content of a file.

    Raises
    ------
    portal.service.pool.TaskError
        If too much is under way or they are too many.
    """
    return pool.render(lambda: {"format": kind.key}, pool.WIDE, rows)


def write_selection(con: Connection, root: Path, filters: Filters, kind: Format) -> bytes:
    """Return every column of the rows that pass the filters, strangest first, as a file.

    Raises
    ------
    portal.service.pool.TaskError
        If too much is under way or they are too many.
    """
    return pool.render(partial(_make_task, con, root, filters, kind), pool.WIDE)


def _make_task(con: Connection, root: Path, filters: Filters, kind: Format) -> dict[str, Any]:
    sql, values = catalogue.select_rows(con, filters)
    return {
        "root": str(root),
        "definitions": list_definitions(con),
        "sql": sql,
        "values": values,
        "format": kind.key,
        "faults": {},
        "tables": {name: str(path) for name, path in list_tables(root).items()},
    }
