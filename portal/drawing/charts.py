"""The only door to Altair: frames in, charts out.

Colours are those of Okabe and Ito and the cividis scale, which colour-blind readers can tell
apart; tiers differ in shape as well. Altair takes a tenth of a second to write a specification, so
those of the pages are written once, for tables that they know by name only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from catalog_schema.vocabulary import Tier

BLUE, GREY, ORANGE = "#0072B2", "#8C8C8C", "#D55E00"
TIER_COLOURS = {"gold": "#E69F00", "silver": "#56B4E9", "bronze": "#D55E00", "none": "#8C8C8C"}
TIERS = list(Tier.values())
SHAPES = ["diamond", "square", "triangle-up", "circle"]
# Name under which a map reports what was brushed.
BRUSH = "brush"
ROWS = alt.NamedData("rows")


@dataclass(frozen=True)
class Chart:
    """A specification of Vega-Lite and the tables that it names."""

    spec: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]


def write_spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """Return a chart's specification, for a canvas.

    Marks are not described one by one, which takes the browser longer than to draw them: a chart
    has a text of its own, and its numbers can be read in a table.
    """
    options = {
        "config": {"mark": {"aria": False}},
        "usermeta": {"embedOptions": {"renderer": "canvas"}},
    }
    return chart.to_dict() | options


def tier_colour() -> alt.Color:
    """Colour marks by the column ``tier``."""
    return (
        alt.Color("tier:N", sort=TIERS, title=None)
        .legend(orient="top")
        .scale(domain=TIERS, range=[TIER_COLOURS[tier] for tier in TIERS])
    )


def number(name: str) -> alt.Tooltip:
    """Show a column of numbers beside the pointer."""
    return alt.Tooltip(f"{name}:Q", format=".3f")
