"""Text tables: every cell comes back as it was written, in any encoding, packing and block."""

import bz2
import csv
import gzip
import io
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.user_tables import text
from pipeline.user_tables.text import read_text_table, unpack

CELL = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\u2028\u2029"),
    max_size=8,
)
ROWS = st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5)


def read(content: bytes, places: tuple[int, ...] = (0, 1, 2)) -> list[list[str]]:
    table = read_text_table("it", lambda: io.BytesIO(content))
    columns = table.read_whole(places)
    return [list(row) for row in zip(*(column.to_pylist() for column in columns), strict=True)]


def write(rows: list, delimiter: str = ",", end: str = "\n", quoting: int = csv.QUOTE_ALL) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([["id", "name", "last"], *rows])
    return out.getvalue()


def as_rows(rows: list) -> list:
    """Leave out what a comment's mark would make of a row."""
    return [["x" + row[0], *row[1:]] for row in rows]


@given(
    rows=ROWS, delimiter=st.sampled_from([",", ";", "\t", "|"]), end=st.sampled_from(["\n", "\r\n"])
)
def test_cells_come_back_to_the_letter(rows: list, delimiter: str, end: str) -> None:
    rows = as_rows(rows)
    assert read(write(rows, delimiter, end).encode()) == rows
    assert read(write(rows, delimiter, end).encode(), (2, 0)) == [[row[2], row[0]] for row in rows]


@given(
    rows=ROWS, encoding=st.sampled_from(["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
)
def test_encoding_of_the_file_decides_nothing(rows: list, encoding: str) -> None:
    rows = as_rows([["".join(c for c in cell if c < "\x7f") for cell in row] for row in rows])
    assert read(write(rows).encode(encoding)) == rows


def test_old_encodings_are_read_line_by_line() -> None:
    content = "id,name,last\n1,café,x\n".encode("cp1252") + "2,Ångström,x\n".encode()
    assert read(content) == [["1", "café", "x"], ["2", "Ångström", "x"]]


@pytest.mark.parametrize("method", [gzip, bz2, lzma])
def test_packed_files_are_unpacked_by_their_first_bytes(method) -> None:
    content = b"id,name,last\n1,a,b\n"
    opener = unpack(lambda: io.BytesIO(method.compress(content)))
    with opener() as stream:
        assert stream.read() == content
    with unpack(lambda: io.BytesIO(content))() as stream:
        assert stream.read() == content


@pytest.mark.parametrize("size", [1, 7, 64])
def test_blocks_cut_no_row_and_no_quoted_cell(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[str(k), f"two\nlines, {k}", "é" * (k % 5)] for k in range(40)]
    content = write(rows).encode()
    whole = read(content)
    monkeypatch.setattr(text, "_PART", size)
    monkeypatch.setattr(text, "_BLOCK_BYTES", 4 * len(content))
    assert read(content) == whole == rows
    monkeypatch.setattr(text, "_BLOCK_BYTES", 50 * size)
    assert read(content) == rows
    assert read(content.replace(b"\n", b"\r\n")) == [
        [a, b.replace("\n", "\r\n"), c] for a, b, c in rows
    ]


@given(
    rows=st.lists(
        st.lists(st.text("abc1.-", min_size=1, max_size=5), min_size=3, max_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_any_run_of_spaces_is_a_delimiter(rows: list) -> None:
    rows = as_rows(rows)
    lines = ["id name   last", *("  " + " \t  ".join(row) + " " for row in rows)]
    assert read("\n".join(lines).encode()) == rows


def test_spaces_before_a_quote_do_not_belong_to_the_cell() -> None:
    assert read(b'id, name, last\n1, "a, b", "c"\n') == [["1", "a, b", "c"]]


def test_comments_and_blank_lines_are_no_rows() -> None:
    assert read(b"id,name,last\n# said\n1,a,b\n\n# again\n2,c,d\n") == [
        ["1", "a", "b"],
        ["2", "c", "d"],
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"id,name,last\n1,a,b\n2,a\n", "row 2 has 2 cells where the header has 3"),
        (b"id,name,last\n1,a,b\n2,a,b,c\n", "row 2 has 4 cells where the header has 3"),
        (b"id,name,last\n1,a,b\n# x,a,b\n", "a row begins with #"),
        (b'id,name,last\n1,a,"b\n2,c,d\n', "a quote is opened near row 1 and never closed"),
        (
            b"id,name\n1,a,\n2,b,\n" + b"3,c,\n" * 50 + b"4,d,e\n",
            "a row has a cell more than the header",
        ),
    ],
)
def test_what_could_be_lost_without_a_word_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read(content, (0, 1))


def test_rows_are_counted_through_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_PART", 16)
    monkeypatch.setattr(text, "_BLOCK_BYTES", 32)
    with pytest.raises(UserError, match="row 51 has 2 cells"):
        read(b"id,name,last\n" + b"1,a,b\n" * 50 + b"2,a\n")
    with pytest.raises(UserError, match="a row is longer than 32 bytes"):
        read(b"id,name,last\n1,a," + b"b" * 100)


def test_a_table_without_rows_has_its_columns() -> None:
    table = read_text_table("it", lambda: io.BytesIO(b"id;name\n"))
    assert table.names == ["id", "name"]
    assert table.has_decimal_comma
    assert [column.to_pylist() for column in table.read_whole([0, 1])] == [[], []]
    assert not read_text_table("it", lambda: io.BytesIO(b"id,name\n")).has_decimal_comma
    units = read_text_table("it", lambda: io.BytesIO(b"ra,z\ndeg,\n1,2\n"))
    assert [column.unit for column in units.columns] == ["deg", ""]
