"""The graded rows as ECSV: lines of text below a header of types, units and descriptions.

Source: Astropy Proposal for Enhancement 6.
"""

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from release.faces.astropy_table import (
    accepting_desi_units,
    keep_texts,
    read_graded,
    select,
    to_line,
)
from release.faces.face import Face, Manifest
from release.manifest import find_kind, read_kind

FILE = "vo/anomalies.ecsv"


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``vo/anomalies.ecsv``: every scalar column of the graded rows."""
    table = find_kind(manifest).main_table
    (folder / FILE).parent.mkdir(exist_ok=True)
    rows, text = read_graded(folder, table.scalars), io.StringIO()
    for name in (name for name in rows.colnames if rows[name].dtype.kind == "U"):
        rows[name][:] = [to_line(value) for value in rows[name].filled("")]
    rows.meta = {"title": manifest["title"], "version": manifest["version"]}
    with accepting_desi_units():
        rows.write(text, format="ascii.ecsv", delimiter=",")
    (folder / FILE).write_text(text.getvalue(), encoding="utf-8")


def read_back(folder: Path) -> Mapping[str, Any]:
    """Return every scalar column of the rows."""
    table = read_kind(folder).main_table
    from astropy.table import Table

    with accepting_desi_units():
        rows = Table.read(folder / FILE, format="ascii.ecsv", encoding="utf-8")
    return select(rows, table.scalars)


FACE = Face(
    name="ecsv",
    files=(FILE,),
    paragraph="The graded rows' scalar columns as ECSV: CSV below a header of types, units and "
    "descriptions, for astropy, TOPCAT and a text editor.",
    write=write,
    read_back=read_back,
    spell=partial(keep_texts, rewrite=to_line),
    media_types={".ecsv": "text/csv"},
)
