"""A file's kind is what its first bytes say, whatever its name."""

import io

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from pipeline.errors import UserError
from pipeline.user_tables.content import find_kind, read_content

COLUMNS = {"ID": [1, 2, 3], "Z": [0.5, 1.5, 2.25], "NAME": ["a", "b", "c"]}
FORMATS = {
    "FITS": "fits",
    "VOTable": "votable",
    "ECSV": "ascii.ecsv",
    "CDS": "ascii.mrt",
    "IPAC": "ascii.ipac",
    "text": "ascii.csv",
}


def write(kind: str) -> bytes:
    raw = io.BytesIO()
    if kind == "Parquet":
        pq.write_table(pa.table(COLUMNS), raw)
    elif kind == "Arrow":
        pyarrow.feather.write_feather(pa.table(COLUMNS), raw, compression="uncompressed")
    elif kind in ("FITS", "VOTable"):
        Table(COLUMNS).write(raw, format=FORMATS[kind])
    else:
        lines = io.StringIO()
        Table(COLUMNS).write(lines, format=FORMATS[kind])
        raw.write(lines.getvalue().encode())
    return raw.getvalue()


@pytest.mark.parametrize("kind", [*FORMATS, "Parquet", "Arrow"])
def test_each_kind_is_known_and_gives_the_same_columns(kind: str) -> None:
    content = write(kind)
    assert find_kind("it", content[:4096]) == kind
    [table] = read_content("it", kind, content)
    assert table.names == list(COLUMNS)
    ids, z, names = table.read_whole([0, 1, 2])
    assert [str(value) for value in ids.to_pylist()] == ["1", "2", "3"]
    assert [float(value) for value in z.to_pylist()] == COLUMNS["Z"]
    assert names.to_pylist() == COLUMNS["NAME"]


@pytest.mark.parametrize("kind", [k for k in FORMATS if k not in ("FITS", "text")])
def test_a_byte_order_mark_and_blank_lines_hide_no_kind(kind: str) -> None:
    content = write(kind)
    assert find_kind("it", b"\xef\xbb\xbf" + content) == kind
    if kind != "CDS":
        assert find_kind("it", b"\n \n" + content) == kind


@pytest.mark.parametrize(
    ("magic", "what"),
    [
        (b"PK\x03\x04", "an Excel workbook or a zip archive"),
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x93NUMPY\x01", "a NumPy file"),
        (b"%PDF-1.7", "a PDF file"),
        (b"SQLite format 3\0", "an SQLite database"),
    ],
)
def test_what_is_no_table_is_named_with_the_way_out(magic: bytes, what: str) -> None:
    with pytest.raises(UserError) as told:
        find_kind("my.file", magic + bytes(50))
    assert str(told.value) == f"my.file: is {what}; save the table as CSV, FITS or Parquet"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"<html><body>VOTABLE</body>", "text"),
        (b"<?xml version='1.0'?><vo:VOTABLE xmlns:vo='x'>", "VOTable"),
        (b"<VOTABLES>", "text"),
        (b"# plain comment\na,b\n1,2", "text"),
        (b"#  %ECSV 1.0", "ECSV"),
        (b"|a|b|\n|int|double|\n 1 2\n 3 4\n", "IPAC"),
        (b"|a|b|\n|1|2|\n|3|4|\n", "text"),
        (b"\\ comment\n|a|b|\n|1|2|\n|3|4|\n", "IPAC"),
        (b"|a|b|\n", "text"),
        (b"a|b\n1|2\n", "text"),
        (b"", "text"),
    ],
)
def test_what_looks_alike_is_told_apart(head: bytes, kind: str) -> None:
    assert find_kind("it", head) == kind


@pytest.mark.parametrize("kind", ["FITS", "Parquet", "Arrow", "VOTable", "ECSV", "CDS", "IPAC"])
def test_half_a_file_is_one_line(kind: str) -> None:
    content = write(kind)
    with pytest.raises(UserError, match=r"^it: ") as told:
        [table.read_whole([0]) for table in read_content("it", kind, content[: len(content) // 3])]
    assert "\n" not in str(told.value)
