"""Tables that say what they hold: types as the file has them, null where it says so."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.user_tables import binary
from pipeline.user_tables.binary import (
    from_astropy,
    read_fits,
    read_parquet,
    read_ruled_text,
    read_votable,
    to_arrow,
)


def write_fits(*tables: fits.BinTableHDU) -> bytes:
    raw = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(raw)
    return raw.getvalue()


@given(
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5),
    kind=st.sampled_from([">i8", "<i8", ">u8"]),
)
def test_integers_of_any_byte_order_are_the_same(numbers: list, kind: str) -> None:
    values = np.array([n % 2**64 if "u" in kind else n for n in numbers], kind)
    assert to_arrow(values, None).to_pylist() == values.tolist()
    first = int(values[0])
    assert to_arrow(values, first).to_pylist() == [
        None if v == first else v for v in values.tolist()
    ]


def test_masks_text_and_lists() -> None:
    masked = np.ma.array([1.5, 2.5, 3.5], mask=[False, True, False])
    assert to_arrow(masked, 3.5).to_pylist() == [1.5, None, None]
    padded = np.array([b"QSO  ", b"caf\xe9", b" x\0\0"])
    assert to_arrow(padded, None).to_pylist() == ["QSO", "café", "x"]
    assert to_arrow(np.array([[1, 2], [3, 4]]), None).to_pylist() == [[1, 2], [3, 4]]
    assert to_arrow(np.array([1 + 2j]), None).to_pylist() == ["(1+2j)"]


def test_fits_columns_have_names_units_types_and_nulls(tmp_path: Path) -> None:
    columns = [
        fits.Column("ID", "K", array=np.array([1, 2, 3])),
        fits.Column("Z ", "E", unit="km/s", array=np.array([0.5, np.nan, 2])),
        fits.Column("N", "I", null=-99, array=np.array([-99, 5, 6], np.int16)),
        fits.Column("S", "I", null=-9, array=np.array([1, -9, 2], np.int16)),
        fits.Column("T", "5A", array=np.array(["a", "bb", ""])),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["XSCAL4"], hdu.header["XZERO4"] = 0.5, 10.0
    # Scaled as a header says; astropy would scale what it writes.
    content = write_fits(hdu).replace(b"XSCAL4", b"TSCAL4").replace(b"XZERO4", b"TZERO4")
    path = tmp_path / "t.fits"
    path.write_bytes(content)
    for source in (content, path):
        [table] = read_fits("it", source)
        assert (table.origin, table.names) == ("it", ["ID", "Z", "N", "S", "T"])
        assert [column.unit for column in table.columns] == ["", "km/s", "", "", ""]
        assert [column.may_be_text for column in table.columns] == [False] * 4 + [True]
        text, ids, number, scaled = table.read_whole([4, 0, 2, 3])
        assert text.to_pylist() == ["a", "bb", ""]
        assert ids.to_pylist() == [1, 2, 3]
        assert number.to_pylist() == [None, 5, 6]
        assert scaled.to_pylist() == [10.5, None, 11.0]


def test_several_tables_are_named_and_blocks_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "BLOCK_ROWS", 3)
    hdus = [
        fits.BinTableHDU.from_columns([fits.Column("A", "J", array=np.arange(n))], name=name)
        for n, name in ((7, "ONE"), (2, ""))
    ]
    one, other = read_fits("it", write_fits(*hdus))
    assert (one.origin, other.origin) == ("it, table ONE", "it, table 2")
    assert [len(block) for block in one.read([0])] == [3, 3, 1]
    assert one.read_whole([0])[0].to_pylist() == list(range(7))
    with pytest.raises(UserError, match="no table in this FITS file"):
        read_fits("it", write_fits())


@pytest.mark.parametrize(
    ("word", "lie"),
    [
        (b"NAXIS   =                    2", b"NAXIS   =                 9999"),
        (b"TFIELDS =                    1", b"TFIELDS =                   -1"),
    ],
)
def test_counts_that_cannot_be_true_are_refused(word: bytes, lie: bytes) -> None:
    content = write_fits(fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1])]))
    assert word in content
    with pytest.raises(UserError, match="cannot be true; the file is damaged"):
        read_fits("it", content.replace(word, lie))


def test_parts_of_parquet_are_one_table_in_their_order(tmp_path: Path) -> None:
    parts = [tmp_path / f"{k}.parquet" for k in range(2)]
    pq.write_table(pa.table({"a": [1, 2], " b ": ["x", "y"]}), parts[0])
    pq.write_table(pa.table({" b ": ["z"], "more": [0.5], "a": [3]}), parts[1])
    [table] = read_parquet("it", parts)
    assert table.names == ["a", "b"]
    assert [column.may_be_text for column in table.columns] == [False, True]
    text, number = table.read_whole([1, 0])
    assert text.to_pylist() == ["x", "y", "z"]
    assert number.to_pylist() == [1, 2, 3]
    pq.write_table(pa.table({"a": [1]}), parts[1])
    with pytest.raises(UserError, match=r"1\.parquet: no column ' b ', which .*0\.parquet has"):
        read_parquet("it", parts)[0].read_whole([1])


def test_missing_values_of_astropy_are_null() -> None:
    made = Table({"a": MaskedColumn([1, 2], mask=[False, True], unit="deg"), "b": ["x", "y"]})
    table = from_astropy("it", made)
    assert [(c.name, c.unit, c.may_be_text) for c in table.columns] == [
        ("a", "deg", False),
        ("b", "", True),
    ]
    assert [column.to_pylist() for column in table.read_whole([1, 0])] == [["x", "y"], [1, None]]
    lines = io.StringIO()
    made.write(lines, format="ascii.ecsv")
    [ruled] = read_ruled_text("it", b"\xef\xbb\xbf" + lines.getvalue().encode(), "ecsv")
    assert ruled.read_whole([0])[0].to_pylist() == [1, None]


def test_tables_of_a_votable_and_what_is_no_whole_document() -> None:
    raw = io.BytesIO()
    Table({"a": [1, 2], "b": ["x", "y"]}).write(raw, format="votable")
    content = raw.getvalue()
    [table] = read_votable("it", content)
    assert (table.origin, table.names) == ("it", ["a", "b"])
    assert table.read_whole([0])[0].to_pylist() == [1, 2]
    with pytest.raises(Exception, match=r"no element found|unclosed"):
        read_votable("it", content[:-30])
    hostile = (
        b'<?xml version="1.0"?><!DOCTYPE v [<!ENTITY e "x">]>'
        + content[content.index(b"<VOTABLE") :]
    )
    with pytest.raises(ValueError, match="declares an entity 'e'"):
        read_votable("it", hostile)
    with pytest.raises(UserError, match="no table in this VOTable"):
        read_votable("it", b'<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"/>')
