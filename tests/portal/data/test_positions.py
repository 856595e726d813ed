"""TARGETIDs and positions as people write them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.data.positions import (
    DEC_UNIT,
    RA_UNIT,
    is_angle,
    read_angle,
    read_places,
    read_targetid,
)


@pytest.mark.parametrize(
    ("word", "unit", "degrees"),
    [
        ("150.5", RA_UNIT, 150.5),
        ("10:02:00", RA_UNIT, 150.5),
        ("10h02m0.0s", RA_UNIT, 150.5),
        ("-00:30:00", DEC_UNIT, -0.5),
        ("+12d30'00\"", DEC_UNIT, 12.5),
        (".5", DEC_UNIT, 0.5),
    ],
)
def test_angles_are_decimal_or_sexagesimal(word: str, unit: float, degrees: float) -> None:
    assert is_angle(word)
    assert read_angle(word, unit) == pytest.approx(degrees)


@pytest.mark.parametrize("word", ["", "x", "1e5", "nan", "10:20", "--1", "1;2;3"])
def test_other_words_are_no_angles(word: str) -> None:
    assert not is_angle(word)


def test_places_keep_their_rows() -> None:
    ra = pd.Series([1.0, 400.0, np.nan, 359.0], index=[4, 3, 2, 1])
    dec = pd.Series(["2", "3", "4", "-90:00:00"], index=[4, 3, 2, 1], dtype="string")
    places = read_places(ra, dec)
    assert places.index.tolist() == [4, 1]
    assert places["dec"].tolist() == [2.0, -90.0]
    assert read_places(pd.Series([True]), pd.Series([b"x"])).empty


@pytest.mark.parametrize("text", ["9223372036854775808", "1.5", "", "x"])
def test_what_is_no_targetid_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="TARGETID"):
        read_targetid(text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_identifier_of_64_bits_is_read_exactly(targetid: int) -> None:
    assert read_targetid(str(targetid)) == targetid
    assert read_targetid(f" {targetid} ") == targetid


@given(st.integers(0, 359), st.integers(0, 59), st.floats(0, 59.999), st.sampled_from("+- "))
def test_sexagesimal_angles_are_sums_of_their_parts(
    whole: int, minutes: int, seconds: float, sign: str
) -> None:
    word = f"{sign.strip()}{whole}:{minutes:02}:{seconds:06.3f}"
    if not is_angle(word):
        return
    value = whole + minutes / 60 + seconds / 3600
    assert abs(read_angle(word, DEC_UNIT)) == pytest.approx(value, abs=1e-6)
    assert read_angle(word, RA_UNIT) == pytest.approx(15 * read_angle(word, DEC_UNIT))
    assert (read_angle(word, DEC_UNIT) < 0) == (sign == "-" and value > 0)


@given(
    st.lists(
        st.tuples(st.floats(-400, 800), st.floats(-200, 200)) | st.just((None, None)), max_size=6
    )
)
def test_only_places_on_the_sky_are_kept_at_their_rows(places: list) -> None:
    ra = pd.Series([place[0] for place in places], dtype=float)
    dec = pd.Series([place[1] for place in places], dtype=float)
    kept = read_places(ra, dec)
    wanted = ra.between(0, 360) & dec.between(-90, 90)
    assert kept.index.tolist() == wanted[wanted].index.tolist()
    assert kept["ra"].tolist() == ra[wanted].tolist()
