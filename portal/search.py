"""What a person types into the search box, understood."""

import re
from dataclasses import dataclass

CONE_RADIUS = 60.0
MAX_CONE_RADIUS = 3600.0 * 10
_INT64 = 2**63
_SEXAGESIMAL = re.compile(r"([+-]?)(\d{1,3})[:hd ](\d{1,2})[:m' ](\d{1,2}(?:\.\d*)?)[s\"]?")
HINT = "a TARGETID, a DESI name, or RA and Dec with an optional radius in arcsec"


class SearchError(ValueError):
    """The text cannot be understood; the message says why in one line."""


@dataclass(frozen=True)
class Cone:
    """A circle on the sky: centre in degrees (ICRS), radius in arcsec."""

    ra: float
    dec: float
    radius: float = CONE_RADIUS


@dataclass(frozen=True)
class Name:
    """A DESI name or a part of it."""

    text: str


@dataclass(frozen=True)
class Target:
    """A DESI TARGETID."""

    targetid: int


Search = Cone | Name | Target


def parse_search(text: str) -> Search | None:
    """Understand the search box.

    Parameters
    ----------
    text : str
        Empty; a TARGETID; ``ra dec [radius]`` in decimal degrees or sexagesimal with a radius in
        arcsec; anything else is a DESI name or a part of one.

    Raises
    ------
    SearchError
        If a number is out of range or a lone number is no TARGETID.
    """
    text = " ".join(text.replace(",", " ").split())
    if not text:
        return None
    words = text.split()
    if len(words) == 1 and re.fullmatch(r"-?\d+", text):
        return parse_targetid(text)
    if len(words) in (2, 3) and all(_is_angle(word) for word in words[:2]):
        return _cone(words)
    if _is_angle(text):
        raise SearchError(f"“{text}” is one number: give {HINT}.")
    return Name(text)


def parse_targetid(text: str) -> Target:
    """Read a TARGETID from text, without passing through a float.

    Raises
    ------
    SearchError
        If it is no integer of 64 bits.
    """
    try:
        targetid = int(text)
    except ValueError:
        raise SearchError("The TARGETID must be a whole number.") from None
    if not -_INT64 <= targetid < _INT64:
        raise SearchError(f"{text} is not a TARGETID: it does not fit into 64 bits.")
    return Target(targetid)


def _is_angle(word: str) -> bool:
    return bool(_SEXAGESIMAL.fullmatch(word) or re.fullmatch(r"[+-]?\d+(\.\d*)?|[+-]?\.\d+", word))


def _cone(words: list[str]) -> Cone:
    ra = _degrees(words[0], per_unit=15.0)
    dec = _degrees(words[1], per_unit=1.0)
    try:
        radius = float(words[2]) if len(words) == 3 else CONE_RADIUS
    except ValueError:
        raise SearchError("The radius must be a number of arcsec, e.g. 60.") from None
    if not 0 <= ra <= 360:
        raise SearchError(f"right ascension {ra:g} is outside 0 to 360 degrees.")
    if not -90 <= dec <= 90:
        raise SearchError(f"declination {dec:g} is outside -90 to +90 degrees.")
    if not 0 < radius <= MAX_CONE_RADIUS:
        raise SearchError(f"radius {radius:g} is outside 0 to {MAX_CONE_RADIUS:g} arcsec.")
    return Cone(ra, dec, radius)


def _degrees(word: str, per_unit: float) -> float:
    match = _SEXAGESIMAL.fullmatch(word)
    if match is None:
        return float(word)
    sign, whole, minutes, seconds = match.groups()
    value = int(whole) + int(minutes) / 60 + float(seconds) / 3600
    return (-1 if sign == "-" else 1) * value * per_unit
