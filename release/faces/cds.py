"""The graded rows as the CDS takes them for VizieR: a fixed-width table and its ReadMe.

Source: Standards for Astronomical Catalogues 2.0, https://vizier.cds.unistra.fr/doc/catstd.htx.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.column import Column
from release.credit import LICENCE_URL, make_citation
from release.faces.astropy_table import (
    accepting_desi_units,
    keep_texts,
    parse_unit,
    select,
    to_ascii,
)
from release.faces.face import Face, Manifest
from release.manifest import find_kind, read_kind
from release.rendering import find_template, render

TABLE, README = "cds/anomalies.dat", "cds/ReadMe"
_WIDTH, _INDENT = 80, 50
# Beyond them positional notation is longer than it is worth.
_SMALL, _LARGE = 1e-4, 1e9


@dataclass(frozen=True)
class Field:
    """A column of the fixed-width table: where it lies, how it is coded, what it says."""

    column: Column
    format: str
    texts: list[str]

    @property
    def width(self) -> int:
        """Number of bytes."""
        return int(re.sub(r"\..*", "", self.format[1:]))


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``cds/anomalies.dat`` and ``cds/ReadMe``: every scalar column of the graded rows."""
    kind = find_kind(manifest)
    table = kind.main_table
    names = [column.name for column in table.scalars]
    rows = pq.read_table(folder / contents.ANOMALIES, columns=names)
    fields = [_lay_out(rows[column.name], column) for column in table.scalars]
    lines = [" ".join(texts) for texts in zip(*(field.texts for field in fields), strict=True)]
    (folder / TABLE).parent.mkdir()
    (folder / TABLE).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    facts = {
        **manifest,
        "waist": kind.waist,
        "citation": make_citation(manifest["source"]),
        "licence_url": LICENCE_URL,
        "record_length": sum(field.width + 1 for field in fields) - 1,
        "n_records": len(lines),
        "fields": _describe(fields),
    }
    text = render(find_template("cds_readme.txt.j2", kind.words), facts)
    (folder / README).write_text(text, encoding="ascii", errors="replace")


def read_back(folder: Path) -> Mapping[str, Any]:
    """Return every scalar column of the rows."""
    table = read_kind(folder).main_table
    from astropy.io import ascii as text_tables

    if not (folder / TABLE).stat().st_size:
        return {column.name: [] for column in table.scalars}
    with accepting_desi_units():
        rows = text_tables.read(folder / TABLE, format="cds", readme=str(folder / README))
    return select(rows, table.scalars)


def _lay_out(data: pa.ChunkedArray, column: Column) -> Field:
    if pa.types.is_floating(column.type):
        code, texts = _write_floats(data)
    elif pa.types.is_string(column.type):
        code, texts = "A", [to_ascii(text) for text in data.to_pylist()]
    else:
        code = "I"
        texts = ["" if value is None else str(int(value)) for value in data.to_pylist()]
    width = max(map(len, texts), default=0) or 1
    texts = [text.ljust(width) if code == "A" else text.rjust(width) for text in texts]
    if code in "FE":
        width_code = f"{code}{width}.{max((_count_decimals(text) for text in texts), default=0)}"
        return Field(column, width_code, texts)
    return Field(column, f"{code}{width}", texts)


def _write_floats(data: pa.ChunkedArray) -> tuple[str, list[str]]:
    """Write the shortest digits that give the same float again."""
    is_null = data.is_null().to_numpy()
    values = data.to_numpy().astype(data.type.to_pandas_dtype())
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    is_plain = not len(size) or (size.min() >= _SMALL and size.max() < _LARGE)
    write = np.format_float_positional if is_plain else np.format_float_scientific
    texts = [
        "" if missing or np.isnan(value) else write(value, trim="0")
        for value, missing in zip(values, is_null, strict=True)
    ]
    return "F" if is_plain else "E", texts


def _count_decimals(text: str) -> int:
    return len(text.strip().partition("e")[0].partition(".")[2])


def _describe(fields: list[Field]) -> list[str]:
    """Return the byte-by-byte lines of every field."""
    lines, start = [], 1
    for field in fields:
        stop = start + field.width - 1
        mark = "? " if field.column.nullable else ""
        place = f"{start:>5}-{stop:>5}" if stop > start else f"{stop:>11}"
        unit = _translate_unit(field.column.unit)
        head = f"{place} {field.format:<7} {unit:<8} {field.column.name:<20}"
        # A line that begins with a number would read as the next field's.
        text = re.sub(r" (?=\d)", "\N{NO-BREAK SPACE}", mark + to_ascii(field.column.description))
        first, *more = textwrap.wrap(text, _WIDTH - _INDENT, break_on_hyphens=False)
        if len(head) >= _INDENT:
            first, more = "", [first, *more]
        lines += [f"{head} {first}".rstrip(), *(f"{'':{_INDENT}}{line}" for line in more)]
        start = stop + 2
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _translate_unit(unit: str) -> str:
    return parse_unit(unit).to_string("cds") if unit else "---"


FACE = Face(
    name="cds",
    files=(TABLE, README),
    paragraph="The graded rows as fixed-width text, described byte by byte.",
    write=write,
    read_back=read_back,
    spell=partial(keep_texts, rewrite=to_ascii),
    media_types={".dat": "text/plain", "ReadMe": "text/plain"},
)
