"""DuckDB for tables that are larger than memory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

# Beyond it DuckDB sorts, joins and groups on disk.
_MEMORY = "3GB"


@contextmanager
def open_engine(folder: Path | None = None) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open DuckDB in bounded memory.

    Parameters
    ----------
    folder : Path, optional
        Where what does not fit in memory may lie; by default the system's temporary folder.
    """
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix="qad-", dir=folder) as scratch,
        duckdb.connect() as connection,
    ):
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET temp_directory = ?", [scratch])
        yield connection


def query(text: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows that answer one question, asked in bounded memory.

    Parameters
    ----------
    text : str
        SQL with a ``?`` for each value.
    *values
    """
    with open_engine() as engine:
        return engine.execute(text, values).fetchall()
