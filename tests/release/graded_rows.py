"""Graded rows of every value that the schema allows, drawn by a seed."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from astropy.table import Table

from catalog_schema.column import Column
from catalog_schema.tables import QUASARS
from release.faces.astropy_table import to_ascii

NULLABLE_TEXT = {c.name for c in QUASARS.columns if c.nullable and c.type == pa.string()}
TEXTS = (
    "",
    "plain",
    "Ünïcode 日本 \u202e",
    "a \"quote\", a 'comma'; a | pipe",
    "two\nlines\tand a tab\r\n",
    "  spaces  in  and  around  ",
    "<script>alert(1)</script> &amp; ]]> <td>x</td>",
    "# no comment",
    "nan",
    "null",
    "--",
    "N/A",
    "-99",
    "1e400",
    "=1+1",
    "\\N",
    "x" * 300,
)
FLOATS = (
    0.0,
    1.0,
    -1.0,
    0.1,
    1 / 3,
    -99.0,
    1e-30,
    -1e-30,
    3.4e38,
    1e-45,
    16_777_217.0,
    123_456.789,
)


def assert_same(found: Table, rows: pl.DataFrame) -> None:
    """Compare every value and every null of the scalar columns, by no code of ours."""
    for column in QUASARS.scalars:
        values, expected = np.ma.asarray(found[column.name]), rows[column.name]
        is_null = expected.is_null().to_numpy()
        if expected.dtype == pl.String:
            texts = [str(text).strip() for text in values.filled("")]
            assert texts == [to_ascii(text) for text in expected.to_list()], column.name
            continue
        known = values[~is_null]
        assert not np.ma.getmaskarray(known).any(), column.name
        filled = np.asarray(known).astype(expected.to_numpy().dtype)
        assert np.array_equal(filled, expected.drop_nulls().to_numpy()), column.name
        assert np.ma.getmaskarray(np.ma.masked_invalid(values))[is_null].all(), column.name


def draw_rows(rows: pa.Table, seed: int, with_nulls: bool = True) -> pa.Table:
    """Return as many rows of the same objects with other values.

    TARGETID stays, for spectra and other tables name it; vocabularies are kept, bounds are not.
    """
    rng = np.random.default_rng(seed)
    columns = {
        column.name: rows[column.name]
        if column.name == "TARGETID"
        else _draw(column, rows.schema.field(column.name), rows.num_rows, rng, with_nulls)
        for column in QUASARS.columns
    }
    return pa.table(columns, schema=rows.schema)


def _draw(
    column: Column, field: pa.Field, n_rows: int, rng: np.random.Generator, with_nulls: bool
) -> pa.Array:
    if column.array is not None:
        pool = [*FLOATS, *([np.nan] if column.may_be_nan else [])]
        return pa.array(rng.choice(pool, (n_rows, field.type.list_size)).tolist(), field.type)
    values: list[Any] = [_choose(column, rng) for _ in range(n_rows)]
    if column.nullable and with_nulls:
        values = [None if rng.random() < 0.4 else value for value in values]
    return pa.array(values, field.type)


def _choose(column: Column, rng: np.random.Generator) -> Any:
    if column.vocabulary:
        return rng.choice(column.vocabulary)
    if pa.types.is_string(column.type):
        return TEXTS[rng.integers(len(TEXTS))]
    if pa.types.is_integer(column.type):
        largest = np.iinfo(column.type.to_pandas_dtype()).max
        # The least is what stands for null among integers.
        return int(rng.choice([0, 1, -1, 2**31 - 1, 1 - 2**31, largest, 1 - largest]))
    value = FLOATS[rng.integers(len(FLOATS))]
    return np.float32(value) if column.type == pa.float32() else value * (1 + rng.random() / 1e9)
