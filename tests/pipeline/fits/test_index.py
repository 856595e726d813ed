"""Headers of any content: the walk ends, every HDU lies behind the one before, faults are named."""

import string
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.fits.index import (
    BLOCK,
    FileIndex,
    ReadAhead,
    load_index,
    read_header,
    save_index,
    walk_headers,
)
from pipeline.transport.sources import MemorySource, local_file

IMAGE = {"XTENSION": "'IMAGE   '", "BITPIX": "8", "NAXIS": "1", "NAXIS1": "10"}
TABLE = {
    "XTENSION": "'BINTABLE'",
    "BITPIX": "8",
    "NAXIS": "2",
    "NAXIS1": "8",
    "NAXIS2": "3",
    "PCOUNT": "0",
    "GCOUNT": "1",
    "TFIELDS": "1",
    "TFORM1": "'K'",
    "TTYPE1": "'TARGETID'",
}
PACKED = {
    "XTENSION": "'BINTABLE'",
    "NAXIS": "2",
    "NAXIS1": "8",
    "NAXIS2": "1",
    "TFIELDS": "1",
    "ZIMAGE": "T",
    "ZNAXIS": "1",
    "ZNAXIS1": "10",
    "ZBITPIX": "32",
    "ZCMPTYPE": "'RICE_1'",
}
WORDS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["-360", "0", "-1", "1E99", "nan", "T", "''", "'x'", "2880.5", "1_0", ""]),
    st.text(string.printable[:95], max_size=68),
)


def make_header(cards: dict[str, str]) -> bytes:
    """Return a header's blocks; the values are words as they stand there."""
    lines = [f"{key:8}= {value}"[:80].ljust(80) for key, value in cards.items()]
    text = "".join([*lines, "END".ljust(80)]).encode("latin-1")
    return text.ljust(-(-len(text) // BLOCK) * BLOCK)


def make_file(*hdus: dict[str, str], n_blocks: int = 1) -> bytes:
    first = make_header({"SIMPLE": "T", "BITPIX": "8", "NAXIS": "0"})
    return first + b"".join(make_header(hdu) + bytes(BLOCK * n_blocks) for hdu in hdus)


def walk(data: bytes) -> FileIndex:
    return walk_headers(ReadAhead(MemorySource("memory", data).file("x.fits")))


def explain(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        walk(data)
    message = str(caught.value)
    assert "memory/x.fits" in message
    assert "\n" not in message
    return message


def is_in_order(index: FileIndex) -> bool:
    starts = [hdu.start for hdu in index.hdus]
    return all(one < two for one, two in pairwise(starts)) and all(
        hdu.start < hdu.data <= hdu.data + hdu.n_bytes <= index.size for hdu in index.hdus
    )


KEYS = sorted({*IMAGE, *TABLE, "ZIMAGE", "ZNAXIS", "ZNAXIS1", "ZBITPIX", "EXTNAME", "BZERO"})


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([IMAGE, TABLE]),
    st.dictionaries(st.sampled_from(KEYS), WORDS, max_size=4),
    st.sets(st.sampled_from(KEYS), max_size=2),
)
def test_any_header_gives_hdus_in_order_or_one_line(
    cards: dict[str, str], changed: dict[str, str], dropped: set[str]
) -> None:
    hdu = {key: word for key, word in {**cards, **changed}.items() if key not in dropped}
    try:
        index = walk(make_file(hdu, IMAGE))
    except DataError:
        return
    assert is_in_order(index)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3 * BLOCK), st.sampled_from([b"", b"SIMPLE  =", make_file(IMAGE)]))
