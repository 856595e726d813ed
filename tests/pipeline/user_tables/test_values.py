"""Cells of strangers' tables: what is exact is read exactly, what is not is refused by its row."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.user_tables.values import (
    NO_VALUE,
    find_type,
    holds_angles,
    read_angles,
    read_ids,
    read_names,
    read_numbers,
    read_texts,
    read_words,
    to_type,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
EMPTY = st.sampled_from([*NO_VALUE, "NaN", "NULL", " -- ", "\u00a0", "N/A\0"])


def column(values: list, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values[:2], kind), pa.array(values[2:], kind)])


def text(values: list) -> pa.ChunkedArray:
    return column(values, pa.string())


WRITTEN = st.sampled_from(["{}", " {} ", '="{}"', "'{}", "'{}'", '"{}"', "{}\ufeff", "\0{}\0"])


@given(numbers=st.lists(st.tuples(INT64, WRITTEN), min_size=1, max_size=6), empty=EMPTY)
def test_every_whole_number_of_64_bits_is_read_exactly(numbers: list, empty: str) -> None:
    values = [number for number, _ in numbers]
    cells = [written.format(number) for number, written in numbers]
    assert read_ids("it", "ID", text([*cells, empty, None])) == [*values, None, None]
    assert read_ids("it", "ID", column([*values, None], pa.int64())) == [*values, None]


@pytest.mark.parametrize("edge", [2**63, -(2**63) - 1, 10**24])
@pytest.mark.parametrize("kind", ["text", "decimal"])
def test_what_does_not_fit_into_64_bits_is_refused_or_none(edge: int, kind: str) -> None:
    cells = text(["1", str(edge)]) if kind == "text" else column([1, edge], pa.decimal128(30, 0))
    with pytest.raises(UserError, match=r"it: column ID, row 2: .*64 bits"):
        read_ids("it", "ID", cells)
    if kind == "text":
        assert read_ids("it", "ID", cells, words_are_none=True) == [1, None]


@pytest.mark.parametrize("kind", [np.uint64, np.uint8, np.int16])
def test_integers_of_any_width_are_the_same_numbers(kind: type) -> None:
    assert read_ids(
        "it", "ID", column(np.array([0, 7, 100], kind).tolist(), pa.from_numpy_dtype(kind))
    ) == [0, 7, 100]
    with pytest.raises(UserError, match="row 3"):
        read_ids("it", "ID", column([1, 2, 2**64 - 1], pa.uint64()))


@pytest.mark.parametrize(
    ("kind", "limit"), [(np.float16, 2**11), (np.float32, 2**24), (np.float64, 2**53)]
)
def test_floats_keep_identifiers_below_their_limit_alone(kind: type, limit: int) -> None:
    whole = pa.chunked_array([pa.array(np.array([limit - 1, -5, np.nan], kind))])
    assert read_ids("it", "ID", whole) == [limit - 1, -5, None]
    for spoilt in (float(limit), 0.5, -float(limit)):
        cells = pa.chunked_array([pa.array(np.array([1, spoilt], kind))])
        with pytest.raises(UserError, match=r"row 2\), which cannot keep an identifier exactly"):
            read_ids("it", "ID", cells)


@pytest.mark.parametrize(("cell", "value"), [("1e3", 1000), ("12.0", 12), ("+4.", 4), ("-0.0", 0)])
def test_a_float_in_text_that_is_whole_and_small_is_a_number(cell: str, value: int) -> None:
    assert read_ids("it", "ID", text([cell])) == [value]


@pytest.mark.parametrize("cell", ["9007199254740992.0", "1.5", "1e400", "inf"])
def test_a_float_in_text_that_may_have_lost_digits_is_refused(cell: str) -> None:
    for words_are_none in (False, True):
        with pytest.raises(UserError, match="cannot keep an identifier"):
            read_ids("it", "ID", text(["1", cell]), words_are_none)


def test_words_are_no_identifiers_unless_they_may_be_none() -> None:
    with pytest.raises(UserError, match="it: column ID, row 2: 'J0012' is no whole number"):
        read_ids("it", "ID", text(["1", "J0012"]))
    assert read_ids("it", "ID", text(["1", "J0012"]), words_are_none=True) == [1, None]
    assert read_ids("it", "ID", column([None, None, None], pa.null())) == [None] * 3
    with pytest.raises(UserError, match="holds bool, no whole numbers"):
        read_ids("it", "ID", column([True, False, True], pa.bool_()))


@given(values=st.lists(FINITE, min_size=1, max_size=6), empty=EMPTY)
def test_numbers_are_read_as_they_were_written(values: list, empty: str) -> None:
    for style in (repr, "{:+.17e}".format, lambda v: f"{v:.17E}".replace("E", "D")):
        found = read_numbers("it", "Z", text([*map(style, values), empty, None]))
        np.testing.assert_array_equal(found, [*values, np.nan, np.nan])
    minus = read_numbers("it", "Z", text([repr(v).replace("-", "−", 1) for v in values]))
    np.testing.assert_array_equal(np.abs(minus), np.abs(values))
    np.testing.assert_array_equal(read_numbers("it", "Z", column(values, pa.float64())), values)


@pytest.mark.parametrize("cell", ["1.2.3", "1,5", "abc", "1e", "--1", "0x10", "1_000", "１２"])
def test_what_is_no_number_is_refused_by_its_row(cell: str) -> None:
    with pytest.raises(UserError, match=f"it: column Z, row 3: '{cell}' is no number"):
        read_numbers("it", "Z", text(["1", "", cell]))
    with pytest.raises(UserError, match=r"row 3: .* is neither a number nor an angle"):
        read_angles("it", "RA", text(["1", "", cell]), hours=True)


def test_a_comma_is_a_point_only_in_a_column_that_has_no_point() -> None:
    found = read_numbers("it", "Z", text(["1,5", "-,25", "3", "2,5e3"]), has_decimal_comma=True)
    np.testing.assert_array_equal(found, [1.5, -0.25, 3, 2500])
    with pytest.raises(UserError, match="row 1"):
        read_numbers("it", "Z", text(["1,5", "2.5"]), has_decimal_comma=True)
    with pytest.raises(UserError, match="row 2"):
        read_numbers("it", "Z", text(["1,5", "1,234,567"]), has_decimal_comma=True)


def test_numbers_of_other_types() -> None:
    np.testing.assert_array_equal(
        read_numbers("it", "Z", column([None] * 3, pa.null())), [np.nan] * 3
    )
    np.testing.assert_array_equal(
        read_numbers("it", "Z", column([1, None, 3], pa.int8())), [1, np.nan, 3]
    )
    with pytest.raises(UserError, match="holds bool, no numbers"):
        read_numbers("it", "Z", column([True, False, True], pa.bool_()))


SEXAGESIMAL = st.tuples(
    st.sampled_from(["", "+", "-"]), st.integers(0, 89), st.integers(0, 59), st.integers(0, 5999)
)


@given(
    parts=SEXAGESIMAL,
    mark=st.sampled_from(["::", "hm", "d'", "°′", "  ", "dm"]),
    hours=st.booleans(),
)
def test_sexagesimal_angles_are_sums_of_their_parts(parts: tuple, mark: str, hours: bool) -> None:
    sign, whole, minutes, hundredths = parts
    seconds = hundredths / 100
    cell = f"{sign}{whole:02d}{mark[0]}{minutes:02d}{mark[1]}{seconds:05.2f}"
    expected = (-1 if sign == "-" else 1) * (whole + minutes / 60 + seconds / 3600)
    # Hours where the column has them or the mark says so; degrees where the mark says so.
    if mark[0] == "h" or (hours and mark[0] not in "d°"):
        expected *= 15
    found = read_angles("it", "RA", text([cell, "12.5", ""]), hours)
    np.testing.assert_allclose(found, [expected, 12.5, np.nan], rtol=1e-12)
    assert holds_angles(text(["12.5", cell]))
    assert not holds_angles(text(["12.5", "", "word"]))


@pytest.mark.parametrize("cell", ["12:60:00", "12:00:60.5", "99:99"])
def test_minutes_and_seconds_beyond_sixty_are_no_angle(cell: str) -> None:
    assert np.isnan(read_angles("it", "RA", text([cell]), hours=True)[0])
    assert read_angles("it", "DEC", text(["-00:30", "12:59:60"]), hours=False).tolist() == [
        -0.5,
        13.0,
    ]


@given(words=st.lists(st.text(max_size=6), max_size=5))
def test_texts_are_kept_to_the_letter_and_words_without_their_margins(words: list) -> None:
    assert read_texts(text([*words, None])) == [*words, ""]
    kept = read_words(text([*words, None]))
    for word, found in zip(words, kept, strict=False):
        assert found is None or (found in word and found == found.strip())
    assert read_words(text([" QSO ", "n/a", "0"])) == ["QSO", None, "0"]


@given(
    values=st.lists(
        st.one_of(INT64.map(str), FINITE.map(repr), st.text(max_size=3), EMPTY), max_size=8
    )
)
def test_a_type_is_found_that_gives_every_cell_back(values: list) -> None:
    kind = find_type(text(values), None)
    back = to_type(text(values), kind).to_pylist()
    for cell, value in zip(read_words(text(values)), back, strict=True):
        if cell is None:
            assert value is None
        elif kind == pa.int64():
            assert str(value) == cell
        elif kind == pa.float64():
            assert value == float(cell)
        else:
            assert value == cell


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-7", ""], "int64"),
        (["1", "007"], "string"),
        (["1", "1.5"], "double"),
        (["+1"], "string"),
        (["999999999999999999"], "int64"),
        (["1234567890123456789"], "string"),
        (["1e5", "-0.5E-3"], "double"),
        (["", "nan"], "int64"),
    ],
)
def test_narrowest_type_that_writes_the_same_again(cells: list, kind: str) -> None:
    assert str(find_type(text(cells), None)) == kind


def test_a_type_never_narrows_from_block_to_block() -> None:
    assert find_type(text(["1"]), pa.float64()) == pa.float64()
    assert find_type(text(["1"]), pa.string()) == pa.string()
    assert find_type(text(["1.5"]), pa.int64()) == pa.float64()


def test_identifiers_that_may_be_words() -> None:
    found = read_names("it", "NAME", text([" J1 ", "", "nan", "0012"])).to_pylist()
    assert found == ["J1", None, "nan", "0012"]
    assert read_names("it", "NAME", column([1.0, 7.0, np.nan], pa.float64())).to_pylist() == [
        "1",
        "7",
        None,
    ]
    assert read_names("it", "NAME", column([2**62, 1, None], pa.int64())).to_pylist() == [
        str(2**62),
        "1",
        None,
    ]
    with pytest.raises(UserError, match="no identifiers"):
        read_names("it", "NAME", column([[1], [2], [3]], pa.list_(pa.int64())))
