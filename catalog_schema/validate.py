"""Check that a table's rows keep what the schema promises."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.column import Column, Table


def find_violations(data: pa.Table, table: Table) -> list[str]:
    """List every promise of the schema that the rows break, one sentence each.

    Checks names and types, nulls, NaN, bounds, vocabularies and the key's uniqueness.

    Parameters
    ----------
    data : pyarrow.Table
    table : Table

    Returns
    -------
    list of str
        Empty when the data keep the schema.
    """
    if data.column_names != table.names:
        return [_name_violation(data, table)]
    found = [text for column in table.columns for text in _column_violations(data, column)]
    n_keys = data.group_by(list(table.key)).aggregate([]).num_rows
    if n_keys != data.num_rows:
        found.append(f"key ({', '.join(table.key)}): {data.num_rows - n_keys} repeated rows")
    return found


def _name_violation(data: pa.Table, table: Table) -> str:
    missing = [name for name in table.names if name not in data.column_names]
    surplus = [name for name in data.column_names if name not in table.names]
    return f"columns differ: missing {missing}, surplus {surplus}, or in another order"


def _column_violations(data: pa.Table, column: Column) -> list[str]:
    values = data[column.name]
    if column.array is not None:
        if not pa.types.is_fixed_size_list(values.type) or values.type.value_type != column.type:
            return [f"{column.name}: type {values.type}, expected a fixed list of {column.type}"]
        values = pa.chunked_array([chunk.flatten() for chunk in values.chunks], column.type)
    elif values.type != column.type:
        return [f"{column.name}: type {values.type}, expected {column.type}"]
    found = []
    if values.null_count and not column.nullable:
        found.append(f"{column.name}: {values.null_count} nulls")
    if column.vocabulary is not None:
        found += _vocabulary_violations(values, column)
    if pa.types.is_floating(column.type) and not column.may_be_nan:
        n_nan = pc.sum(pc.is_nan(values)).as_py() or 0
        if n_nan:
            found.append(f"{column.name}: {n_nan} NaN values")
    if column.bounds is not None:
        found += _bound_violations(values, column)
    return found


def _vocabulary_violations(values: pa.ChunkedArray, column: Column) -> list[str]:
    words = set(pc.unique(values).to_pylist()) - {None} - set(column.vocabulary or ())
    return [f"{column.name}: unknown words {sorted(words)}"] if words else []


def _bound_violations(values: pa.ChunkedArray, column: Column) -> list[str]:
    low, high = column.bounds or (-np.inf, np.inf)
    numbers = values.drop_null().cast(pa.float64()).to_numpy()
    n_outside = int(np.count_nonzero((numbers < low) | (numbers > high)))
    return [f"{column.name}: {n_outside} values outside [{low}, {high}]"] if n_outside else []
