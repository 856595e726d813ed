"""A local copy of the catalogue's plain columns and latents, for what Parquet is slow at."""

import contextlib
import hashlib
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

import duckdb

from catalog_schema.contents import STRANGEST_FIRST
from catalog_schema.desi import HEALPIX_ORDER
from portal.data.cache import make_folder
from portal.data.conditions import WHY_HIDDEN, find_cell
from portal.data.quoting import quote_name, quote_text

# What the page of an object asks of its arrays.
ARRAYS = ("departures", "emission_wave", "absorption_wave")
# Small ones: a row of eighty columns touches a block of each, 20 MB in blocks of DuckDB's own size.
_BLOCK_BYTES, _GROUP_ROWS = 16_384, 16_384
# What DuckDB may hold of one release; the rest of the machine's memory caches its files.
MEMORY_LIMIT = "2GiB"
_LEFT_SECONDS = 3600
_GRADED = f"FROM rows WHERE tier <> 'none' ORDER BY {STRANGEST_FIRST}"
# Sums of the unit vectors of all objects in a pixel, of which the sky map has the mean positions.
_CELLS = f"""SELECT {find_cell(HEALPIX_ORDER)} AS cell,
    sum(cos(radians(TARGET_DEC)) * cos(radians(TARGET_RA))) AS x,
    sum(cos(radians(TARGET_DEC)) * sin(radians(TARGET_RA))) AS y,
    sum(sin(radians(TARGET_DEC))) AS z FROM rows GROUP BY cell"""


def lock(con: duckdb.DuckDBPyConnection, files: Iterable[Path], **settings: str) -> None:
    """Shut everything but some files and the folder of indexes; settings are of all cursors."""
    paths = ", ".join(map(quote_text, files))
    try:
        folders = quote_text(make_folder())
    except OSError:
        folders = ""
    shut = {
        "allowed_paths": f"[{paths}]",
        "allowed_directories": f"[{folders}]",
        "enable_external_access": "false",
        "lock_configuration": "true",
    }
    for name, value in (settings | shut).items():
        con.execute(f"SET GLOBAL {name} = {value}").fetchall()


def attach_rows(con: duckdb.DuckDBPyConnection, source: Path, select: str) -> None:
    """Make ``rows``, ``graded`` (strangest first), ``graded_arrays``, ``cells`` and ``latents``.

    They are read from an index file that is made on the first call for a catalogue and kept; where
    none can be kept they are views of the catalogue itself, which answer the same, only slower.

    Parameters
    ----------
    con : DuckDBPyConnection
        With the view ``catalogue``, locked to the catalogue and the folder of indexes.
    source : Path
        The catalogue's Parquet file.
    select : str
        The view's SELECT, of which the columns without arrays and the latents are kept.
    """
    described = con.execute("DESCRIBE catalogue").fetchall()
    plain = ", ".join(quote_name(row[0]) for row in described if not row[1].endswith("]"))
    rows = f"SELECT {plain}, {WHY_HIDDEN} AS hidden FROM ({select})"
    arrays = f"SELECT TARGETID, {', '.join(ARRAYS)} FROM ({select}) WHERE tier <> 'none'"
    relations = {"rows": rows, "graded": _GRADED, "cells": _CELLS, "graded_arrays": arrays}
    try:
        relations["latents"] = _select_latents(con, select)
        path = _find_index(source, relations)
        con.execute(f"ATTACH {quote_text(path)} AS local (READ_ONLY)").fetchall()
        for name in relations:
            con.execute(f"CREATE VIEW {name} AS FROM local.{name}").fetchall()
    # A full or forbidden disk must not close the portal; damage is told by the views.
    except (OSError, duckdb.Error):
        for name, relation in relations.items():
            # What a catalogue lacks is told when it is asked for.
            with contextlib.suppress(duckdb.Error):
                con.execute(f"CREATE OR REPLACE VIEW {name} AS {relation}").fetchall()


def _select_latents(con: duckdb.DuckDBPyConnection, select: str) -> str:
    """Return the SELECT of all latents, as arrays of one size, which DuckDB compares fast."""
    known = f"FROM ({select}) WHERE latent IS NOT NULL"
    found = con.execute(f"SELECT len(latent) {known} LIMIT 1").fetchall()
    size = found[0][0] if found else 1
    return f"SELECT TARGETID, latent::FLOAT[{size}] AS latent {known}"


def _find_index(source: Path, relations: dict[str, str]) -> Path:
    """Return the index file of a catalogue, made now if it is not there."""
    state = source.stat()
    place = _digest(str(source.resolve()))
    layout = (_BLOCK_BYTES, _GROUP_ROWS, duckdb.__version__)
    content = _digest(state.st_mtime_ns, state.st_size, relations, layout)
    folder = make_folder()
    path = folder / f"{place}-{content}.duckdb"
    if not path.exists():
        partial = path.with_suffix(f".{uuid.uuid4().hex}")
        try:
            _build(partial, source, relations)
            for other in folder.glob(f"{place}-*"):
                if other.suffix == ".duckdb" or _is_left(other):
                    other.unlink(missing_ok=True)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def _is_left(path: Path) -> bool:
    """Return whether a file is what a process that was killed has left."""
    return path.is_file() and time.time() - path.stat().st_mtime > _LEFT_SECONDS


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _build(path: Path, source: Path, relations: dict[str, str]) -> None:
    with duckdb.connect() as con:
        con.execute("SET enable_progress_bar = false").fetchall()
        spilled = quote_text(f"{path}.spilled")
        lock(con, [source], memory_limit=f"'{MEMORY_LIMIT}'", temp_directory=spilled)
        for statement in (
            f"""ATTACH {quote_text(path)} AS built
            (BLOCK_SIZE {_BLOCK_BYTES}, ROW_GROUP_SIZE {_GROUP_ROWS})""",
            "USE built",
        ):
            con.execute(statement).fetchall()
        for name, relation in relations.items():
            con.execute(f"CREATE TABLE {name} AS {relation}").fetchall()
        con.execute("CREATE INDEX by_id ON rows (TARGETID)").fetchall()
