"""One visitor's SQL question in a process of its own, which its limits or its parent may end.

Runs as a script: a request as JSON on standard input; on standard output a line of JSON, then the
rows as an Arrow stream. Nothing of it outlives the question, whatever the question did.
"""

import contextlib
import json
import os
import resource
import sys
import time
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

_BATCH_ROWS = 2048
# Beside DuckDB's own limit: libraries, stacks of threads, rows on their way out.
_OVERHEAD_BYTES = 3 << 30
_OPEN_FILES = 256


def answer(request: dict[str, Any], out: BinaryIO) -> None:
    """Run one SELECT below the request's limits and write header and rows."""
    limits = request["limits"]
    _limit_process(limits)
    # Paths in recipes are relative to the release's folder.
    os.chdir(request["root"])
    started = time.monotonic()
    try:
        con = _open(request["tables"], request["macros"], limits)
        sql = _read_select(con, request["sql"])
        header: dict[str, Any] = {"plan": _explain(con, sql)}
        con.execute("SET enable_profiling = 'no_output'").fetchall()
        rows, is_cut = _fetch(con, sql, limits)
        header |= {"bytes_read": _count_bytes(con), "is_cut": is_cut}
    except (duckdb.Error, ValueError, MemoryError, RecursionError) as fault:
        # A fault of the worker is told as the visitor's statement failing, in one line.
        header, rows = {"error": _write_fault(fault)}, pa.table({})
    header["seconds"] = time.monotonic() - started
    out.write(json.dumps(header).encode() + b"\n")
    with pa.ipc.new_stream(out, rows.schema) as writer:
        writer.write_table(rows)


def _limit_process(limits: dict[str, int]) -> None:
    ceilings = {
        resource.RLIMIT_AS: limits["memory_bytes"] + _OVERHEAD_BYTES,
        resource.RLIMIT_CPU: limits["seconds"] * limits["threads"] + 1,
        resource.RLIMIT_FSIZE: 2 * limits["result_bytes"],
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, ceiling in ceilings.items():
        # Not every system knows every ceiling; DuckDB's own limits hold on all.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (ceiling, ceiling))


def _open(
    tables: dict[str, str], macros: list[str], limits: dict[str, int]
) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    # First of all, so that nothing in a file of the release can open another one.
    paths = ", ".join("'{}'".format(path.replace("'", "''")) for path in tables.values())
    for setting in (
        f"memory_limit = '{limits['memory_bytes']}B'",
        f"threads = {limits['threads']}",
        "temp_directory = ''",
        f"allowed_paths = [{paths}]",
        "enable_external_access = false",
    ):
        con.execute(f"SET {setting}").fetchall()
    for name, path in tables.items():
        with contextlib.suppress(duckdb.Error):
            con.read_parquet(path).create_view(name)
    for macro in macros:
        # One of a table that a subset lacks must not take the others away.
        with contextlib.suppress(duckdb.Error):
            con.execute(macro).fetchall()
    return con


def _read_select(con: duckdb.DuckDBPyConnection, text: str) -> str:
    statements = con.extract_statements(text)
    if len(statements) != 1:
        raise ValueError(f"give one SELECT statement; these are {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise ValueError(f"only SELECT is allowed here; this is {kind}")
    return str(statements[0].query).strip().rstrip(";")


def _explain(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    return str(con.execute(f"EXPLAIN {sql}").fetchall()[0][1])


def _fetch(con: duckdb.DuckDBPyConnection, sql: str, limits: dict[str, int]) -> tuple[Any, bool]:
    """Return rows up to the limits, and whether there were more."""
    con.execute("SET lock_configuration = true").fetchall()
    # As a subquery a statement can only read, and the limit reaches into it.
    relation = con.sql(f"SELECT * FROM (\n{sql}\n) LIMIT {limits['rows'] + 1}")
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
    if text := sys.stdin.read():
        answer(json.loads(text), sys.stdout.buffer)
        sys.stdout.buffer.flush()
        # The rows are out; to take all libraries down again would keep them waiting.
        os._exit(0)
