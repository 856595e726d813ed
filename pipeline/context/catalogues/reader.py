"""Reading a local catalogue in blocks of rows, by the names of its columns."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.user_tables.binary import from_astropy
from pipeline.user_tables.reader import choose_table, open_tables
from pipeline.user_tables.table import UserTable
from pipeline.user_tables.values import find_type, is_textual, to_type

# Of a field's metadata: what its numbers may have in the place of the point.
_COMMA = b"has_decimal_comma"


def read_blocks(
    path: Path, columns: Sequence[str], typed: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """Yield a catalogue's columns in blocks of rows; a field's metadata may hold its ``unit``.

    Parameters
    ----------
    path : Path
        See `open_tables`; of several tables in a file, the first that has all columns.
    columns : sequence of str
        A text file gives them as text, which other functions read as what they are needed for.
    typed : sequence of str
        Columns that are to be numbers where a text file holds nothing but plain numbers in them,
        which takes a look at the whole file. What has leading zeros is no number.

    Raises
    ------
    UserError
        If the file cannot be read or lacks a column.
    """
    table = choose_table(open_tables(path, "catalogue"), columns)
    places = [_locate(table, name) for name in columns]
    types = _find_types(table, [name for name in typed if name in columns])
    for block in table.read(places):
        arrays = [
            to_type(block.column(number), types[name]) if name in types else block.column(number)
            for number, name in enumerate(columns)
        ]
        yield _describe(table, arrays, columns, places)


def votable_to_arrow(found: object, columns: Sequence[str], origin: object) -> pa.Table:
    """Return columns of an astropy table, masked values as nulls.

    Raises
    ------
    UserError
        If it lacks a column.
    """
    table = from_astropy(f"catalogue {origin}", found)
    places = [_locate(table, name) for name in columns]
    [block] = table.read(places)
    return _describe(table, block.columns, columns, places)


def has_decimal_comma(field: pa.Field) -> bool:
    """Say whether numbers of a column may have a comma in the place of the point."""
    return _COMMA in (field.metadata or {})


def _describe(
    table: UserTable,
    arrays: Sequence[pa.ChunkedArray],
    columns: Sequence[str],
    places: Sequence[int],
) -> pa.Table:
    fields = []
    for name, array, place in zip(columns, arrays, places, strict=True):
        unit = table.columns[place].unit
        facts = {} if unit is None else {b"unit": unit.encode()}
        if table.has_decimal_comma:
            facts[_COMMA] = b"yes"
        if pa.types.is_nested(array.type):
            raise UserError(f"{table.origin}: column {name} holds arrays; keep another column")
        fields.append(pa.field(name, array.type, metadata=facts or None))
    return pa.Table.from_arrays(list(arrays), schema=pa.schema(fields))


def _find_types(table: UserTable, names: Sequence[str]) -> dict[str, pa.DataType]:
    """Say which text columns hold nothing but plain numbers, and of which type."""
    named = {_locate(table, name): name for name in names}
    texts = [place for place in named if table.columns[place].may_be_text]
    if not texts:
        return {}
    found: dict[int, pa.DataType] = {}
    for block in table.read(texts):
        for number, place in enumerate(texts):
            column = block.column(number)
            if is_textual(column):
                found[place] = find_type(column, found.get(place))
    return {named[place]: kind for place, kind in found.items()}


def _locate(table: UserTable, name: str) -> int:
    names = table.names
    if names.count(name) > 1:
        raise UserError(f"{table.origin}: {names.count(name)} columns are called {name!r}")
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name.lower(), [p.lower() for p in names], n=1)
    hint = next((p for p in names if near and p.lower() == near[0]), None)
    shown = f"did you mean {hint!r}?" if hint else table.describe_columns()
    raise UserError(f"{table.origin}: no column {name!r}; {shown}")
