"""Tables of users: blocks in the order asked for, text sound, faults one printable line."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError, UserError
from pipeline.user_tables.table import Column, UserTable, decode, is_text, reading, show_text


def make_table(*blocks: dict) -> UserTable:
    def read(places):
        for block in blocks:
            arrays = [list(block.values())[place] for place in places]
            yield pa.table(arrays, names=[str(place) for place in places])

    return UserTable("it", tuple(Column(name) for name in blocks[0] if blocks), read)


def test_columns_come_in_the_order_asked_for_and_blocks_are_joined() -> None:
    table = make_table(
        {"a": pa.array([1, 2]), "b": pa.array(["x", "y"])},
        {"a": pa.array([3.5]), "b": pa.array(["z"])},
    )
    second, first = table.read_whole([1, 0])
    assert second.to_pylist() == ["x", "y", "z"]
    assert first.to_pylist() == [1, 2, 3.5]
    assert [column.to_pylist() for column in table.read_whole([])] == []
    empty = UserTable("it", (Column("a"),), lambda places: iter(()))
    assert [(len(c), c.type) for c in empty.read_whole([0, 0])] == [(0, pa.string())] * 2


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("is_dictionary", [False, True])
def test_text_of_any_storage_is_plain_text(kind: pa.DataType, is_dictionary: bool) -> None:
    array = pa.array(["é", None, "b"], pa.string()).cast(kind)
    array = array.dictionary_encode() if is_dictionary else array
    assert is_text(array.type)
    [found] = make_table({"a": array}).read_whole([0])
    assert (found.type, found.to_pylist()) == (pa.string(), ["é", None, "b"])
    assert not is_text(pa.int64())
    assert not is_text(pa.array([1, 1]).dictionary_encode().type)


@given(raw=st.binary(max_size=12))
def test_any_bytes_are_some_text(raw: bytes) -> None:
    [found] = make_table({"a": pa.array([raw, None], pa.binary())}).read_whole([0])
    assert found.to_pylist() == [decode(raw), None]


@given(text=st.text(max_size=30))
def test_text_is_decoded_as_it_was_encoded(text: str) -> None:
    assert decode(text.encode()) == text
    assert decode("naïve café".encode("cp1252")) == "naïve café"
    assert decode(b"\x81\xe9") == "\x81é"


@given(text=st.text(max_size=80), longest=st.integers(1, 50))
def test_what_is_shown_is_printable_and_short(text: str, longest: int) -> None:
    shown = show_text(text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest + 1
    assert (shown[-1:] == "…" and len(shown) == longest + 1) or len(shown) == len(text)
    if text.isprintable():
        assert text.startswith(shown.removesuffix("…") if len(text) > longest else shown)


@pytest.mark.parametrize(
    ("n", "told"),
    [(0, "it has none"), (12, "n11"), (13, "n11 and 1 more"), (40, "n11 and 28 more")],
)
def test_the_first_columns_are_named(n: int, told: str) -> None:
    table = UserTable("it", tuple(Column(f"n{k}") for k in range(n)), lambda places: iter(()))
    assert table.describe_columns().endswith(told)
    nameless = UserTable("it", (Column(""), Column("a")), lambda places: iter(()))
    assert nameless.describe_columns() == "it has a and 1 more"


def test_any_fault_of_a_reader_is_one_line_but_our_own_and_want_of_memory() -> None:
    with (
        pytest.raises(UserError, match=r"^f: cannot be read as FITS \(bad\); give CSV"),
        reading("f", "as FITS"),
    ):
        raise ValueError("bad\nand more")
    for own in (UserError("u"), DataError("d"), MemoryError("m")):
        with pytest.raises(type(own), match=str(own)), reading("f"):
            raise own
