"""TARGETIDs and positions as people write them."""

import numpy as np
import pandas as pd
import pytest

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
