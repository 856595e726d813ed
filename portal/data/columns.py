"""Labels, units and help of every column shown, rendered from the schema."""

import re
from numbers import Integral, Real

import pandas as pd

from catalog_schema import vocabulary
from catalog_schema.column import Column, Table
from portal.data.texts import clean, escape_marks

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
DEGREES = {"TARGET_RA", "TARGET_DEC"}


def label(column: Column) -> str:
    """Return a column's name with its unit."""
    unit = write_unit(column)
    return f"{column.name} ({unit})" if unit else column.name


def write_unit(column: Column) -> str:
    """Return a column's VOUnit as people write it, e.g. erg s⁻¹ Å⁻¹."""
    text = re.sub(r"\*\*(-?\d+)", lambda power: power[1].translate(_SUPERSCRIPTS), column.unit)
    return text.replace(".", " ").replace("Angstrom", "Å")


def explain(column: Column) -> str:
    """Return a column's description as Markdown, with the meaning of its words where it is coded.

    A release may bring columns of its own, so that nothing of a description is markup.
    """
    description = escape_marks(column.description)
    meanings = [f"- **{word}**: {text}" for word, text in word_meanings(column).items()]
    return "\n".join([description, "", *meanings]) if meanings else description


def word_meanings(column: Column) -> dict[str, str]:
    """Return the meaning of each allowed word of a coded column that has documented words."""
    for kind in vocabulary.Described.__subclasses__():
        if column.vocabulary == kind.values():
            return {member.value: member.meaning for member in kind}
    return {}


def make_dictionary(table: Table, search: str = "") -> pd.DataFrame:
    """Render a table's columns whose name, unit, UCD or description holds the text."""
    rows = [
        {
            "Column": column.name,
            "Type": _type_name(column),
            "Unit": column.unit,
            "Description": column.description,
            "Allowed": ", ".join(column.vocabulary or ()),
            "UCD": column.ucd,
            "Source": column.source,
            "Null": "allowed" if column.nullable else "never",
            "Since": column.since,
        }
        for column in table.columns
    ]
    wanted = search.strip().lower()
    found = [row for row in rows if wanted in " ".join(row.values()).lower()]
    return pd.DataFrame(found, columns=list(rows[0]))


def write_value(name: str, value: object) -> str:
    """Return a single value as text, as precise as is meaningful."""
    if value is None:
        return "–"
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):.5f}" if name in DEGREES else f"{float(value):.5g}"
    return clean(str(value))


def _type_name(column: Column) -> str:
    return f"{column.type}[{column.array}]" if column.array else str(column.type)
