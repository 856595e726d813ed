"""How text tables are written: recognised where it is unmistakable, never by a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.user_tables.dialect import (
    WHITESPACE,
    Dialect,
    find_dialect,
    is_number,
    is_ornament,
    split_line,
)

NAMES = st.lists(
    st.text("abcdefgh_", min_size=2, max_size=6), min_size=2, max_size=6, unique=True
).filter(lambda names: not any(name.startswith("_") for name in names))


def find(text: str, is_whole: bool = True) -> Dialect:
    return find_dialect("it", text.encode(), is_whole)


@given(
    names=NAMES,
    rows=st.integers(0, 50),
    delimiter=st.sampled_from([",", ";", "\t", "|", WHITESPACE]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    above=st.sampled_from(["", "# a comment\n", "\n\n", "-----\n", "# one\n# two\n\n"]),
)
def test_names_delimiter_and_first_row_are_those_written(
    names: list, rows: int, delimiter: str, end: str, above: str
) -> None:
    header = above.replace("\n", end) + delimiter.join(names) + end
    text = header + end.join(delimiter.join(["1.5"] * len(names)) for _ in range(rows))
    found = find(text)
    assert found.names == tuple(names)
    assert found.delimiter == delimiter
    assert found.start == len(header)
    assert (found.units, found.has_spare, found.is_padded, found.notes) == (None, False, False, ())


def test_commas_within_quotes_split_nothing() -> None:
    found = find('name,"ra, deg",dec\n"a, b, c",1,2\n"d, e",3,4\n')
    assert found.names == ("name", "ra, deg", "dec")
    assert split_line('"a, b", c ,"d ""e"""', ",") == ["a, b", "c", 'd "e"']
    assert split_line("  a \t b   c ", WHITESPACE) == ["a", "b", "c"]


def test_the_delimiter_that_splits_most_rows_alike_is_taken() -> None:
    assert find("a;b,c;d\n1,5;2;3\n1;2,5;3\n2;3;4,5\n").delimiter == ";"
    assert find("a b,c d\n1 2,3 4\n").delimiter == ","
    assert find("only\n1\n2\n").names == ("only",)
    assert find("sep=;\na;b\n1;2\n") == Dialect(("a", "b"), None, ";", 10, False, False)
    assert find('"sep=|"\na,x|b\n1,2|3\n').delimiter == "|"


@pytest.mark.parametrize(
    ("text", "names", "start"),
    [
        ("# id z\n1 2\n3 4\n", ("id", "z"), 7),
        ("# made today\n# id,z\n1,2\n", ("id", "z"), 20),
        ("#id\tz\n7\tQSO\n", ("id", "z"), 6),
    ],
)
def test_a_header_behind_the_mark_of_a_comment_is_told(text: str, names: tuple, start: int) -> None:
    found = find(text)
    assert (found.names, found.start) == (names, start)
    assert found.notes == ("its header is read from a line that begins with #",)


def test_a_header_alone_behind_the_mark_of_a_comment_has_no_rows() -> None:
    found = find("# a,b\n")
    assert (found.names, found.start) == (("# a", "b"), 6)


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "# three names here\n1,2\n", "10:20:30,x\n1,2\n"])
def test_values_in_the_place_of_names_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^it: line \d holds values .*must name the columns"):
        find(text)


def test_a_number_among_names_is_a_name() -> None:
    assert find("id,2000,z\n1,2,3\n").names == ("id", "2000", "z")


@pytest.mark.parametrize(
    ("row", "units"),
    [
        ("deg,deg,", ("deg", "deg", "")),
        ("(deg),[mag],--", ("deg", "mag", "")),
        ("hms,dms,km/s", ("hms", "dms", "km/s")),
        ("deg,1,mag", None),
        ("deg,quasar,mag", None),
        (",,", None),
        ("deg,mag", None),
    ],
)
def test_a_row_of_units_is_no_row_of_the_table(row: str, units: tuple | None) -> None:
    found = find(f"a,b,c\n{row}\n1,2,3\n4,5,6\n")
    assert found.units == units
    assert found.start == (len(f"a,b,c\n{row}\n") if units else 6)


def test_rules_below_the_header_are_no_rows() -> None:
    text = " a | b\n---+---\n 1 | 2\n(1 row)\n"
    assert find(text).start == len(" a | b\n---+---\n")
    both = "a,b\n---,---\ndeg,mag\n1,2\n"
    assert (find(both).units, find(both).start) == (("deg", "mag"), len("a,b\n---,---\ndeg,mag\n"))
    for ornament in ("", "  ", "# x", "-----", "+---+---+", "=== ===", "(12 rows)", "(1 row)"):
        assert is_ornament(ornament)
    for row in ("1", "|", "a-b", "rows", "12 rows"):
        assert not is_ornament(row)


@pytest.mark.parametrize(
    ("text", "names", "has_spare"),
    [
        ("a,b\n1,2,\n3,4,\n", ("a", "b", ""), True),
        ("a,b,\n1,2\n3,4\n", ("a", "b"), False),
        ("a,b,\n1,2,\n3,4,\n", ("a", "b", ""), False),
        ("a,b\n1,2,\n3,4\n", ("a", "b"), False),
    ],
)
def test_a_delimiter_at_the_end_of_every_row_or_of_the_header(
    text: str, names: tuple, has_spare: bool
) -> None:
    found = find(text)
    assert (found.names, found.has_spare) == (names, has_spare)


def test_spaces_between_delimiter_and_quote_are_seen() -> None:
    assert find('a, b\n1, "x, y"\n').is_padded
    assert not find('a, b\n1,"x, y"\n').is_padded


@pytest.mark.parametrize(
    "cell",
    [
        "1",
        "-1.5",
        ".5",
        "1.",
        "+2e-3",
        "1D5",
        "1,5",
        "nan",
        "-INF",
        "12:34:56.7",
        "12h34m56s",
        "1 2 3",
    ],
)
def test_numbers_and_angles_are_values(cell: str) -> None:
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["", "a", "1a", "e5", "--1", "1.2.3", "12:34", "NGC 1", "1:2:3:4"])
def test_other_cells_are_words(cell: str) -> None:
    assert not is_number(cell)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"", "the file is empty"),
        (b"\n\n---\n", "the file is empty"),
        (b"a,b\n\x00\x01", "holds binary data"),
    ],
)
def test_what_is_no_table_is_told(head: bytes, told: str) -> None:
    with pytest.raises(UserError, match=f"^it: {told}"):
        find_dialect("it", head, True)


def test_a_line_that_is_cut_is_no_row_and_a_header_that_is_cut_no_header() -> None:
    assert find_dialect("it", b"a,b\n1,2\n3", False).names == ("a", "b")
    with pytest.raises(UserError, match="line 1 is longer than 7 bytes"):
        find_dialect("it", b"a,b,c,d", False)


def test_too_many_columns_are_refused() -> None:
    assert len(find(",".join(f"c{k}" for k in range(5000)) + "\n").names) == 5000
    with pytest.raises(UserError, match="5,001 columns; 5,000 are allowed"):
        find(",".join(f"c{k}" for k in range(5001)) + "\n")
