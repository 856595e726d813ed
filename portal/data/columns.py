"""Labels, units and help of every column shown, rendered from the schema."""

import html
import re
from numbers import Integral, Real
from typing import Any

import pandas as pd
import streamlit as st

from catalog_schema import tables, vocabulary
from catalog_schema.column import Column, Table
from portal.data.texts import clean

TIER_COLOURS = {"gold": "#E69F00", "silver": "#56B4E9", "bronze": "#D55E00", "none": "#8C8C8C"}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PROBABILITIES = {"p_value", "joint_p_value", "q_value"}
_DEGREES = {"TARGET_RA", "TARGET_DEC"}


def label(name: str, table: Table = tables.QUASARS) -> str:
    """Return a column's name with its unit."""
    unit = write_unit(table[name])
    return f"{name} ({unit})" if unit else name


def write_unit(column: Column) -> str:
    """Return a column's VOUnit as people write it, e.g. erg s⁻¹ Å⁻¹."""
    text = re.sub(r"\*\*(-?\d+)", lambda power: power[1].translate(_SUPERSCRIPTS), column.unit)
    return text.replace(".", " ").replace("Angstrom", "Å")


def explain(name: str, table: Table = tables.QUASARS) -> str:
    """Return a column's description, with the meaning of its words where it is coded."""
    column = table[name]
    meanings = [f"- **{word}**: {text}" for word, text in word_meanings(column).items()]
    return "\n".join([column.description, "", *meanings]) if meanings else column.description


def word_meanings(column: Column) -> dict[str, str]:
    """Return the meaning of each allowed word of a coded column that has documented words."""
    for kind in vocabulary.Described.__subclasses__():
        if column.vocabulary == kind.values():
            return {member.value: member.meaning for member in kind}
    return {}


def configure_columns(names: list[str]) -> dict[str, Any]:
    """Return the configuration of a table of catalogue rows."""
    known = set(tables.QUASARS.names)
    return {name: _configure(name) for name in names if name in known}


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
        return f"{float(value):.5f}" if name in _DEGREES else f"{float(value):.5g}"
    return clean(str(value))


def tier_badge(tier: str) -> str:
    """Return a tier as coloured HTML; the word stays readable without the colour."""
    colour = TIER_COLOURS.get(tier, TIER_COLOURS["none"])
    return (
        f'<span style="border:1px solid {colour};border-left-width:0.6rem;padding:0.1rem 0.5rem;'
        f'border-radius:0.2rem">{html.escape(tier)}</span>'
    )


def _configure(name: str) -> Any:
    title, text = label(name), explain(name)
    if name == "TARGETID":
        return st.column_config.TextColumn(title, help=text, pinned=True)
    column = tables.QUASARS[name]
    if column.vocabulary or str(column.type) == "string":
        return st.column_config.TextColumn(title, help=text)
    if str(column.type).startswith("int"):
        return st.column_config.NumberColumn(title, help=text, format="%d")
    style = "%.2e" if name in _PROBABILITIES else "%.5f" if name in _DEGREES else "%.3f"
    return st.column_config.NumberColumn(title, help=text, format=style)


def _type_name(column: Column) -> str:
    return f"{column.type}[{column.array}]" if column.array else str(column.type)
