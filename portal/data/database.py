"""The only door to DuckDB: lock a connection to a release's files, open them, fetch rows.

Written to the calls that DuckDB 1.5 and 2.0 share.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePath
from threading import Lock
from typing import Any, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa

from catalog_schema import tables
from catalog_schema.contents import FILES
from portal.data.checksums import LIST, count_late, read_state
from portal.data.index import MEMORY_LIMIT, attach_rows, lock
from portal.data.quoting import quote_text
from portal.data.releases import CHECK_ADVICE, ReleaseError, find_fault

Connection = duckdb.DuckDBPyConnection
Values = list[object]
_Rows = TypeVar("_Rows")
_connecting = Lock()

# Every published table under the name that SQL gives it.
DATASETS = {PurePath(path).stem: path for path in FILES}
SCHEMAS = {PurePath(path).stem: table for path, table in FILES.items()}
FIRST_VERSION = "1.0.0"
_SQL_TYPES = {
    "string": "VARCHAR",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
}
# What a column may be in DuckDB where the schema wants a number.
_FLOATS = {"float", "double"}
_INTEGERS = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger"}


def connect(root: Path) -> Connection:
    """Open a release for reading, locked to its directory.

    A dataset that is missing or damaged is reported when it is asked for, so that one bad file
    does not close every page.
    """
    con = duckdb.connect()
    faults = {dataset: find_fault(root, path) for dataset, path in DATASETS.items()}
    files = {name: (root / DATASETS[name]).resolve() for name, fault in faults.items() if not fault}
    con.execute("CREATE TABLE faults (dataset VARCHAR, fault VARCHAR)").fetchall()
    # First of all: whatever a release may hold, nothing else can be read through it.
    lock(con, files.values(), parquet_metadata_cache="true", memory_limit=f"'{MEMORY_LIMIT}'")
    for dataset, fault in faults.items():
        told = fault or _mount(con, dataset, files[dataset])
        con.execute("INSERT INTO faults VALUES (?, ?)", [dataset, told]).fetchall()
    return con


def connect_once(root: Path) -> Connection:
    """Return the connection to a release, a new one if the release was replaced meanwhile."""
    # Two first visitors at once would otherwise both make the index.
    with _connecting:
        return _connect_once(root, stamp(root))


def stamp(root: Path) -> int:
    """Return a number that changes when a file that the pages read does, or its verdict.

    Raises
    ------
    portal.data.releases.ReleaseError
        If the release is gone.
    """
    states = [read_state(root / name) for name in ("manifest.json", LIST, *FILES)]
    if states[0] is None:
        raise ReleaseError(f"release `{root.name}` has no manifest.json any more. {CHECK_ADVICE}")
    return hash((*states, count_late()))


@lru_cache(maxsize=8)
def _connect_once(root: Path, _: int) -> Connection:
    return connect(root)


def list_definitions(con: Connection) -> list[str]:
    """Return the statements that make the views of a release's tables."""
    sql = "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal"
    return [
        f"CREATE OR REPLACE {definition.removeprefix('CREATE ')}"
        for name, definition in con.cursor().execute(sql).fetchall()
        if name in DATASETS
    ]


def fetch(con: Connection, dataset: str, sql: str, values: Values | None = None) -> pd.DataFrame:
    """Run a question about one dataset.

    Raises
    ------
    portal.data.releases.ReleaseError
        If the dataset's file is missing, damaged or of another schema.
    """
    return _guard(con, dataset, lambda cursor: cursor.execute(sql, values or []).df())


def fetch_arrow(con: Connection, dataset: str, sql: str, values: Values) -> pa.Table:
    """Run a question as `fetch` does and return Arrow, which keeps array columns flat."""
    return _guard(con, dataset, lambda cursor: cursor.sql(sql, params=values).to_arrow_table())


def fetch_first(con: Connection, dataset: str, sql: str, values: Values) -> dict[str, Any] | None:
    """Run a question as `fetch` does and return the first row, or None where there is none."""

    def ask(cursor: Connection) -> dict[str, Any] | None:
        row = cursor.execute(sql, values).fetchone()
        names = [column[0] for column in cursor.description or ()]
        return None if row is None else dict(zip(names, row, strict=True))

    return _guard(con, dataset, ask)


def fetch_beside(con: Connection, dataset: str, sql: str, mine: pa.Table) -> pa.Table:
    """Run a question about one dataset and a table of the visitor's, which SQL calls ``mine``."""

    def ask(cursor: Connection) -> pa.Table:
        cursor.register("mine", mine)
        return cursor.sql(sql).to_arrow_table()

    return _guard(con, dataset, ask)


def _mount(con: Connection, dataset: str, path: Path) -> str | None:
    """Make a view of a file; return what is wrong with it, or None."""
    try:
        relation = con.read_parquet(str(path))
        kinds = dict(zip(relation.columns, relation.types, strict=True))
        if fault := _find_misfit(dataset, kinds):
            return fault
        filled = ", ".join(["*", *_fill_missing(dataset, relation.columns)])
        select = f"SELECT {filled} FROM read_parquet({quote_text(path)})"
        con.execute(f'CREATE VIEW "{dataset}" AS {select}').fetchall()
        if dataset == "quasars":
            attach_rows(con, path, select)
    except duckdb.Error:
        return "is damaged: it is not a readable Parquet file"
    return None


def _find_misfit(dataset: str, kinds: dict[str, Any]) -> str | None:
    for column in SCHEMAS[dataset].columns:
        kind = kinds.get(column.name)
        if kind is None:
            continue
        if column.array and kind.id in ("list", "array"):
            kind = kind.children[0][1]
        elif column.array:
            return _tell_misfit(f"{column.name} is no array")
        if kind.id not in _list_kinds(column.type):
            return _tell_misfit(f"{column.name} is {kind.id}")
    return None


def _list_kinds(wanted: pa.DataType) -> set[str]:
    if pa.types.is_floating(wanted):
        return _FLOATS
    if pa.types.is_integer(wanted):
        return _INTEGERS
    return {"boolean"} if pa.types.is_boolean(wanted) else {"varchar", "enum"}


def _tell_misfit(reason: str) -> str:
    return f"does not fit schema {tables.SCHEMA_VERSION} of this portal ({reason})"


def _fill_missing(dataset: str, present: list[str]) -> list[str]:
    """Return null columns for what later schemas brought; what was always there must be there."""
    missing = [
        column
        for column in SCHEMAS[dataset].columns
        if column.name not in present and (column.nullable or column.since != FIRST_VERSION)
    ]
    return [
        f'NULL::{_SQL_TYPES[str(c.type)]}{"[]" if c.array else ""} AS "{c.name}"' for c in missing
    ]


def _guard(con: Connection, dataset: str, ask: Callable[[Connection], _Rows]) -> _Rows:
    # A cursor of its own: pages run in parallel threads.
    cursor = con.cursor()
    found = cursor.execute("SELECT fault FROM faults WHERE dataset = ?", [dataset]).fetchall()
    fault = found[0][0]
    if fault is None:
        try:
            return ask(cursor)
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            fault = _tell_misfit(str(error).splitlines()[0])
        except (duckdb.FatalException, duckdb.InternalException):
            # After it nothing more can be asked of this connection: the next visitor gets another.
            _connect_once.cache_clear()
            fault = "is damaged: its rows cannot be read"
        except duckdb.Error:
            fault = "is damaged: its rows cannot be read"
    raise ReleaseError(f"`{DATASETS[dataset]}` {fault}. {CHECK_ADVICE}")
