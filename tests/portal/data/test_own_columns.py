"""The columns of a table are those of its file, as the schema or the file itself tells them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.tables import QUASARS
from portal.data.own_columns import list_numbers, list_own, read_table

SCALARS = {
    "int8": pa.int8(),
    "uint64": pa.uint64(),
    "half": pa.float16(),
    "double": pa.float64(),
    "text": pa.string(),
    "truth": pa.bool_(),
    "coded": pa.dictionary(pa.int8(), pa.string()),
}
OTHERS = {
    "list": pa.list_(pa.float64()),
    "struct": pa.struct([("a", pa.int64())]),
    "time": pa.timestamp("s"),
    "blob": pa.binary(),
    "decimal": pa.decimal128(5, 2),
}


def write(path: Path, fields: list[pa.Field]) -> Path:
    pq.write_table(pa.schema(fields).empty_table(), path)
    return path


def test_what_pages_can_show_is_listed_in_the_files_order(tmp_path: Path) -> None:
    types = SCALARS | OTHERS
    path = write(tmp_path / "x.parquet", [pa.field(name, kind) for name, kind in types.items()])
    table = read_table(path, QUASARS)
    assert table.names == list(SCALARS)
    assert list_numbers(table) == ("int8", "uint64", "half", "double")
    assert list_own(table, QUASARS) == table.columns


def test_known_columns_are_as_declared_and_others_as_told(tmp_path: Path) -> None:
    told = {"description": "How\nblue | it is.", "unit": "mag", "ucd": "phot.color"}
    fields = [
        pa.field("TARGETID", pa.int64()),
        pa.field("Z", pa.float64(), metadata={"description": "something else", "unit": "km"}),
        pa.field("colour", pa.float32(), nullable=False, metadata=told),
    ]
    table = read_table(write(tmp_path / "x.parquet", fields), QUASARS)
    assert table["Z"] is QUASARS["Z"]
    colour = table["colour"]
    assert (colour.description, colour.unit, colour.ucd) == (
        "How blue | it is.",
        "mag",
        "phot.color",
    )
    assert not colour.nullable
    assert [column.name for column in list_own(table, QUASARS)] == ["colour"]
    assert list_numbers(table) == ("Z", "colour")


@pytest.mark.parametrize("unit", ["[x](http://evil.test)", "`", "<b>", "m" * 41, "é"])
def test_units_that_are_none_are_left_out(tmp_path: Path, unit: str) -> None:
    field = pa.field("colour", pa.float32(), metadata={"unit": unit})
    assert read_table(write(tmp_path / "x.parquet", [field]), QUASARS)["colour"].unit == ""


@given(name=st.text(min_size=1, max_size=12))
def test_only_plain_words_are_names(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("names")
    try:
        path = write(folder / "x.parquet", [pa.field(name, pa.float64())])
    except UnicodeEncodeError:
        return
    is_word = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
    assert bool(read_table(path, QUASARS).names) == is_word


def test_what_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PAR1" + b"\xff" * 100)
    with pytest.raises((OSError, pa.ArrowException)):
        read_table(tmp_path / "x", QUASARS)
