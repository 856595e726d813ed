"""What a release can be filtered by: of the usual filters those whose columns it has, and its own.

A filter's key is its query parameter, so that an address reproduces the page.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from catalog_schema.column import Table
from catalog_schema.tables import QUASARS
from portal.data.conditions import MAP_COLUMNS, Range
from portal.data.own_columns import list_numbers
from portal.data.ranking import list_sortable

P_LEVELS = ("any", "0.05", "0.01", "1e-3", "1e-4", "1e-5", "1e-6")
# Of the parameter of a column that the schema does not know.
_OWN = "of_"
# Into how many steps the range of such a column is divided, about.
_N_STEPS = 200


class Slider(NamedTuple):
    """A range that can be chosen; at its ends it sets no limit."""

    column: str
    low: float
    high: float
    step: float

    def open_range(self, low: float, high: float) -> Range:
        """Return chosen limits; open ends also keep what is null or beyond the slider."""
        return (low if low > self.low else None), (high if high < self.high else None)


_WORDS = {
    "tier": "tier",
    "finding": "finding",
    "class": "anomaly_class",
    "reason": "reason",
    "arm": "worst_arm",
    "parent": "parent",
    "review": "review_status",
    "survey": "SURVEY",
    "program": "PROGRAM",
}
MAX_Z = 7.0
_SLIDERS = {
    "z": Slider("Z", 0.0, MAX_Z, 0.05),
    "snr": Slider("snr", 0.0, 30.0, 0.5),
    "artefact": Slider("artefact_probability", 0.0, 1.0, 0.01),
    "ra": Slider("TARGET_RA", 0.0, 360.0, 1.0),
    "dec": Slider("TARGET_DEC", -90.0, 90.0, 1.0),
}


@dataclass(frozen=True)
class Offer:
    """The filters of one release.

    Attributes
    ----------
    table : Table
        The columns that it has.
    words : mapping of str to str
        Query parameter: column of words.
    sliders : mapping of str to Slider
        Query parameter: slider.
    """

    table: Table
    words: Mapping[str, str]
    sliders: Mapping[str, Slider]

    @property
    def keys(self) -> tuple[str, ...]:
        """Every parameter that filters and ranking have."""
        beside = ("p", "catalogue", "state", "sky", "map", "everything")
        return ("find", *self.words, *self.sliders, *beside, "sort", "reversed", "page", "columns")

    @property
    def sortable(self) -> tuple[str, ...]:
        """Columns by which rows can be sorted, the usual order first."""
        return list_sortable(self.table)

    @property
    def has_map(self) -> bool:
        """Whether the objects have places on a map of latents."""
        return set(MAP_COLUMNS) <= set(self.table.names)


def is_own(key: str) -> bool:
    """Say whether a parameter is that of a column that the schema does not know."""
    return key.startswith(_OWN)


def list_own_numbers(table: Table) -> tuple[str, ...]:
    """Return the columns of numbers that the schema does not know."""
    return tuple(name for name in list_numbers(table) if name not in QUASARS.names)


def make_offer(table: Table, ranges: Mapping[str, tuple[float, float]]) -> Offer:
    """Return what a release can be filtered by.

    Parameters
    ----------
    table : Table
        The columns that it has.
    ranges : mapping
        Of its own columns of numbers, the least and the greatest value.
    """
    names = set(table.names)
    sliders = {key: slider for key, slider in _SLIDERS.items() if slider.column in names}
    own = {
        f"{_OWN}{name}": span_slider(name, *ends)
        for name, ends in ranges.items()
        if ends[0] < ends[1]
    }
    words = {key: column for key, column in _WORDS.items() if column in names}
    return Offer(table, words, sliders | own)


def span_slider(column: str, low: float, high: float) -> Slider:
    """Return a slider over all values of a column, with a step of one digit."""
    step = 10.0 ** math.floor(math.log10((high - low) / _N_STEPS) + 1)
    return Slider(column, math.floor(low / step) * step, math.ceil(high / step) * step, step)
