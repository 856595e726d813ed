"""One task in a process of its own: what it reads, what it writes, and what it says of faults."""

import io
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portal.service import worker
from portal.service.pool import LIMITS

LIMITS_TOLD = asdict(LIMITS)


def run(task: dict[str, Any], rows: pa.Table | None = None) -> tuple[bytes, dict[str, Any]]:
    """Hand a task to the script as the pool does; return the content and the header."""
    given = io.BytesIO()
    given.write(json.dumps({"limits": LIMITS_TOLD, **task}).encode() + b"\n")
    if rows is not None:
        with pa.ipc.new_stream(given, rows.schema) as writer:
            writer.write_table(rows)
    with tempfile.TemporaryFile() as target:
        command = [sys.executable, "-I", worker.__file__]
        subprocess.run(
            command, input=given.getvalue(), stdout=target, check=True, timeout=120, env={}
        )
        target.seek(0)
        out = target.read()
    length = int.from_bytes(out[-worker.LENGTH_BYTES :], "big")
    end = len(out) - worker.LENGTH_BYTES
    return out[: end - length], json.loads(out[end - length : end])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    table = pa.table({"a": range(5000), "b": ["x", None] * 2500})
    pq.write_table(table, tmp_path / "points.parquet")
    return tmp_path


def ask(root: Path, sql: str, **more: Any) -> tuple[bytes, dict[str, Any]]:
    task = {
        "root": str(root),
        "tables": {"points": str(root / "points.parquet")},
        "faults": {"lost": "`lost.parquet` is missing."},
        "definitions": ["CREATE MACRO twice(x) AS 2 * x", "CREATE MACRO gone() AS TABLE FROM lost"],
        "values": [],
        "format": "rows",
        "sql": sql,
    }
    return run({**task, **more})


def read(content: bytes) -> dict[str, list[Any]]:
    return pa.ipc.open_stream(content).read_all().to_pydict()


def test_rows_come_with_plan_and_bytes(root: Path) -> None:
    content, told = ask(root, "SELECT twice(a) AS d FROM points ORDER BY a LIMIT 2;")
    assert read(content) == {"d": [0, 2]}
    assert (told["is_cut"], told["n_rows"]) == (False, 2)
    assert "points.parquet" in told["plan"] or "PARQUET" in told["plan"].upper()
    assert told["bytes_read"] > 0
    assert told["seconds"] >= 0


def test_given_values_are_values(root: Path) -> None:
    content, told = ask(root, "SELECT a FROM points WHERE a = ?", values=[7])
    assert read(content) == {"a": [7]}
    assert told["bytes_read"] is None


@pytest.mark.parametrize(
    ("limit", "n_rows", "is_cut"), [(4999, 4999, True), (5000, 5000, False), (1, 1, True)]
)
def test_rows_are_cut_at_the_limit_exactly(
    root: Path, limit: int, n_rows: int, is_cut: bool
) -> None:
    _, told = ask(root, "FROM points", limits={**LIMITS_TOLD, "rows": limit})
    assert (told["n_rows"], told["is_cut"]) == (n_rows, is_cut)


def test_rows_too_large_by_themselves_are_a_fault(root: Path) -> None:
    limits = {**LIMITS_TOLD, "result_bytes": 10}
    assert "ask for fewer columns" in ask(root, "FROM points", limits=limits)[1]["error"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("FROM lost", "`lost.parquet` is missing."),
        ("FROM nowhere", "nowhere does not exist"),
        ("SELECT 1; SELECT 2", "these are 2"),
        ("", "these are 0"),
        ("DELETE FROM points", "only SELECT is allowed here; this is DELETE"),
        ("SELECT 1 +", "syntax error"),
        ("SELECT error('a\nb')", "a"),
        ("FROM read_text('/etc/hostname')", "disabled"),
    ],
)
def test_a_fault_is_one_line_and_no_content(root: Path, sql: str, said: str) -> None:
    content, told = ask(root, sql)
    assert content == b""
    assert said in told["error"]
    assert "\n" not in told["error"]


def test_columns_of_one_name_keep_their_places(root: Path) -> None:
    content, _ = ask(root, 'SELECT 1 AS a, 2 AS a, 3 AS "x y"')
    table = pa.ipc.open_stream(content).read_all()
    assert table.column_names[2] == "x y"
    assert len(set(table.column_names)) == 3
    assert [column[0].as_py() for column in table.columns] == [1, 2, 3]


@pytest.mark.parametrize("key", ["json", "csv", "parquet", "votable", "fits"])
def test_rows_that_are_given_are_written(key: str) -> None:
    rows = pa.table({"a": [1, 2]})
    content, told = run({"format": key}, rows)
    assert content
    assert told["n_rows"] == 2
    if key == "parquet":
        assert pq.read_table(io.BytesIO(content)).to_pydict() == {"a": [1, 2]}


def test_a_damaged_table_is_told_when_it_is_asked_for(root: Path) -> None:
    path = root / "points.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    assert "error" in ask(root, "FROM points")[1]
    assert read(ask(root, "SELECT 1 AS one")[0]) == {"one": [1]}


def test_without_a_task_nothing_is_done() -> None:
    command = [sys.executable, "-I", worker.__file__]
    done = subprocess.run(command, input=b"", capture_output=True, check=True, timeout=120)
    assert done.stdout == b""
