"""One task in a process of its own, which its limits or its parent may end.

Runs as a script: on standard input a task as a line of JSON, with the rows as an Arrow stream after
it where they are given; on standard output what was asked for, then the header as JSON, then the
header's length. Nothing of it outlives the task, whatever the task did.
"""

import contextlib
import json
import os
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

# Run by its path, isolated from its parent's environment: the packages beside it are its own.
sys.path.insert(0, str(Path(__file__).parents[2]))
from portal.data.quoting import quote_name, quote_text
from portal.export import cells, formats

# The key of rows as an Arrow stream, for the pages.
ROWS = "rows"
LENGTH_BYTES = 8
_BATCH_ROWS = 2048
# Beside DuckDB's own limit: libraries, stacks of threads, rows on their way out.
_OVERHEAD_BYTES = 3 << 30
_OPEN_FILES = 256
# Behind the server, which must answer while all processes work.
_NICENESS = 10
# What Arrow and files hold as DuckDB means it; all else becomes DuckDB's text of it.
_PLAIN = {
    "boolean",
    "tinyint",
    "smallint",
    "integer",
    "bigint",
    "utinyint",
    "usmallint",
    "uinteger",
    "ubigint",
    "hugeint",
    "float",
    "double",
    "decimal",
    "varchar",
    "blob",
    "null",
    "sqlnull",
}
_TEMPORAL = {
    "date",
    "time",
    "time_ns",
    "timestamp",
    "timestamp_s",
    "timestamp_ms",
    "timestamp_ns",
    "timestamp with time zone",
}
_NESTED = {"list", "array", "struct", "map"}


def work(task: dict[str, Any], source: BinaryIO, out: BinaryIO) -> None:
    """Do a task below its limits and write the answer and its header."""
    limits = task["limits"]
    _limit_process(limits)
    started = time.monotonic()
    header: dict[str, Any] = {"is_cut": False}
    try:
        if "sql" in task:
            os.chdir(task["root"])
            rows = _ask(task, header)
        else:
            rows = pa.ipc.open_stream(source).read_all()
        header["n_rows"] = rows.num_rows
        _write(out, rows, task["format"], limits, is_cut=header["is_cut"])
    except (
        duckdb.Error,
        pa.ArrowException,
        ValueError,
        OSError,
        MemoryError,
        RecursionError,
    ) as fault:
        # A fault of the worker is told as the visitor's statement failing, in one line.
        header = {"error": _write_fault(fault)}
        out.seek(0)
        out.truncate()
    header["seconds"] = time.monotonic() - started
    content = json.dumps(header).encode()
    out.write(content + len(content).to_bytes(LENGTH_BYTES, "big"))


