"""The columns that a release's table has: known ones as declared, others as its file tells them."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema.column import Column, Table
from portal.data.texts import clean

# Names and units that stand in widgets and charts: nothing that Markdown or Vega would read.
_WORD = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)
_UNIT = re.compile(r"[\w.*/()+\- ]{0,40}", re.ASCII)


def read_table(path: Path, declared: Table) -> Table:
    """Return the columns of a Parquet file that pages can show, in the file's order.

    Parameters
    ----------
    path : Path
    declared : Table
        What the schema says of columns that it knows by name.

    Returns
    -------
    Table
        Without columns whose name is no plain word or whose values are neither texts, numbers nor
        truths; SQL and files have those too.

    Raises
    ------
    OSError, pyarrow.ArrowException
        If the file cannot be read.
    """
    known = {column.name: column for column in declared.columns}
    found = (known.get(field.name) or _describe(field) for field in pq.read_schema(path))
    return Table(declared.name, declared.description, declared.key, tuple(filter(None, found)))


def list_numbers(table: Table) -> tuple[str, ...]:
    """Return the names of the columns with one number a row, without identifiers."""
    return tuple(
        column.name
        for column in table.scalars
        if _is_number(column.type) and not column.ucd.startswith("meta.id")
    )


def list_own(table: Table, declared: Table) -> tuple[Column, ...]:
    """Return the columns of one value a row that the schema does not know."""
    known = set(declared.names)
    return tuple(column for column in table.scalars if column.name not in known)


def _describe(field: pa.Field) -> Column | None:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if not _WORD.fullmatch(field.name) or not (
        _is_number(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind)
    ):
        return None
    told = {
        name: clean((field.metadata or {}).get(name.encode(), b"").decode(errors="replace"))
        for name in ("description", "ucd", "unit")
    }
    unit = told["unit"] if _UNIT.fullmatch(told["unit"]) else ""
    description = told["description"] or "The release does not describe it."
    return Column(
        field.name, kind, description, told["ucd"], unit, "this release", nullable=field.nullable
    )


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)
