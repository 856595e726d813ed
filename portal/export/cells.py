"""Values of tables as texts, column by column: every digit that they have, in every format.

A floating-point number is written with the fewest digits that read back as the same number of its
own width; whole numbers and decimals with all of theirs.
"""

import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

# Beyond it a reader whose numbers are doubles, such as a browser, would round.
EXACT = 2**53
_DIGITS = 15
_WHOLE = r"^-?\d+$"
# What XML cannot hold, whatever it is written as.
_NO_XML = r"[^\x{9}\x{A}\x{D}\x{20}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]"
# A cell that a spreadsheet takes for a formula, and one that is a number, an angle or a time.
_FORMULA = r"^[\t\r\n]|^\s*[=+\-@\x{2212}\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_HARMLESS = r"^[+-]?[0-9.: ]*([eE][+-]?[0-9]+)?$"


def settle(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column whose numbers a double holds exactly, or else as text."""
    kind = values.type
    if pa.types.is_integer(kind) and pc.any(_find_inexact(values)).as_py():
        return values.cast(pa.string())
    if not pa.types.is_decimal(kind):
        return values
    texts = _cast(values)
    longest = pc.max(pc.utf8_length(texts)).as_py() or 0
    if longest > _DIGITS:
        return texts
    return values.cast(pa.float64() if kind.scale else pa.int64())


def write_plain(values: pa.Array) -> pa.Array:
    """Return values as texts, null where null; nested ones as JSON, blobs as hexadecimal."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return write_plain(values.cast(kind.value_type))
    if is_text(kind):
        return values.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _map(values, bytes.hex)
    if _is_list(kind) or pa.types.is_struct(kind) or pa.types.is_map(kind):
        return pc.if_else(values.is_null(), pa.scalar(None, pa.string()), write_json(values))
    return _cast(values)


def write_json(values: pa.Array) -> pa.Array:
    """Return values as JSON, no null among them; what is no number of JSON is null there."""
    kind = values.type
    if pa.types.is_boolean(kind):
        texts = values.cast(pa.string())
    elif pa.types.is_floating(kind):
        digits = values.cast(pa.string())
        digits = pc.if_else(pc.match_substring_regex(digits, _WHOLE), _join(digits, ".0"), digits)
        texts = pc.if_else(pc.is_finite(values), digits, pa.scalar(None, pa.string()))
    elif pa.types.is_integer(kind):
        digits = values.cast(pa.string())
        texts = pc.if_else(_find_inexact(values), _quote(digits), digits)
    elif pa.types.is_decimal(kind):
        digits = _cast(values)
        is_long = pc.greater(pc.utf8_length(digits), _DIGITS)
        texts = pc.if_else(is_long, _quote(digits), digits)
    elif _is_list(kind):
        texts = _write_list(values)
    elif pa.types.is_struct(kind):
        texts = _write_struct(values)
    elif pa.types.is_map(kind):
        texts = _write_map(values)
    else:
        texts = _map(write_plain(values), json.dumps)
    texts = pc.if_else(values.is_null(), pa.scalar(None, pa.string()), texts)
    return texts.fill_null("null")


def write_xml(values: pa.Array) -> pa.Array:
    """Return values as the content of a VOTable's cells: what has no value is empty."""
    kind = values.type
    if pa.types.is_boolean(kind):
        texts = pc.if_else(values, "T", "F")
    elif pa.types.is_floating(kind):
        texts = _name_infinities(values.cast(pa.string()))
    elif is_array(kind):
        texts = _join_elements(write_xml(values.flatten()).fill_null("NaN"), values, " ")
    elif pa.types.is_integer(kind):
        texts = values.cast(pa.string())
    else:
        texts = write_plain(values)
        for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            texts = pc.replace_substring(texts, sign, entity)
        texts = pc.replace_substring_regex(texts, _NO_XML, "\ufffd")
    return texts


def disarm(texts: pa.Array) -> pa.Array:
    """Put an apostrophe before texts that a spreadsheet would run; numbers stay as they are."""
    is_formula = pc.and_(
        pc.match_substring_regex(texts, _FORMULA),
        pc.invert(pc.match_substring_regex(texts, _HARMLESS)),
    )
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", texts, ""), texts)


def is_text(kind: pa.DataType) -> bool:
    """Say whether a column holds texts; pandas hands its own on as large ones."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def is_array(kind: pa.DataType) -> bool:
    """Say whether a column holds arrays of numbers."""
    return _is_list(kind) and (
        pa.types.is_floating(kind.value_type)
        or pa.types.is_integer(kind.value_type)
        or pa.types.is_boolean(kind.value_type)
    )


def count_cells(values: pa.ChunkedArray) -> int:
    """Return how many single values a column has, those of its arrays among them."""
    if not _is_list(values.type):
        return len(values)
    inner = pa.chunked_array([chunk.flatten() for chunk in values.chunks], values.type.value_type)
    return len(values) + count_cells(inner)


def _write_list(values: pa.Array) -> pa.Array:
    inner = _join_elements(write_json(values.flatten()), values, ", ")
    return pc.binary_join_element_wise("[", inner, "]", "")


def _join_elements(texts: pa.Array, lists: pa.Array, separator: str) -> pa.Array:
    """Join the texts of all elements to one text a list."""
    lengths = pc.list_value_length(lists).fill_null(0)
    ends = pc.cumulative_sum(lengths.cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), separator)
    return pc.if_else(lists.is_null(), pa.scalar(None, pa.string()), joined)


def _write_struct(values: pa.Array) -> pa.Array:
    names = [field.name for field in values.type]
    parts = [
        pc.binary_join_element_wise(f"{json.dumps(name)}:", write_json(values.field(i)), "")
        for i, name in enumerate(names)
    ]
    return pc.binary_join_element_wise("{", pc.binary_join_element_wise(*parts, ","), "}", "")


def _write_map(values: pa.Array) -> pa.Array:
    keys = _map(write_plain(values.keys), json.dumps)
    pairs = pc.binary_join_element_wise(keys, write_json(values.items), ":")
    inner = pc.binary_join(pa.ListArray.from_arrays(values.offsets, pairs), ",")
    return pc.binary_join_element_wise("{", inner, "}", "")


def _map(values: pa.Array, write: Callable[..., str]) -> pa.Array:
    """Write each different value once."""
    known = values.dictionary_encode()
    texts = [None if v is None else write(v) for v in known.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(known.indices)


def _cast(values: pa.Array) -> pa.Array:
    try:
        return values.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        # Intervals, unions: what neither Arrow nor a file has a text for.
        return pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())


def _find_inexact(values: pa.Array) -> pa.Array:
    """Say which whole numbers a double does not hold for sure."""
    kind = values.type
    if kind.bit_width < pa.int64().bit_width:
        values, kind = values.cast(pa.int64()), pa.int64()
    is_large = pc.greater(values, pa.scalar(EXACT, kind))
    if pa.types.is_signed_integer(kind):
        is_large = pc.or_(is_large, pc.less(values, pa.scalar(-EXACT, kind)))
    return is_large


def _quote(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _join(texts: pa.Array, ending: str) -> pa.Array:
    return pc.binary_join_element_wise(texts, ending, "")


def _name_infinities(texts: pa.Array) -> pa.Array:
    for ours, theirs in (("nan", "NaN"), ("-inf", "-Inf"), ("inf", "+Inf")):
        texts = pc.if_else(pc.equal(texts, ours), theirs, texts)
    return texts