def _limit_process(limits: dict[str, int]) -> None:
    ceilings = {
        resource.RLIMIT_AS: limits["memory_bytes"] + _OVERHEAD_BYTES,
        resource.RLIMIT_CPU: limits["seconds"] * limits["threads"] + 1,
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, ceiling in ceilings.items():
        # Not every system knows every ceiling; DuckDB's own limits hold on all.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (ceiling, ceiling))
    os.nice(_NICENESS)


def _ask(task: dict[str, Any], header: dict[str, Any]) -> pa.Table:
    try:
        return _answer(_open(task), task, header)
    except duckdb.CatalogException as error:
        lost = re.search(r"Table with name (\S+) does not exist", str(error))
        if lost and (fault := task["faults"].get(lost[1].lower())):
            raise ValueError(fault) from None
        raise


def _answer(
    con: duckdb.DuckDBPyConnection, task: dict[str, Any], header: dict[str, Any]
) -> pa.Table:
    sql = _read_select(con, task["sql"])
    if not task["values"]:
        header["plan"] = str(con.execute(f"EXPLAIN {sql}").fetchall()[0][1])
        con.execute("SET enable_profiling = 'no_output'").fetchall()
    con.execute("SET lock_configuration = true").fetchall()
    rows, header["is_cut"] = _fetch(con, sql, task)
    header["bytes_read"] = None if task["values"] else _count_bytes(con)
    return rows


def _open(task: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    con, limits = duckdb.connect(), task["limits"]
    # First of all, so that nothing in a file of the release can open another one.
    paths = ", ".join(map(quote_text, task["tables"].values()))
    for setting in (
        f"memory_limit = '{limits['memory_bytes']}B'",
        f"threads = {limits['threads']}",
        "temp_directory = ''",
        f"allowed_paths = [{paths}]",
        "enable_external_access = false",
    ):
        con.execute(f"SET {setting}").fetchall()
    for name, path in task["tables"].items():
        with contextlib.suppress(duckdb.Error):
            con.read_parquet(path).create_view(name)
    for definition in task["definitions"]:
        # One of a table that a subset lacks must not take the others away.
        with contextlib.suppress(duckdb.Error):
            con.execute(definition).fetchall()
    return con


def _read_select(con: duckdb.DuckDBPyConnection, text: str) -> str:
    statements = con.extract_statements(text)
    if len(statements) != 1:
        raise ValueError(f"give one SELECT statement; these are {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise ValueError(f"only SELECT is allowed here; this is {kind}")
    return str(statements[0].query).strip().rstrip(";")


def _fetch(con: duckdb.DuckDBPyConnection, sql: str, task: dict[str, Any]) -> tuple[pa.Table, bool]:
    """Return rows up to the limits, and whether there were more."""
    limits, values = task["limits"], task["values"]
    # As a subquery a statement can only read, and the limit reaches into it.
    bound = con.sql(f"SELECT * FROM (\n{sql}\n) LIMIT {limits['rows'] + 1}", params=values)
    keeps_times = task["format"] == "parquet"
    found = enumerate(zip(bound.columns, bound.types, strict=True))
    chosen = [_choose(i, name, kind, keeps_times=keeps_times) for i, (name, kind) in found]
    names = ", ".join(f"c{i}" for i in range(len(chosen)))
    # The columns go by their places: a visitor may give two of them one name.
    relation = con.sql(
        f"SELECT {', '.join(chosen)} FROM (\n{sql}\n) AS asked({names}) LIMIT {limits['rows'] + 1}",
        params=values,
    )
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    batches, n_rows, n_bytes = [], 0, 0
    for batch in reader:
        batches.append(batch)
        n_rows += batch.num_rows
        n_bytes += batch.nbytes
        if n_bytes > limits["result_bytes"]:
            if len(batches) == 1:
                raise ValueError(
                    f"the result is larger than {limits['result_bytes'] >> 20} MiB: ask for fewer "
                    "columns or rows"
                )
            return pa.Table.from_batches(batches[:-1], reader.schema), True
    table = pa.Table.from_batches(batches, reader.schema)
    return table.slice(0, limits["rows"]), n_rows > limits["rows"]


def _choose(place: int, name: str, kind: Any, *, keeps_times: bool) -> str:
    """Return a column as it leaves DuckDB, under its own name."""
    quoted = quote_name(name)
    if _is_plain(kind, keeps_times=keeps_times):
        return f"c{place} AS {quoted}"
    text = f"CAST(c{place} AS VARCHAR)"
    if str(kind).lower().startswith("timestamp"):
        # As ISO 8601 writes it.
        text = f"replace({text}, ' ', 'T')"
    return f"{text} AS {quoted}"


def _is_plain(kind: Any, *, keeps_times: bool) -> bool:
    if kind.id in _NESTED:
        parts = [part for name, part in kind.children if name != "size"]
        return all(_is_plain(part, keeps_times=keeps_times) for part in parts)
    return str(kind.id) in _PLAIN or (keeps_times and str(kind).lower() in _TEMPORAL)


def _write(
    out: BinaryIO, rows: pa.Table, key: str, limits: dict[str, int], *, is_cut: bool
) -> None:
    if key == ROWS:
        with pa.ipc.new_stream(out, rows.schema) as writer:
            writer.write_table(rows)
        return
    n_cells = sum(cells.count_cells(values) for values in rows.columns)
    if key != "parquet" and n_cells > limits["cells"]:
        raise ValueError(
            f"{n_cells:,} values are more than the {limits['cells']:,} that are written as {key}: "
            "ask for fewer columns or rows, or for Parquet"
        )
    formats.write_to(out, rows, key, is_cut=is_cut)


def _count_bytes(con: duckdb.DuckDBPyConnection) -> int | None:
    profile = json.loads(con.get_profiling_information())
    # A result that was cut leaves no profile.
    found = profile.get("io", {}).get("total_bytes_read")
    return None if found is None else int(found)


def _write_fault(fault: Exception) -> str:
    lines = [line for line in str(fault).splitlines() if line.strip()]
    return lines[0] if lines else type(fault).__name__


if __name__ == "__main__":
    # Nothing comes where the portal ends first.
    if line := sys.stdin.buffer.readline():
        # Its own handle, which can be set back where a fault comes in the middle of a file.
        with open(1, "w+b", closefd=False) as target:
            work(json.loads(line), sys.stdin.buffer, target)
        # The answer is out; to take all libraries down again would keep it waiting.
        os._exit(0)
