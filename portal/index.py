"""A local copy of the catalogue's plain columns, indexed, for look-ups that Parquet is slow at."""

import contextlib
import hashlib
import os
import tempfile
import uuid
from pathlib import Path

import duckdb

CACHE_VARIABLE = "QAD_CACHE"


def attach_rows(con: duckdb.DuckDBPyConnection, source: Path, select: str) -> None:
    """Make the relations ``rows`` and ``graded`` (graded objects, strangest first).

    Both are read from an index file that is made on the first call for a catalogue and kept; where
    none can be kept they are views of the catalogue itself, which answer the same, only slower.

    Parameters
    ----------
    con : DuckDBPyConnection
        With the view ``quasars``; not locked yet.
    source : Path
        The catalogue's Parquet file.
    select : str
        The view's SELECT, of which the columns without arrays are kept.
    """
    described = con.execute("DESCRIBE quasars").fetchall()
    plain = ", ".join(f'"{row[0]}"' for row in described if not row[1].endswith("]"))
    rows = f"SELECT {plain} FROM ({select})"
    try:
        path = _find_index(source, rows)
        con.execute(f"ATTACH '{path}' AS local (READ_ONLY)").fetchall()
        con.execute("CREATE VIEW rows AS FROM local.rows").fetchall()
        con.execute("CREATE VIEW graded AS FROM local.graded").fetchall()
    # A full or forbidden disk must not close the portal; damage is told by the views.
    except (OSError, duckdb.Error):
        con.execute(f"CREATE OR REPLACE VIEW rows AS SELECT {plain} FROM quasars").fetchall()
        # A catalogue without tiers is told when it is asked for them.
        with contextlib.suppress(duckdb.Error):
            con.execute(
                "CREATE OR REPLACE VIEW graded AS FROM rows WHERE tier <> 'none'"
            ).fetchall()


def _find_index(source: Path, rows: str) -> str:
    """Return the index file of a catalogue, made now if it is not there."""
    state = source.stat()
    place = _digest(str(source.resolve()))
    content = _digest(state.st_mtime_ns, state.st_size, rows, duckdb.__version__)
    folder = _make_folder()
    path = folder / f"{place}-{content}.duckdb"
    if not path.exists():
        partial = path.with_suffix(f".{uuid.uuid4().hex}")
        try:
            _build(partial, rows)
            for outdated in folder.glob(f"{place}-*.duckdb"):
                outdated.unlink(missing_ok=True)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return str(path).replace("'", "''")


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _build(path: Path, rows: str) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute(f"CREATE TABLE rows AS {rows}").fetchall()
        con.execute("CREATE INDEX by_id ON rows (TARGETID)").fetchall()
        con.execute(
            "CREATE TABLE graded AS FROM rows WHERE tier <> 'none' "
            "ORDER BY anomaly_score DESC, TARGETID"
        ).fetchall()


def _make_folder() -> Path:
    default = Path(tempfile.gettempdir()) / f"desi-qad-portal-{os.getuid()}"
    folder = Path(os.environ.get(CACHE_VARIABLE, default))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # In a folder that all may write, another's file could lie where ours is expected.
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder
