"""The rows that a person asked for, as a value and as an SQL condition with bound parameters."""

from dataclasses import dataclass, replace
from math import asin, cos, degrees, radians, sin

from catalog_schema.column import Table
from catalog_schema.columns.sample import healpix_29
from catalog_schema.desi import FINE_ORDER, GOOD_FIBERSTATUS
from portal.data.quoting import quote_name
from portal.data.search import (
    Cone,
    Name,
    Search,
    SearchError,
    Target,
    Term,
    Terms,
    parse_search,
)

Condition = tuple[str, list[object]]

# Great-circle distance by the haversine, which stays exact for small angles and at the poles.
DISTANCE = """degrees(2 * asin(least(1, sqrt(
    pow(sin(radians(TARGET_DEC - {dec}) / 2), 2)
    + cos(radians(TARGET_DEC)) * cos(radians({dec}))
    * pow(sin(radians(TARGET_RA - {ra}) / 2), 2)))))"""
Range = tuple[float | None, float | None]
_OPEN: Range = (None, None)
# Coordinates on the map of latents, which later releases have.
MAP_COLUMNS = ("map_x", "map_y")
POOR_COVERAGE = 0.5
_WORST_COVERAGE = "least(coverage_b, coverage_r, coverage_z)"
# What `Filters.clean` leaves out and why; nothing that a release has not assessed. Not by
# artefact_probability: that says what an anomaly would be caused by, also where there is none.
HIDDEN = {
    "most probably artefacts": "anomaly_class = 'artefact'",
    "whose fibre had a fault": f"COADD_FIBERSTATUS NOT IN {GOOD_FIBERSTATUS}",
    "with less than half of an arm's pixels good": f"{_WORST_COVERAGE} < {POOR_COVERAGE}",
}
# SQL: place in `HIDDEN`, from 0, of the first reason for which a row is left out, or null. Column
# ``hidden`` of ``rows``; a number, for to group by two columns of text takes twice as long.
WHY_HIDDEN = "CASE {} END::TINYINT".format(
    " ".join(f"WHEN {condition} THEN {place}" for place, condition in enumerate(HIDDEN.values()))
)


@dataclass(frozen=True)
class Cells:
    """HEALPix cells, NESTED, that were chosen on the map: their order and numbers."""

    order: int
    pixels: tuple[int, ...]


@dataclass(frozen=True)
class Filters:
    """What is asked for; the defaults ask for every row.

    Attributes
    ----------
    words : tuple of (str, tuple of str)
        Column and its allowed values.
    ranges : tuple of (str, (float or None, float or None))
        Column and its inclusive range, open where None.
    search : str
        Text of the search box.
    match : tuple of (str, str) or None
        External catalogue and match state.
    cells : Cells or None
        Part of the sky.
    clean : bool
        Whether what `HIDDEN` names is left out.
    """

    words: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ranges: tuple[tuple[str, Range], ...] = ()
    search: str = ""
    match: tuple[str, str] | None = None
    cells: Cells | None = None
    clean: bool = False

    def population(self) -> "Filters":
        """Drop what depends on the score: the objects among which a rate is counted."""
        return replace(
            self,
            words=tuple(part for part in self.words if part[0] not in SCORE_COLUMNS),
            ranges=tuple(part for part in self.ranges if part[0] not in SCORE_COLUMNS),
        )

    def get_words(self, column: str) -> tuple[str, ...]:
        """Return the allowed values of a column, empty for all."""
        return dict(self.words).get(column, ())


# Columns that depend on how strange a spectrum is.
SCORE_COLUMNS = frozenset(
    (
        "tier",
        "worst_arm",
        "reason",
        "anomaly_class",
        "p_value",
        "p_value_low",
        "p_value_high",
        "joint_p_value",
        "finding",
        "finding_p_value",
        "q_value",
        "log_odds",
        "anomaly_score",
        "artefact_probability",
        "review_status",
    )
)


def where(filters: Filters, table: Table) -> Condition:
    """Render filters as a condition on ``rows``, with positional parameters.

    Parameters
    ----------
    filters : Filters
    table : Table
        The columns that the release has.

    Raises
    ------
    portal.data.search.SearchError
        If the search text cannot be understood, or the release has no such column.
    """
    parts = [
        *(_one_of(_quote(column, table), values) for column, values in filters.words),
        *(_between(_quote(column, table), *limits) for column, limits in filters.ranges),
        _matched(filters.match),
        _in_cells(filters.cells),
        ("hidden IS NULL" if filters.clean else "", []),
        _found(parse_search(filters.search, table)),
    ]
    text = " AND ".join(f"({sql})" for sql, _ in parts if sql)
    return text or "true", [value for _, values in parts for value in values]


def _quote(column: str, table: Table) -> str:
    if column not in table.names:
        raise SearchError(f"This release has no column {column} to filter by.")
    return quote_name(column)


def _matched(match: tuple[str, str] | None) -> Condition:
    if match is None:
        return "", []
    sql = "SELECT TARGETID FROM crossmatch WHERE catalogue = ? AND match_state = ?"
    return f"TARGETID IN ({sql})", list(match)


def find_cell(order: int) -> str:
    """Render the HEALPix cell, of some order, in which a row's position lies."""
    return f"({healpix_29.name} >> {2 * (FINE_ORDER - order)})"


def _in_cells(cells: Cells | None) -> Condition:
    if cells is None:
        return "", []
    places = ", ".join("?" * len(cells.pixels)) or "NULL"
    return f"{find_cell(cells.order)} IN ({places})", list(cells.pixels)


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
        return inside(search)
    if isinstance(search, Terms):
        parts = [_compare(term) for term in search.terms]
        return " AND ".join(sql for sql, _ in parts), [v for _, values in parts for v in values]
    return _named(search)


def _compare(term: Term) -> Condition:
    return f"{quote_name(term.column)} {term.operator} ?", [term.value]


def _named(name: Name) -> Condition:
    sql, values = "contains(upper(DESINAME), upper(?))", [name.text]
    if name.cone is None:
        return sql, list(values)
    circle, numbers = inside(name.cone)
    return f"{sql} OR ({circle})", [*values, *numbers]


def inside(cone: Cone) -> Condition:
    """Render a circle on the sky as a condition."""
    radius = cone.radius / 3600
    distance = DISTANCE.format(ra="?", dec="?")
    sql = f"TARGET_DEC BETWEEN ? AND ? AND {distance} <= ?"
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
