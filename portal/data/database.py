"""The only door to DuckDB: lock a connection to a release's files, open them, fetch rows.

Written to the calls that DuckDB 1.5 and 2.0 share.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from threading import Lock
from typing import Any, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa

from catalog_schema import kinds, tables
from catalog_schema.column import Table
from catalog_schema.grids import Sampling
from catalog_schema.vocabulary import Tier
from portal.data.checksums import LIST, count_late, read_state
from portal.data.index import MEMORY_LIMIT, attach_rows, lock
from portal.data.own_columns import read_table
from portal.data.quoting import quote_name, quote_text
from portal.data.releases import (
    ABSENT,
    CHECK_ADVICE,
    MISSING,
    AbsentError,
    ReleaseError,
    find_fault,
    open_release,
)

FILES = kinds.SPECTRA.files

Values = list[object]
_Rows = TypeVar("_Rows")
_connecting = Lock()

# Every published table under the name that SQL gives it.
DATASETS = {PurePath(path).stem: path for path in FILES}
# The pages' name of a release's main table, whatever is listed in it.
MAIN = "catalogue"
SCHEMAS = {MAIN: tables.QUASARS} | {PurePath(path).stem: table for path, table in FILES.items()}
# Without it there is nothing to open.
IDENTIFIER = "TARGETID"
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


@dataclass(frozen=True)
class Connection:
    """A release opened for reading.

    Attributes
    ----------
    locked : duckdb.DuckDBPyConnection
        Which reads the release's files and nothing else.
    paths : mapping of str to str
        Dataset: where it lies below the release.
    table : Table
        The columns that the main table has.
    sampling : Sampling
        Grid and arms of the published spectra.
    """

    locked: duckdb.DuckDBPyConnection
    paths: Mapping[str, str]
    table: Table
    sampling: Sampling

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the columns of the schema that the main table does without."""
        # SQL tells names not by their case.
        present = {name.lower() for name in self.table.names}
        return tuple(name for name in SCHEMAS[MAIN].names if name.lower() not in present)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor of one's own: pages run in parallel threads."""
        return self.locked.cursor()


def connect(root: Path) -> Connection:
    """Open a release for reading, locked to its directory.

    A dataset that is missing or damaged is reported when it is asked for, so that one bad file
    does not close every page.

    Raises
    ------
    portal.data.releases.ReleaseError
        If its manifest cannot be read.
    """
    con = duckdb.connect()
    beside = {name: path for name, path in DATASETS.items() if path != kinds.SPECTRA.main_file}
    release = open_release(root)
    paths = {MAIN: release.catalogue, **beside}
    faults = {dataset: find_fault(root, path) for dataset, path in paths.items()}
    files = {name: (root / paths[name]).resolve() for name, fault in faults.items() if not fault}
    con.execute("CREATE TABLE faults (dataset VARCHAR, fault VARCHAR)").fetchall()
    # First of all: whatever a release may hold, nothing else can be read through it.
    lock(con, files.values(), parquet_metadata_cache="true", memory_limit=f"'{MEMORY_LIMIT}'")
    for dataset, fault in faults.items():
        told = fault or _mount(con, dataset, files[dataset])
        con.execute("INSERT INTO faults VALUES (?, ?)", [dataset, told]).fetchall()
    main = _read_main(files.get(MAIN), release.declared.main_table)
    return Connection(con, paths, main, release.sampling)


def _read_main(path: Path | None, schema: Table) -> Table:
    """Return the columns of the main table; of one that cannot be read, those that it should have.

    What is wrong with it is told when it is asked for.
    """
    try:
        return schema if path is None else read_table(path, schema)
    except (OSError, pa.ArrowException):
        return schema


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
    names = ("manifest.json", LIST, *FILES)
    places = dict.fromkeys([*(root / name for name in names), *sorted(root.glob("catalog/*"))])
    states = [read_state(place) for place in places]
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
        if name in con.paths
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

    def ask(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
        row = cursor.execute(sql, values).fetchone()
        names = [column[0] for column in cursor.description or ()]
        return None if row is None else dict(zip(names, row, strict=True))

    return _guard(con, dataset, ask)


def fetch_beside(con: Connection, dataset: str, sql: str, mine: pa.Table) -> pa.Table:
    """Run a question about one dataset and a table of the visitor's, which SQL calls ``mine``."""

    def ask(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
        cursor.register("mine", mine)
        return cursor.sql(sql).to_arrow_table()

    return _guard(con, dataset, ask)


def _mount(con: duckdb.DuckDBPyConnection, dataset: str, path: Path) -> str | None:
    """Make a view of a file; return what is wrong with it, or None."""
    try:
        relation = con.read_parquet(str(path))
        kinds = dict(zip(relation.columns, relation.types, strict=True))
        if fault := _find_misfit(dataset, kinds):
            return fault
        filled = ", ".join(["*", *_fill_missing(dataset, relation.columns)])
        select = f"SELECT {filled} FROM read_parquet({quote_text(path)})"
        con.execute(f'CREATE VIEW "{dataset}" AS {select}').fetchall()
        if dataset == MAIN:
            attach_rows(con, path, select)
    except duckdb.Error:
        return "is damaged: it is not a readable Parquet file"
    return None


def _find_misfit(dataset: str, kinds: dict[str, Any]) -> str | None:
    if dataset == MAIN and IDENTIFIER not in kinds:
        return _tell_misfit(f"{IDENTIFIER} is missing")
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
    """Return what stands in the place of columns that a release does without.

    Nulls, so that each question can be asked of every release; nothing is graded without tiers.
    Releases of schemas before 1.7.0 have one list, which joint_p_value grades.
    """
    columns = SCHEMAS[dataset].columns
    taken = {IDENTIFIER.lower(), *(name.lower() for name in present)}
    missing = [c for c in columns if c.name.lower() not in taken]
    values = {"tier": quote_text(Tier.NONE.value)}
    if "joint_p_value" in present:
        values["finding_p_value"] = "joint_p_value"
    return [
        f"{values.get(c.name, 'NULL')}::{_SQL_TYPES[str(c.type)]}{'[]' if c.array else ''} "
        f"AS {quote_name(c.name)}"
        for c in missing
    ]


def _guard(
    con: Connection, dataset: str, ask: Callable[[duckdb.DuckDBPyConnection], _Rows]
) -> _Rows:
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
    path = con.paths[dataset]
    if fault == ABSENT and dataset != MAIN:
        raise AbsentError(f"`{path}` {fault}.")
    raise ReleaseError(f"`{path}` {MISSING if fault == ABSENT else fault}. {CHECK_ADVICE}")
