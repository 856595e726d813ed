"""Cells of a stranger's table as identifiers, numbers, angles and words; never by a guess.

Every function takes a column as it was read (text, or the file's own type) and names in its error
the column, the row (from 1) and the value.
"""

import re
from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.user_tables.table import is_text, show_text

# What programs and people write where there is no value, lower case.
NO_VALUE = (
    "",
    "nan",
    "null",
    "none",
    "na",
    "n/a",
    "#n/a",
    "<na>",
    "-",
    "--",
    "---",
    "...",
    "masked",
    "\\n",
    "nil",
)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$|^[+-]?(inf|infinity)$"
_COMMA = r"^[+-]?[0-9]*,[0-9]+(e[+-]?[0-9]+)?$"
_ANGLE = (
    r"^(?P<sign>[+-]?)(?P<whole>[0-9]{1,3})(?P<mark>[:hd° ]) *(?P<minutes>[0-9]{1,2})"
    r"(?:[:m'′ ] *(?P<seconds>[0-9]{1,2}(?:\.[0-9]*)?)[s\"″]?|[m'′]?)$"
)
# What is the same when it is read as a number and written again.
_PLAIN_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
_PLAIN_NUMBER = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"
_INT64 = 2**63
# Doubles and floats hold every whole number below these.
_EXACT = {16: 2**11, 32: 2**24, 64: 2**53}
_LONGEST_INTEGER = 25


def read_ids(
    origin: object, name: str, column: pa.ChunkedArray, words_are_none: bool = False
) -> list[int | None]:
    """Read whole numbers of 64 bits exactly; None where a cell is empty.

    Parameters
    ----------
    words_are_none : bool
        None too where a cell is no number at all, or too large.

    Raises
    ------
    UserError
        If a value is no such number, or has been through a floating-point number that cannot
        keep it.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return [None] * len(column)
    if pa.types.is_floating(kind):
        return _read_float_ids(origin, name, column)
    if is_text(kind):
        values = _to_words(column).to_pylist()
        read = partial(_read_id, origin, name, words_are_none)
        return [read(row, value) for row, value in enumerate(values, 1)]
    if pa.types.is_signed_integer(kind):
        return column.to_pylist()
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        numbers = column.to_pylist()
        for row, value in enumerate(numbers, 1):
            if value is not None and (value != int(value) or not -_INT64 <= value < _INT64):
                raise _refuse(origin, name, row, value, "is no whole number of 64 bits")
        return [None if value is None else int(value) for value in numbers]
    raise UserError(f"{origin}: column {name} holds {kind}, no whole numbers")


def read_numbers(
    origin: object, name: str, column: pa.ChunkedArray, has_decimal_comma: bool = False
) -> NDArray[np.float64]:
    """Read numbers, shape (n,); NaN where a cell is empty or says that there is no value.

    Raises
    ------
    UserError
        If a value is no number.
    """
    kind = column.type
    if not is_text(kind):
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if not (is_number or pa.types.is_decimal(kind) or pa.types.is_null(kind)):
            raise UserError(f"{origin}: column {name} holds {kind}, no numbers")
        # An integer beyond 2^53 is no measurement that its last digit would change.
        return column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    words = _to_numerals(column, has_decimal_comma)
    return _parse_decimals(origin, name, column, words, "is no number")


def read_angles(
    origin: object, name: str, column: pa.ChunkedArray, hours: bool, has_decimal_comma: bool = False
) -> NDArray[np.float64]:
    """Read angles: decimal numbers as they stand, sexagesimal text in degrees; NaN where empty.

    Parameters
    ----------
    hours : bool
        Sexagesimal values are hours, unless a mark says degrees (``12d34m56s``).

    Raises
    ------
    UserError
        If a value is neither.
    """
    if not is_text(column.type):
        return read_numbers(origin, name, column, has_decimal_comma)
    words = _to_numerals(column, has_decimal_comma)
    is_angle = pc.fill_null(pc.match_substring_regex(words, _ANGLE), False)
    numbers = pc.if_else(is_angle, None, words)
    fault = "is neither a number nor an angle"
    values = _parse_decimals(origin, name, column, numbers, fault)
    if pc.any(is_angle).as_py():
        rows = np.flatnonzero(is_angle.to_numpy())
        values[rows] = _read_sexagesimal(words.take(pa.array(rows)), hours)
    return values


def read_words(column: pa.ChunkedArray) -> list[str | None]:
    """Read words, stripped; None where a cell is empty or says that there is no value."""
    return [None if value is None else str(value) for value in _to_words(column).to_pylist()]


def read_texts(column: pa.ChunkedArray) -> list[str]:
    """Read every cell as text to the letter, also of a column of numbers; "" where it is null."""
    return ["" if value is None else str(value) for value in column.to_pylist()]


def is_textual(column: pa.ChunkedArray) -> bool:
    """Say whether a column holds text."""
    return is_text(column.type)


def _to_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return stripped text, with nulls where there is no value."""
    words = pc.utf8_trim_whitespace(column)
    words = pc.utf8_trim(words, characters="\0\u00a0\ufeff\u200b")
    is_missing = pc.is_in(pc.utf8_lower(words), pa.array(NO_VALUE))
    return pc.if_else(is_missing, None, words)


def _to_numerals(column: pa.ChunkedArray, has_decimal_comma: bool = False) -> pa.ChunkedArray:
    """Return numbers as programs write them: one minus sign, one mark of the exponent, a point."""
    words = pc.replace_substring(pc.utf8_lower(_to_words(column)), "−", "-")
    words = pc.replace_substring_regex(words, r"^([+-]?[0-9.]+)d([+-]?[0-9]+)$", r"\1e\2")
    return _replace_comma(words) if has_decimal_comma else words


