"""Keywords of a header: each as astropy reads it, every fault named with its place."""

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.fits.header import CARD, Header, find_cards

KEY = st.text("ABCDEFGHIJ_0123456789", min_size=1, max_size=8).filter(lambda key: key[0].isalpha())
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=150)
VALUE = st.one_of(st.integers(-(2**40), 2**40), st.floats(-1e200, 1e200), st.booleans(), TEXT)


def read(written: fits.Header) -> Header:
    text = written.tostring(sep="", endcard=False, padding=False).encode("ascii")
    lines = [text[at : at + 80] for at in range(0, len(text), 80)]
    return Header("it", 2880, find_cards(lines, any(line[:8] == b"CONTINUE" for line in lines)))


def make(**words: str) -> Header:
    return Header("it", 2880, {k.ljust(8).encode(): v.encode() for k, v in words.items()})


@given(cards=st.dictionaries(KEY, VALUE, min_size=1, max_size=6))
def test_every_value_is_the_one_that_astropy_wrote(cards: dict) -> None:
    written = fits.Header(list(cards.items()))
    written["COMMENT"] = "HISTORY = 'nothing'"
    found = read(written)
    for key, value in cards.items():
        assert found.has(key)
        if isinstance(value, bool):
            assert found.flag(key) == value
        elif isinstance(value, int):
            assert found.integer(key, low=-(2**62)) == value
        elif isinstance(value, float):
            assert found.number(key, 0.0) == pytest.approx(value, rel=1e-12, abs=1e-300)
        else:
            assert found.text(key).split() == value.split()
    assert not found.has("ABSENT")
    assert (found.integer("ABSENT", 7), found.number("ABSENT", 0.5)) == (7, 0.5)
    assert (found.text("ABSENT", "x"), found.flag("ABSENT")) == ("x", False)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("'it''s / here' / a comment", "it's / here"),
        ("  'padded  '  ", "padded"),
        ("42 / answer", "42"),
        ("'never closed", "'never closed"),
        ("''", ""),
    ],
)
def test_strings_keep_their_slashes_and_quotes(word: str, text: str) -> None:
    assert make(KEY=word).text("KEY", "none") == text


@pytest.mark.parametrize("word", ["1.5", "", "1 2", "0x10", "one"])
def test_what_is_no_integer_is_told_with_its_place(word: str) -> None:
    with pytest.raises(DataError, match=r"^it: HDU at byte 2880: NAXIS .* not an integer: damaged"):
        make(NAXIS=word).integer("NAXIS")


def test_bounds_are_those_allowed() -> None:
    header = make(N="5", M="-1")
    assert header.integer("N", low=5, high=5) == 5
    for low, high in ((6, 9), (0, 4)):
        with pytest.raises(DataError, match=f"not an integer from {low} to {high}"):
            header.integer("N", low=low, high=high)
    with pytest.raises(DataError, match="from 0 to"):
        header.integer("M")
    assert header.integer("M", low=-1) == -1
    with pytest.raises(DataError, match="ABSENT is missing"):
        header.integer("ABSENT")


@pytest.mark.parametrize("word", ["nan", "1E999", "abc", "1e", "."])
def test_what_is_no_finite_number_is_told(word: str) -> None:
    with pytest.raises(DataError, match="not a finite number"):
        make(BZERO=word).number("BZERO", 0.0)
    assert make(BZERO="1.5D3").number("BZERO", 0.0) == 1500
    assert make(BZERO="-.5").number("BZERO", 0.0) == -0.5


def test_of_a_repeated_keyword_the_first_counts() -> None:
    lines = [
        line.ljust(80).encode()
        for line in ("A       = 1", "B       = 2", "A       = 3", "HISTORY = 4x")
    ]
    found = Header("it", 0, find_cards(lines, False))
    assert (found.integer("A"), found.integer("B")) == (1, 2)


@pytest.mark.parametrize("first", ["CONTINUE  'x'", "A       = 5"])
def test_a_string_that_continues_nothing_is_left_alone(first: str) -> None:
    lines = [line.ljust(80).encode() for line in (first, "CONTINUE  'more'", "B       = 2")]
    found = Header("it", 0, find_cards(lines, True))
    assert found.integer("B") == 2
    assert found.text("A", "none") in ("5", "none")


@given(st.lists(st.sampled_from(["COMMENT", "HISTORY", "HIERARCH", "        "]), min_size=1))
def test_words_of_people_hold_no_value(keys: list[str]) -> None:
    cards = [f"{key:8}some = 'words'".encode().ljust(CARD) for key in keys]
    cards.insert(len(cards) // 2, b"NAXIS   = 2".ljust(CARD))
    found = Header("it", 0, find_cards(cards, is_continued=False))
    assert found.integer("NAXIS") == 2
    assert not any(found.has(key) for key in {*keys, "some"})


def test_a_card_is_as_long_as_astropy_writes_it() -> None:
    assert len(fits.Card("A", 1).image) == CARD
