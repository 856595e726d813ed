"""Rows as a VOTable 1.4 with TABLEDATA, whose cells are written column by column.

Astropy writes a cell at a time: a hundred thousand rows of sixty columns take it three minutes.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.column import Column
from portal.data.texts import clean
from portal.export import cells

TAIL = b"</TABLEDATA>\n</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"
_NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
_TYPES = {
    pa.bool_(): "boolean",
    pa.uint8(): "unsignedByte",
    pa.int16(): "short",
    pa.int32(): "int",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
}
# What VOTable lacks, in the next larger type; beyond 63 bits there is none.
_WIDER = {
    pa.int8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
    pa.float16(): pa.float32(),
}


def settle(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in a type that VOTable has; text where none holds all of its values."""
    kind = values.type
    if kind in _TYPES:
        return values
    try:
        if kind in _WIDER:
            return values.cast(_WIDER[kind])
        if cells.is_array(kind):
            return _settle_arrays(values)
        if pa.types.is_decimal(kind):
            settled = cells.settle(values)
            return settled if settled.type in _TYPES else values.cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    texts = [cells.write_plain(chunk) for chunk in values.chunks]
    return pa.chunked_array(texts, pa.string())


def make_field(name: str, values: pa.ChunkedArray, known: Column | None, ucd: str | None) -> str:
    """Return the element that describes a column.

    Parameters
    ----------
    name : str
    values : pyarrow.ChunkedArray
        As `settle` returns them.
    known : Column or None
        The column of the schema whose name it has.
    ucd : str or None
        In the place of the schema's.
    """
    kind = values.type
    told = {"name": clean(name) or "_"}
    if kind in _TYPES:
        told["datatype"] = _TYPES[kind]
    elif cells.is_array(kind):
        told["datatype"] = _TYPES[kind.value_type]
        is_fixed = pa.types.is_fixed_size_list(kind)
        told["arraysize"] = str(kind.list_size) if is_fixed else "*"
    else:
        is_ascii = pc.all(pc.string_is_ascii(values)).as_py() is not False
        told |= {"datatype": "char" if is_ascii else "unicodeChar", "arraysize": "*"}
    if known is None:
        return f"<FIELD {_write_attributes(told)}/>\n"
    told |= {"ucd": ucd or known.ucd, "unit": known.unit}
    description = f"<DESCRIPTION>{escape(known.description)}</DESCRIPTION>"
    return f"<FIELD {_write_attributes(told)}>{description}</FIELD>\n"


def write_head(fields: Sequence[str], *, is_cut: bool) -> bytes:
    """Return what comes before the rows: the state of the query and the columns."""
    state = "OVERFLOW" if is_cut else "OK"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<VOTABLE version="1.4" xmlns="{_NAMESPACE}">\n<RESOURCE type="results">\n'
        f'<INFO name="QUERY_STATUS" value="{state}"/>\n<TABLE>\n{"".join(fields)}'
        "<DATA>\n<TABLEDATA>\n"
    ).encode()


def write_fault(reason: str) -> bytes:
    """Return a document without rows that says why, as Simple Cone Search asks for."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<VOTABLE version="1.4" xmlns="{_NAMESPACE}">\n'
        f'<INFO ID="Error" name="Error" value={quoteattr(clean(reason))}/>\n'
        '<RESOURCE type="results">\n</RESOURCE>\n</VOTABLE>\n'
    ).encode()


def write_rows(batch: pa.RecordBatch) -> bytes:
    """Return rows, of columns as `settle` returns them."""
    texts = [cells.write_xml(values).fill_null("") for values in batch.columns]
    rows = pc.binary_join_element_wise(*texts, "</TD><TD>")
    lines = pc.binary_join_element_wise("<TR><TD>", rows, "</TD></TR>\n", "")
    return "".join(lines.to_pylist()).encode()


def _settle_arrays(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return arrays of a type that VOTable has; only floats have a sign for a hole."""
    element = values.type.value_type
    wider = _WIDER.get(element, element)
    holes = sum(chunk.flatten().null_count for chunk in values.chunks)
    if holes and not pa.types.is_floating(wider):
        raise pa.ArrowInvalid("a hole among whole numbers")
    if wider == element:
        return values
    return values.cast(pa.list_(wider))


def _write_attributes(told: dict[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(text)}" for name, text in told.items() if text)