def _replace_comma(words: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read the comma of a column as its decimal point, unless another value has a point."""
    has_comma = pc.match_substring_regex(words, _COMMA)
    if not pc.any(has_comma).as_py() or pc.any(pc.match_substring(words, ".")).as_py():
        return words
    return pc.if_else(has_comma, pc.replace_substring(words, ",", "."), words)


def _parse_decimals(
    origin: object, name: str, column: pa.ChunkedArray, words: pa.ChunkedArray, fault: str
) -> NDArray[np.float64]:
    """Return numbers as `_to_numerals` writes them; UserError with the fault if one is none."""
    fits = pc.fill_null(pc.match_substring_regex(words, _DECIMAL), True)
    row = pc.index(fits, False).as_py()
    if row >= 0:
        raise _refuse(origin, name, row + 1, column[row].as_py(), fault)
    return pc.replace_substring_regex(words, r"^\+", "").cast(pa.float64()).to_numpy().copy()


def _refuse(origin: object, name: str, row: int, value: object, fault: str) -> UserError:
    shown = value if isinstance(value, int | float | Decimal) else show_text(value)
    return UserError(f"{origin}: column {name}, row {row}: {shown!r} {fault}")


def _read_float_ids(origin: object, name: str, column: pa.ChunkedArray) -> list[int | None]:
    limit = _EXACT[column.type.bit_width]
    values = column.to_pylist()
    for row, value in enumerate(values, 1):
        if value is not None and not np.isnan(value) and not _is_exact(value, limit):
            raise _refuse_float(origin, name, row, value)
    return [None if value is None or np.isnan(value) else int(value) for value in values]


def _is_exact(value: float, limit: int) -> bool:
    return abs(value) < limit and value == int(value)


def _refuse_float(origin: object, name: str, row: int, value: object) -> UserError:
    return UserError(
        f"{origin}: column {name} holds floating-point numbers ({show_text(value)} in row {row}), "
        "which cannot keep an identifier exactly; write it as an integer or as text"
    )


def _read_id(
    origin: object, name: str, words_are_none: bool, row: int, text: str | None
) -> int | None:
    if text is None:
        return None
    # Spreadsheets are told so that a value is text: ="123" or '123.
    bare = re.sub(r"^=\"(.*)\"$|^'(.*?)'?$|^\"(.*)\"$", r"\1\2\3", text).strip()
    if _INTEGER.fullmatch(bare):
        # Not even an attempt at a number of thousands of digits.
        if len(bare) <= _LONGEST_INTEGER and -_INT64 <= (value := int(bare)) < _INT64:
            return value
        if words_are_none:
            return None
        raise _refuse(origin, name, row, text, "does not fit into 64 bits")
    if re.fullmatch(_DECIMAL, bare.lower()):
        number = float(bare)
        if np.isfinite(number) and _is_exact(number, _EXACT[64]):
            return int(number)
        raise _refuse_float(origin, name, row, text)
    if words_are_none:
        return None
    raise _refuse(origin, name, row, text, "is no whole number")


def _read_sexagesimal(words: pa.ChunkedArray, hours: bool) -> NDArray[np.float64]:
    parts = pc.extract_regex(words, _ANGLE)
    field = {key: pc.struct_field(parts, key) for key in ("sign", "whole", "mark")}
    numbers = []
    for key in ("minutes", "seconds"):
        text = pc.struct_field(parts, key)
        numbers.append(pc.if_else(pc.equal(text, ""), "0", text).cast(pa.float64()).to_numpy())
    minutes, seconds = numbers
    value = field["whole"].cast(pa.float64()).to_numpy() + minutes / 60 + seconds / 3600
    value = np.where((minutes < 60) & (seconds <= 60), value, np.nan)
    sign = np.where(pc.equal(field["sign"], "-").to_numpy(), -1, 1)
    is_degrees = pc.is_in(field["mark"], pa.array(["d", "°"])).to_numpy()
    is_hours = pc.equal(field["mark"], "h").to_numpy() | (hours & ~is_degrees)
    return sign * value * np.where(is_hours, 15, 1)


def find_type(column: pa.ChunkedArray, before: pa.DataType | None) -> pa.DataType:
    """Return the narrowest of int64, float64 and string that holds a text column exactly.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
    before : pyarrow.DataType or None
        What earlier blocks of the column need.
    """
    words = _to_words(column)
    for kind, pattern in ((pa.int64(), _PLAIN_INTEGER), (pa.float64(), _PLAIN_NUMBER)):
        if before in (None, pa.int64(), kind):
            fits = pc.fill_null(pc.match_substring_regex(words, pattern), True)
            if pc.all(fits).as_py():
                return kind
    return pa.string()


def to_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return a text column as the type that `find_type` found; null where there is no value."""
    return _to_words(column).cast(kind)


def read_names(origin: object, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read identifiers that may be words, as text to the letter; null where a cell is empty.

    Raises
    ------
    UserError
        If they are floating-point numbers that cannot keep an identifier, or no values.
    """
    if is_textual(column):
        words = pc.utf8_trim_whitespace(column)
        return pc.if_else(pc.equal(words, ""), None, words)
    if pa.types.is_floating(column.type):
        return pa.chunked_array([pa.array(_read_float_ids(origin, name, column))]).cast("string")
    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        raise UserError(f"{origin}: column {name} holds {column.type}, no identifiers") from None


def holds_angles(column: pa.ChunkedArray) -> bool:
    """Say whether any cell of a column is a sexagesimal angle."""
    return is_textual(column) and bool(
        pc.any(pc.match_substring_regex(_to_numerals(column), _ANGLE)).as_py()
    )
