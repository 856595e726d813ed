"""Files that pages hand out: whole, with units and types, or not at all."""

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS
from questions import select

from portal.data.conditions import Filters
from portal.data.database import Connection
from portal.export import formats
from portal.service import files, pool


def test_export_keeps_units_and_type(con: Connection, release: Path) -> None:
    filters = Filters(words=(("tier", ("gold",)),))
    content = files.write_selection(con, release, filters, formats.PARQUET)
    rows = pq.read_table(io.BytesIO(content))
    assert rows["TARGETID"].to_pylist() == select(con, filters)
    assert "latent" in rows.column_names
    assert rows.schema.field("TARGET_RA").metadata[b"unit"] == b"deg"
    assert str(rows.schema.field("TARGETID").type) == "int64"


def test_export_is_whole_or_none(
    con: Connection, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WIDE", pool.Limits(rows=N_ROWS - 1))
    with pytest.raises(pool.TaskError, match="more than a file"):
        files.write_selection(con, release, Filters(), formats.PARQUET)
