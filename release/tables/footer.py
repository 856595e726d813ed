"""VOTable footers (VOParquet 1.0): units, UCDs and descriptions that travel inside Parquet."""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

import pyarrow as pa

from catalog_schema.column import Table

VERSION_KEY = "IVOA.VOTable-Parquet.version"
CONTENT_KEY = "IVOA.VOTable-Parquet.content"
_NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
_FRAME = "icrs"
_DATATYPES = {
    pa.bool_(): "boolean",
    pa.int32(): "int",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "char",
}


def make_footer(table: Table, schema: pa.Schema, lengths: Mapping[str, int]) -> dict[str, str]:
    """Render the footer entries of a table.

    Parameters
    ----------
    table : Table
    schema : pyarrow.Schema
        The table's Arrow schema, which knows the sizes of array columns.
    lengths : mapping of str to int
        Longest value of each string column without a vocabulary: astropy cannot read open-ended
        strings nor, without `table::len`, a string column that holds nulls.
    """
    coded = {c.name: max(map(len, c.vocabulary)) for c in table.columns if c.vocabulary}
    known = {**coded, **lengths}
    footer = {VERSION_KEY: "1.0", CONTENT_KEY: _render(table, schema, known)}
    return footer | {f"table::len::{name}": str(length) for name, length in known.items()}


def _render(table: Table, schema: pa.Schema, lengths: Mapping[str, int]) -> str:
    root = ET.Element("VOTABLE", {"version": "1.4", "xmlns": _NAMESPACE})
    resource = ET.SubElement(root, "RESOURCE", {"type": "results"})
    ET.SubElement(resource, "COOSYS", {"ID": _FRAME, "system": "ICRS"})
    element = ET.SubElement(resource, "TABLE", {"name": table.name})
    ET.SubElement(element, "DESCRIPTION").text = table.description
    for column in table.columns:
        attributes = {"ID": column.name, "name": column.name, "ucd": column.ucd}
        attributes |= _describe_type(schema.field(column.name).type, lengths.get(column.name, 0))
        if column.unit:
            attributes["unit"] = column.unit
        if column.ucd.startswith("pos.eq."):
            attributes["ref"] = _FRAME
        field = ET.SubElement(element, "FIELD", attributes)
        ET.SubElement(field, "DESCRIPTION").text = column.description
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode")


def _describe_type(data_type: pa.DataType, length: int) -> dict[str, str]:
    if pa.types.is_fixed_size_list(data_type):
        datatype = _DATATYPES[data_type.value_type]
        return {"datatype": datatype, "arraysize": str(data_type.list_size)}
    if pa.types.is_string(data_type):
        return {"datatype": "char", "arraysize": str(length)}
    return {"datatype": _DATATYPES[data_type]}
