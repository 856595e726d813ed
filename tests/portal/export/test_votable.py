"""VOTables are valid and read back by astropy, whatever the columns are and are called."""

import io
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import votable as reader
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.tables import QUASARS
from portal.export import formats, votable

SPACE = {"v": "http://www.ivoa.net/xml/VOTable/v1.3"}
WIDER = {
    pa.int8(): "short",
    pa.uint8(): "unsignedByte",
    pa.uint16(): "int",
    pa.uint32(): "long",
    pa.uint64(): "long",
    pa.float16(): "float",
    pa.bool_(): "boolean",
    pa.int64(): "long",
}


def parse(content: bytes) -> ElementTree.Element:
    reader.parse(io.BytesIO(content), verify="exception")
    return ElementTree.fromstring(content)


def find_field(content: bytes) -> dict[str, str]:
    field = parse(content).find(".//v:FIELD", SPACE)
    assert field is not None
    return dict(field.attrib)


@pytest.mark.parametrize("kind", WIDER, ids=str)
def test_each_type_becomes_one_that_holds_it(kind: pa.DataType) -> None:
    values = pa.array([1, None, 0]).cast(pa.int8()).cast(kind)
    content = formats.write(pa.table({"n": values}), formats.VOTABLE)
    assert find_field(content)["datatype"] == WIDER[kind]
    cells = [cell.text for cell in parse(content).iterfind(".//v:TD", SPACE)]
    assert cells[1] is None
    assert len(cells) == 3


def test_what_no_type_holds_is_text() -> None:
    table = pa.table({"n": pa.array([2**64 - 1], pa.uint64())})
    content = formats.write(table, formats.VOTABLE)
    assert find_field(content)["datatype"] == "char"
    assert parse(content).findtext(".//v:TD", namespaces=SPACE) == str(2**64 - 1)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2)), ("double", "2")),
        (pa.array([[1.0], [2.0, 3.0]], pa.list_(pa.float32())), ("float", "*")),
        (pa.array([[1, 2]], pa.list_(pa.uint16())), ("int", "*")),
        (pa.array([[1, None]], pa.list_(pa.int32())), ("char", "*")),
        (pa.array([[1.0, None]], pa.list_(pa.float32())), ("float", "*")),
        (pa.array([["a"]]), ("char", "*")),
    ],
)
def test_arrays_are_arrays_where_none_of_their_numbers_is_missing(
    values: pa.Array, told: tuple[str, str]
) -> None:
    field = find_field(formats.write(pa.table({"a": values}), formats.VOTABLE))
    assert (field["datatype"], field["arraysize"]) == told


def test_known_columns_carry_unit_ucd_and_description() -> None:
    content = formats.write(pa.table({"TARGET_RA": [1.5], "colour": [2.5]}), formats.VOTABLE)
    known, other = parse(content).findall(".//v:FIELD", SPACE)
    assert (known.get("unit"), known.get("ucd")) == ("deg", QUASARS["TARGET_RA"].ucd)
    assert known.findtext("v:DESCRIPTION", namespaces=SPACE) == QUASARS["TARGET_RA"].description
    assert (other.get("unit"), other.get("ucd")) == (None, None)


@given(
    st.lists(st.text(max_size=10), min_size=1, max_size=3),
    st.lists(st.text(max_size=10) | st.none(), max_size=3),
)
def test_any_names_and_texts_are_well_formed(names: list[str], texts: list[str | None]) -> None:
    plain = [text and text.encode("utf-8", "replace").decode() for text in texts]
    names = [name.encode("utf-8", "replace").decode() for name in names]
    rows = pa.table([pa.array(plain, pa.string())] * len(names), names)
    root = ElementTree.fromstring(formats.write(rows, formats.VOTABLE))
    assert len(root.findall(".//v:FIELD", SPACE)) == len(names)
    assert len(root.findall(".//v:TR", SPACE)) == len(texts)
    assert all(field.get("name") for field in root.iterfind(".//v:FIELD", SPACE))


@given(st.text(max_size=40))
def test_a_fault_is_a_document_that_says_why(reason: str) -> None:
    root = ElementTree.fromstring(votable.write_fault(reason))
    info = root.find("v:INFO", SPACE)
    assert info is not None
    assert info.get("name") == "Error"
    assert "\n" not in (info.get("value") or "")


@pytest.mark.parametrize(("is_cut", "state"), [(True, "OVERFLOW"), (False, "OK")])
def test_a_cut_is_told(is_cut: bool, state: str) -> None:
    target = io.BytesIO()
    formats.write_to(target, pa.table({"a": [1]}), "votable", is_cut=is_cut)
    info = parse(target.getvalue()).find(".//v:INFO", SPACE)
    assert info is not None
    assert info.get("value") == state


def test_no_number_and_endless_ones_are_told_apart() -> None:
    rows = pa.table({"x": [np.nan, np.inf, -np.inf, 1e-300, None]})
    content = formats.write(rows, formats.VOTABLE)
    read = reader.parse(io.BytesIO(content)).get_first_table().array["x"]
    assert np.isnan(read.data[0])
    assert read.data[1:4].tolist() == [np.inf, -np.inf, 1e-300]
    assert np.isnan(read.data[4]) or read.mask[4]
