"""The rows that a person asked for, as a value and as an SQL condition with bound parameters."""

from dataclasses import dataclass, replace
from math import asin, cos, degrees, radians, sin

from portal.search import Cone, Search, Target, parse_search

Condition = tuple[str, list[object]]

# Great-circle distance by the haversine, which stays exact for small angles and at the poles.
_DISTANCE = """degrees(2 * asin(least(1, sqrt(
    pow(sin(radians(TARGET_DEC - ?) / 2), 2)
    + cos(radians(TARGET_DEC)) * cos(radians(?)) * pow(sin(radians(TARGET_RA - ?) / 2), 2)))))"""


@dataclass(frozen=True)
class Filters:
    """What is asked for; the defaults ask for every row.

    Attributes
    ----------
    tiers, parents, arms : tuple of str
        Allowed values; empty for all.
    z, snr : tuple of (float or None, float or None)
        Inclusive range, open where None.
    max_p : float or None
        Largest p-value.
    search : str
        Text of the search box.
    """

    tiers: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    z: tuple[float | None, float | None] = (None, None)
    snr: tuple[float | None, float | None] = (None, None)
    max_p: float | None = None
    search: str = ""

    def population(self) -> "Filters":
        """Drop what depends on the score: the objects among which a rate is counted."""
        return replace(self, tiers=(), arms=(), max_p=None)


def where(filters: Filters) -> Condition:
    """Render filters as a condition with positional parameters.

    Raises
    ------
    portal.search.SearchError
        If the search text cannot be understood.
    """
    parts = [
        _one_of("tier", filters.tiers),
        _one_of("parent", filters.parents),
        _one_of("worst_arm", filters.arms),
        _between("Z", *filters.z),
        _between("snr", *filters.snr),
        _between("p_value", None, filters.max_p),
        _found(parse_search(filters.search)),
    ]
    text = " AND ".join(f"({sql})" for sql, _ in parts if sql)
    return text or "true", [value for _, values in parts for value in values]


def _one_of(column: str, values: tuple[str, ...]) -> Condition:
    if not values:
        return "", []
    return f"{column} IN ({', '.join('?' * len(values))})", list(values)


def _between(column: str, low: float | None, high: float | None) -> Condition:
    bounds = [(">=", low), ("<=", high)]
    used = [(sign, value) for sign, value in bounds if value is not None]
    return " AND ".join(f"{column} {sign} ?" for sign, _ in used), [value for _, value in used]


def _found(search: Search | None) -> Condition:
    if search is None:
        return "", []
    if isinstance(search, Target):
        return "TARGETID = ?", [search.targetid]
    if isinstance(search, Cone):
        return _inside(search)
    return "contains(upper(DESINAME), upper(?))", [search.text]


def _inside(cone: Cone) -> Condition:
    radius = cone.radius / 3600
    sql = f"TARGET_DEC BETWEEN ? AND ? AND {_DISTANCE} <= ?"
    values: list[object] = [cone.dec - radius, cone.dec + radius]
    values += [cone.dec, cone.dec, cone.ra, radius]
    box, corners = _ra_box(cone, radius)
    return sql + box, values + corners


def _ra_box(cone: Cone, radius: float) -> Condition:
    """Bound right ascension, so that Parquet statistics spare most row groups."""
    if abs(cone.dec) + radius >= 90:
        return "", []
    half = degrees(asin(min(1.0, sin(radians(radius)) / cos(radians(cone.dec)))))
    low, high = cone.ra - half, cone.ra + half
    if low < 0 or high > 360:
        return " AND (TARGET_RA >= ? OR TARGET_RA <= ?)", [low % 360, high % 360]
    return " AND TARGET_RA BETWEEN ? AND ?", [low, high]