def test_any_bytes_are_hdus_in_order_or_one_line(data: bytes, before: bytes) -> None:
    try:
        index = walk(before + data)
    except DataError:
        return
    assert is_in_order(index)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"NAXIS1": "-360"}, "NAXIS1 is '-360'"),
        ({"NAXIS1": str(10**18)}, "truncated in HDU"),
        ({"NAXIS1": str(2**64)}, "NAXIS1 is"),
        ({"NAXIS1": "12.5"}, "NAXIS1 is '12.5', not an integer"),
        ({"NAXIS": "2"}, "NAXIS2 is missing"),
        ({"NAXIS": "-1"}, "NAXIS is '-1'"),
        ({"BITPIX": "7"}, "BITPIX is 7"),
        ({"BITPIX": "'8.0'"}, "BITPIX is"),
        ({"PCOUNT": "-2880"}, "PCOUNT is"),
        ({"GCOUNT": "0"}, "GCOUNT is"),
        ({"BZERO": "NaN"}, "BZERO is 'NaN', not a finite number"),
        ({"BSCALE": "1E999"}, "BSCALE is"),
        ({"ZIMAGE": "T"}, "a table of shape"),
        ({**PACKED, "ZNAXIS": ""}, "ZNAXIS is ''"),
        ({**PACKED, "TFIELDS": "1000000000"}, "TFIELDS is"),
        ({**PACKED, "ZNAXIS1": "10000000"}, "an image of"),
        ({**PACKED, "ZCMPTYPE": "'HCOMPRESS_1'"}, "compressed by 'HCOMPRESS_1'"),
        ({**PACKED, "ZNAME1": "'BYTEPIX'", "ZVAL1": "65536"}, "ZVAL1 is not one of"),
        ({**PACKED, "ZBITPIX": "31"}, "ZBITPIX is none of"),
        ({"XTENSION": "'BINTABLE'"}, "a table of shape"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, str], told: str) -> None:
    assert told in explain(make_file({**IMAGE, **changed}))


def test_header_without_an_end_and_a_file_of_headers_are_bounded() -> None:
    card = b"COMMENT a card".ljust(80)
    assert "no end of the header" in explain(make_file() + b"XTENSION=".ljust(80) + card * 40_000)
    empty = make_header({**IMAGE, "NAXIS": "0"})
    assert "more than 2000 HDUs" in explain(make_file() + empty * 2100)


def test_last_block_may_be_short_and_zeros_may_follow() -> None:
    whole = make_file(IMAGE, TABLE)
    assert len(walk(whole[: -BLOCK + 24]).hdus) == 3
    assert "truncated in HDU" in explain(whole[: -BLOCK + 23])
    assert len(walk(whole + bytes(10 * BLOCK)).hdus) == 3
    assert "no header at byte" in explain(whole + bytes(BLOCK) + make_header(IMAGE))


def test_words_of_a_header_are_those_that_astropy_reads(tmp_path: Path) -> None:
    hdu = fits.ImageHDU(np.zeros(3, np.int16), name="it's")
    hdu.header["BUNIT"] = "a long unit / with 'quotes' " * 5
    hdu.header["HIERARCH LONG KEYWORD"] = 3
    hdu.header["BZERO"] = 1.5e3
    hdu.header["AIRORVAC"] = "Air"
    hdu.header["COMMENT"] = "= 7"
    path = tmp_path / "x.fits"
    fits.HDUList([fits.PrimaryHDU(np.zeros((2, 3), np.float32)), hdu]).writeto(path)
    primary, found = walk_headers(ReadAhead(local_file(path))).hdus
    assert (primary.name, primary.shape, primary.bitpix) == ("PRIMARY", (2, 3), -32)
    assert (found.name, found.shape, found.bzero, found.is_air) == ("IT'S", (3,), 1500.0, True)
    assert found.unit == fits.getheader(path, 1)["BUNIT"].strip()


def test_repeated_keyword_counts_once_and_quotes_are_one() -> None:
    cards = make_header({**IMAGE, "EXTNAME": "'O''NEIL  '   / it's a name"})
    twice = cards.replace(b"END".ljust(80), b"NAXIS1  = 99".ljust(80) + b"END".ljust(80), 1)
    hdu = walk(make_file() + twice[:BLOCK] + bytes(BLOCK)).hdus[1]
    assert (hdu.name, hdu.shape) == ("O'NEIL", (10,))


def test_header_is_read_at_its_place_only() -> None:
    file = MemorySource("memory", make_file(TABLE)).file("x.fits")
    header, data = read_header(ReadAhead(file), BLOCK)
    assert (header.integer("NAXIS2"), header.text("TTYPE1"), data) == (3, "TARGETID", 2 * BLOCK)


def test_kept_index_is_the_same_or_none(tmp_path: Path) -> None:
    index, path = walk(make_file(IMAGE, TABLE)), tmp_path / "index.json"
    save_index(path, index)
    assert load_index(path, index.identity) == index
    assert load_index(path, "other") is None
    raw = path.read_bytes()
    for at in range(0, len(raw), 7):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        assert load_index(path, index.identity) in (None, index)
    for content in ("", "[]", "null", "7", "{}", "[" * 100_000, "0\n[]"):
        path.write_text(content)
        assert load_index(path, index.identity) is None
