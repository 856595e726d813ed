"""TARGETIDs and positions as people write them, read the same wherever they are given."""

import re

import numpy as np
import pandas as pd

# Hours become degrees.
RA_UNIT, DEC_UNIT = 15.0, 1.0
_INT64 = 2**63
_SEXAGESIMAL = re.compile(r"([+-]?)(\d{1,3})[:hd ](\d{1,2})[:m' ](\d{1,2}(?:\.\d*)?)[s\"]?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")


def read_targetid(text: str) -> int:
    """Read a TARGETID from text, without passing through a float.

    Raises
    ------
    ValueError
        If it is no integer of 64 bits; the message is one line.
    """
    try:
        targetid = int(text)
    except ValueError:
        raise ValueError("The TARGETID must be a whole number.") from None
    if not -_INT64 <= targetid < _INT64:
        raise ValueError(f"{text} is not a TARGETID: it does not fit into 64 bits.")
    return targetid


def is_angle(word: str) -> bool:
    """Say whether a word is a decimal or sexagesimal number."""
    return bool(_DECIMAL.fullmatch(word) or _SEXAGESIMAL.fullmatch(word))


def read_angle(word: str, unit: float) -> float:
    """Return an angle in degrees: as it stands if decimal, times the unit if sexagesimal.

    Raises
    ------
    ValueError
        If it is neither.
    """
    match = _SEXAGESIMAL.fullmatch(word)
    if match is None:
        return float(word)
    sign, whole, minutes, seconds = match.groups()
    value = int(whole) + int(minutes) / 60 + float(seconds) / 3600
    return (-1 if sign == "-" else 1) * value * unit


def read_places(ra: pd.Series, dec: pd.Series) -> pd.DataFrame:
    """Return the positions of rows, without the rows that have none.

    Parameters
    ----------
    ra, dec : pandas.Series
        Numbers or texts, degrees or sexagesimal; the index is kept.

    Returns
    -------
    pandas.DataFrame
        ra and dec in degrees.
    """
    places = pd.DataFrame({"ra": _read_angles(ra, RA_UNIT), "dec": _read_angles(dec, DEC_UNIT)})
    return places[places["ra"].between(0, 360) & places["dec"].between(-90, 90)]


def _read_angles(words: pd.Series, unit: float) -> pd.Series:
    numbers = pd.to_numeric(words, errors="coerce").to_numpy(float, copy=True, na_value=np.nan)
    texts = words.to_numpy(dtype=object)
    for row in np.flatnonzero(np.isnan(numbers)):
        # A comma in one angle of a list is the decimal mark of some languages.
        word = str(texts[row]).strip()
        if _COMMA.fullmatch(word):
            word = word.replace(",", ".")
        if is_angle(word):
            numbers[row] = read_angle(word, unit)
    return pd.Series(numbers, index=words.index)
