"""What a person types into the search box, understood."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import pyarrow as pa

from catalog_schema.column import Table
from catalog_schema.tables import QUASARS
from portal.data.positions import DEC_UNIT, RA_UNIT, is_angle, read_angle, read_targetid

CONE_RADIUS = 60.0
MAX_CONE_RADIUS = 3600.0 * 10
# A name that is a position: HHMM[SS[.s]] and DDMM[SS[.s]], e.g. SDSS J123456.78+012345.6.
_POSITION_NAME = re.compile(
    r"(?:[A-Za-z0-9]+ ?)*?J(\d{2})(\d{2})(\d{2}(?:\.\d+)?)?([+-])(\d{2})(\d{2})(\d{2}(?:\.\d+)?)?"
)
# Half of the last place that such a name states, arcsec, and what proper names scatter by.
_NAME_RADIUS, _COARSE_NAME_RADIUS = 10.0, 90.0
_TERM = re.compile(r"(\w+) ?(<=|>=|!=|<|>|=) ?(\S+)")
HINT = (
    "a TARGETID, a DESI name, a name like SDSS J123456.78+012345.6, RA and Dec (degrees or "
    "sexagesimal) with an optional radius in arcsec, or conditions like z>2 tier=gold"
)


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
    """A DESI name or a part of it; one that is a position also stands for a circle."""

    text: str
    cone: Cone | None = None


@dataclass(frozen=True)
class Target:
    """A DESI TARGETID."""

    targetid: int


@dataclass(frozen=True)
class Term:
    """A condition on one column; the operator is one of those of SQL."""

    column: str
    operator: str
    value: str | float


@dataclass(frozen=True)
class Terms:
    """Conditions that hold together."""

    terms: tuple[Term, ...]


Search = Cone | Name | Target | Terms


def parse_search(text: str, table: Table = QUASARS) -> Search | None:
    """Understand the search box.

    Parameters
    ----------
    text : str
        Empty; a TARGETID; ``ra dec [radius]`` in decimal degrees or sexagesimal with a radius in
        arcsec; conditions such as ``z>2 snr>=5 tier=gold``; anything else is a DESI name or a
        part of one, and where it is a position too, the place of that name.
    table : Table
        Whose columns conditions may name.

    Raises
    ------
    SearchError
        If a number is out of range, a lone number is no TARGETID or a column is unknown.
    """
    text = " ".join(text.replace(",", " ").split())
    if not text:
        return None
    words = text.split()
    if len(words) == 1 and re.fullmatch(r"-?\d+", text):
        return parse_targetid(text)
    if len(words) in (2, 3) and all(is_angle(word) for word in words[:2]):
        return _cone(words)
    if len(words) in (6, 7) and all(is_angle(word) for word in words[:6]):
        return _cone([":".join(words[:3]), ":".join(words[3:6]), *words[6:]])
    if is_angle(text):
        raise SearchError(f"“{text}” is one number: give {HINT}.")
    if re.search(r"[<>=]", text):
        return _parse_terms(text, table)
    return Name(text, _place_name(text))


def parse_targetid(text: str) -> Target:
    """Read a TARGETID from text, without passing through a float.

    Raises
    ------
    SearchError
        If it is no integer of 64 bits.
    """
    try:
        return Target(read_targetid(text))
    except ValueError as fault:
        raise SearchError(str(fault)) from None


def describe_search(search: Search) -> str:
    """Say what was understood."""
    if isinstance(search, Target):
        return f"TARGETID {search.targetid}"
    if isinstance(search, Cone):
        return f"within {search.radius:g}″ of RA {search.ra:.5f}°, Dec {search.dec:+.5f}°"
    if isinstance(search, Terms):
        return " and ".join(f"{t.column} {t.operator} {t.value}" for t in search.terms)
    text = f"a DESI name with “{search.text}” in it"
    return f"{text}, or {describe_search(search.cone)}" if search.cone else text


def _cone(words: list[str]) -> Cone:
    ra, dec = read_angle(words[0], RA_UNIT), read_angle(words[1], DEC_UNIT)
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


def _place_name(text: str) -> Cone | None:
    match = _POSITION_NAME.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds, sign, degrees, arcminutes, arcseconds = match.groups()
    radius = _NAME_RADIUS if arcseconds else _COARSE_NAME_RADIUS
    ra = f"{hours}:{minutes}:{seconds or '00'}"
    try:
        return _cone([ra, f"{sign}{degrees}:{arcminutes}:{arcseconds or '00'}", str(radius)])
    except SearchError:
        # 25 hours: the name looks like a position and is none.
        return None


def _parse_terms(text: str, table: Table) -> Terms:
    terms = tuple(_make_term(table, *match.groups()) for match in _TERM.finditer(text))
    rest = _TERM.sub("", text).replace("and", "").replace("AND", "").strip()
    if rest:
        raise SearchError(
            f"“{rest}” is not understood as a condition: write it like z>2 or tier=gold."
        )
    return Terms(terms)


def _make_term(table: Table, word: str, operator: str, value: str) -> Term:
    names = {column.name.lower(): column for column in table.scalars}
    column = names.get(word.lower())
    if column is None:
        near = get_close_matches(word.lower(), names, n=1, cutoff=0.0)[0]
        raise SearchError(f"There is no column “{word}”; the nearest is {names[near].name}.")
    if pa.types.is_string(column.type):
        if operator not in ("=", "!="):
            raise SearchError(f"{column.name} holds words: only = and != compare them.")
        return Term(column.name, operator, value)
    # An identifier must not pass through a float.
    read: Callable[[str], float] = int if pa.types.is_integer(column.type) else float
    try:
        return Term(column.name, operator, read(value))
    except ValueError:
        raise SearchError(f"“{value}” is no number to compare {column.name} with.") from None
