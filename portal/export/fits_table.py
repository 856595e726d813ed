"""Rows as a table of astropy, which writes FITS."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catalog_schema.column import Column
from portal.export import cells

if TYPE_CHECKING:
    from astropy.table import MaskedColumn, Table

# Of one column of texts, all of which FITS makes as wide as the widest.
_MAX_TEXT_BYTES = 256 << 20
# Of a column's name, which has one card of the header.
_MAX_NAME = 40


def make_table(rows: pa.Table, known: Mapping[str, Column]) -> "Table":
    """Return rows with units and descriptions of the columns that are known.

    Names and texts beyond ASCII, which FITS lacks, are written with escapes.
    """
    from astropy.table import Table

    columns: dict[str, MaskedColumn] = {}
    for name, values in zip(rows.column_names, rows.columns, strict=True):
        plain = _escape(name)[:_MAX_NAME] or "_"
        while plain.lower() in (taken.lower() for taken in columns):
            plain += "_"
        columns[plain] = _make_column(values, known.get(name))
    return Table(columns)


def _make_column(values: pa.ChunkedArray, known: Column | None) -> "MaskedColumn":
    from astropy.table import MaskedColumn

    array = _as_array(values)
    nulls = values.is_null().to_numpy()
    if array.ndim > 1:
        nulls = np.repeat(nulls[:, None], array.shape[1], axis=1)
    column = MaskedColumn(array, mask=nulls)
    if known is not None:
        column.unit, column.description = known.unit or None, known.description
    return column


def _as_array(values: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_decimal(values.type):
        values = cells.settle(values)
    kind = values.type
    if cells.is_array(kind) and pa.types.is_fixed_size_list(kind):
        lists = values.combine_chunks()
        flat = lists.values
        if pa.types.is_floating(kind.value_type):
            flat = flat.fill_null(np.nan)
        if not flat.null_count:
            flat = flat.slice(lists.offset * kind.list_size, len(lists) * kind.list_size)
            return flat.to_numpy(zero_copy_only=False).reshape(-1, kind.list_size)
    if pa.types.is_boolean(kind):
        return values.fill_null(False).to_numpy()
    if pa.types.is_integer(kind):
        return values.fill_null(0).to_numpy()
    if pa.types.is_floating(kind):
        return values.to_numpy()
    return _as_texts(values)


def _as_texts(values: pa.ChunkedArray) -> np.ndarray:
    chunks = [cells.write_plain(chunk) for chunk in values.chunks]
    texts: list[Any] = [text for chunk in chunks for text in chunk.to_pylist()]
    plain = [_escape(text or "") for text in texts]
    widest = max(map(len, plain), default=0)
    if widest * len(plain) > _MAX_TEXT_BYTES:
        raise OverflowError("its texts are too long for columns of one width")
    return np.array([text.encode() for text in plain], dtype=f"S{max(widest, 1)}")


def _escape(text: str) -> str:
    plain = text.encode("ascii", "backslashreplace").decode()
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in plain)
