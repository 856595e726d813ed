"""Tables read in blocks of rows: what was written, whatever blocks and columns are asked for."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import DataError
from pipeline.fits.index import ReadAhead, walk_headers
from pipeline.fits.tables import (
    find_hdu,
    find_rows,
    iterate_columns,
    list_tables,
    read_columns,
    read_table,
)
from pipeline.transport.sources import LocalSource, MemorySource, SourceFile, local_file

FORMATS = {"i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D", "u1": "B"}
NAMES = ("a", "b", "c", "d")


class FarSource(MemorySource):
    """Bytes in memory that count as fetched from afar, and so are verified."""

    is_remote = True


def pack(columns: dict[str, np.ndarray], name: str = "T", checksum: bool = True) -> bytes:
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(key, FORMATS[values.dtype.str[1:]], array=values)
            for key, values in columns.items()
        ],
        name=name,
    )
    before = fits.ImageHDU(np.arange(9.0), name="BEFORE")
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), before, table]).writeto(out, checksum=checksum)
    return out.getvalue()


def far(data: bytes) -> SourceFile:
    return FarSource("far", data).file("t.fits")


def near(data: bytes) -> SourceFile:
    return MemorySource("near", data).file("t.fits")


@st.composite
def tables(draw: st.DrawFn) -> dict[str, np.ndarray]:
    n_rows = draw(st.integers(0, 40))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    return {name: draw(arrays(draw(st.sampled_from(list(FORMATS))), n_rows)) for name in names}


@given(tables(), st.data())
def test_columns_are_those_that_were_written(columns: dict[str, np.ndarray], data) -> None:
    file = data.draw(st.sampled_from([near, far]))(pack(columns))
    wanted = data.draw(st.lists(st.sampled_from(list(columns)), min_size=1, unique=True))
    found = read_columns(file, "T", wanted, ["nowhere"])
    assert list(found) == wanted
    for name in wanted:
        assert found[name].dtype.isnative
        np.testing.assert_array_equal(found[name], columns[name])


@given(tables(), st.integers(1, 400), st.data())
def test_blocks_of_any_size_join_to_the_table(
    columns: dict[str, np.ndarray], block_bytes: int, data
) -> None:
    file = data.draw(st.sampled_from([near, far]))(pack(columns))
    blocks = list(iterate_columns(file, "T", list(columns), block_bytes=block_bytes))
    row_bytes = sum(values.dtype.itemsize for values in columns.values())
    n_rows = len(next(iter(columns.values())))
    assert blocks
    lengths = [len(next(iter(block.values()))) for block in blocks]
    assert sum(lengths) == n_rows
    # Whole words of the checksum but for the last block, and no more than was asked for.
    assert all(length % 4 == 0 for length in lengths[:-1])
    assert max(lengths) <= max(4, block_bytes // row_bytes)
    for name, values in columns.items():
        np.testing.assert_array_equal(np.concatenate([b[name] for b in blocks]), values)


@given(st.integers(1, 60), st.integers(1, 300), st.data())
def test_one_bit_damaged_on_the_way_is_found_whatever_the_blocks(
    n_rows: int, block_bytes: int, data
) -> None:
    raw = bytearray(pack({"a": np.arange(n_rows, dtype="i4"), "b": np.ones(n_rows, "i2")}))
    place = walk_headers(ReadAhead(near(bytes(raw)))).find("T")
    assert place is not None
    at = data.draw(st.integers(place.data, place.data + place.n_bytes - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DataError, match="HDU T is damaged: DATASUM") as caught:
        list(iterate_columns(far(bytes(raw)), "T", ["a"], block_bytes=block_bytes))
    assert "\n" not in str(caught.value)


def test_a_table_without_a_checksum_is_read() -> None:
    raw = pack({"a": np.arange(5)}, checksum=False)
    assert read_columns(far(raw), "T", ["a"])["a"].tolist() == [0, 1, 2, 3, 4]


def test_text_in_blocks_is_as_wide_as_the_widest(tmp_path: Path) -> None:
    words = ["a", "bb", "ccc", "dddd", "eeeee"] * 3
    hdu = fits.BinTableHDU.from_columns([fits.Column("SPECTYPE", "5A", array=words)], name="T")
    hdu.writeto(tmp_path / "t.fits")
    file = local_file(tmp_path / "t.fits")
    blocks = list(iterate_columns(file, "T", ["SPECTYPE"], block_bytes=1))
    assert [len(block["SPECTYPE"]) for block in blocks] == [4, 4, 4, 3]
    assert read_columns(file, "T", ["SPECTYPE"])["SPECTYPE"].tolist() == words


def test_all_that_is_lacking_is_named_at_once() -> None:
    file = near(pack({"a": np.arange(3)}))
    with pytest.raises(DataError, match=r"HDU T has no column x, y$"):
        read_columns(file, "T", ["x", "a", "y"], ["z"])
    with pytest.raises(DataError, match="HDU BEFORE is not a binary table"):
        read_columns(file, "BEFORE", ["a"])
    with pytest.raises(DataError, match="no HDU OTHER: not a DESI file of this kind"):
        read_columns(file, "OTHER", ["a"])


def test_the_only_table_needs_no_name_but_a_name_of_its_own_is_kept() -> None:
    nameless = near(pack({"a": np.arange(3)}, name=""))
    assert read_columns(nameless, "ZCATALOG", ["a"])["a"].tolist() == [0, 1, 2]
    other = near(pack({"a": np.arange(3)}, name="OTHER"))
    with pytest.raises(DataError, match="no HDU ZCATALOG"):
        read_columns(other, "ZCATALOG", ["a"])


def test_a_packed_file_is_read_as_the_plain_one(tmp_path: Path) -> None:
    raw = pack({"a": np.arange(7), "b": np.arange(7) / 3})
    (tmp_path / "t.fits.gz").write_bytes(gzip.compress(raw))
    found = read_columns(local_file(tmp_path / "t.fits.gz"), "T", ["b", "a"])
    for name, values in read_columns(near(raw), "T", ["b", "a"]).items():
        np.testing.assert_array_equal(found[name], values)


def test_tables_and_their_columns_are_listed(tmp_path: Path) -> None:
    first, second = (
        fits.BinTableHDU.from_columns(
            [fits.Column(c, "E", array=np.ones(2)) for c in names], name=t
        )
        for t, names in (("ONE", "xy"), ("TWO", "z"))
    )
    image = fits.ImageHDU(np.ones(3), name="IMAGE")
    fits.HDUList([fits.PrimaryHDU(), first, image, second]).writeto(tmp_path / "t.fits")
    assert list_tables(local_file(tmp_path / "t.fits")) == {"ONE": ["x", "y"], "TWO": ["z"]}


ids = st.lists(st.integers(-5, 5), max_size=9)


@given(st.lists(st.integers(-5, 5), max_size=9, unique=True), ids)
def test_rows_are_found_as_a_dictionary_finds_them(listed: list[int], wanted: list[int]) -> None:
    rows, is_there = find_rows(np.array(listed, np.int64), np.array(wanted, np.int64))
    known = {targetid: row for row, targetid in enumerate(listed)}
    assert is_there.tolist() == [targetid in known for targetid in wanted]
    assert rows.tolist() == [known[targetid] for targetid in wanted if targetid in known]


@given(ids, ids)
def test_of_equal_rows_the_first_is_found(listed: list[int], wanted: list[int]) -> None:
    rows, _ = find_rows(np.array(listed, np.int64), np.array(wanted, np.int64))
    assert rows.tolist() == [listed.index(targetid) for targetid in wanted if targetid in listed]


@pytest.fixture
def counted(tmp_path: Path) -> SourceFile:
    (tmp_path / "t.fits").write_bytes(pack({"a": np.arange(50), "b": np.arange(50) * 2}))
    return LocalSource(str(tmp_path)).file("t.fits")


def test_a_walked_table_is_read_without_its_headers_again(counted: SourceFile) -> None:
    ahead = ReadAhead(counted)
    index = walk_headers(ahead)
    n_before = counted.source.counts.requests["read"]
    found = read_table(ahead, index, "T", ["b"])
    assert found["b"].tolist() == list(range(0, 100, 2))
    # A small file came whole with its first header.
    assert counted.source.counts.requests["read"] == n_before
    assert find_hdu(counted, index, "T") is index.find("T")
