"""Charts of many objects: scores, maps of latents, bins, selections, a visitor's columns."""

from functools import cache
from typing import Any

import altair as alt
import pandas as pd

from catalog_schema.tables import QUASARS
from portal.data.columns import label
from portal.drawing.charts import (
    BLUE,
    BRUSH,
    ORANGE,
    ROWS,
    SHAPES,
    TIERS,
    Chart,
    number,
    tier_colour,
    write_spec,
)

_SCATTER_HEIGHT = 470
_MAP_HEIGHT = 410
# Each tick by itself: the scale's own format gives all of them the prefix of the greatest.
_FEW_TICKS = alt.Axis(
    values=[0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000],
    labelExpr="format(datum.value, '~s')",
)
# Okabe and Ito's colours.
_PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#8C8C8C",
    "#F0E442",
)


def draw_scores(points: pd.DataFrame, trend: pd.DataFrame) -> Chart:
    """Draw the score against SNR: single objects, and the median and central 68 % of all rows."""
    return Chart(_write_scores(), {"rows": points, "trend": trend})


@cache
def _write_scores() -> dict[str, Any]:
    snr = alt.X("snr:Q", title=label(QUASARS["snr"]), scale=alt.Scale(type="log", nice=False))
    trend = alt.Chart(alt.NamedData("trend"))
    band = trend.mark_area(color=BLUE, opacity=0.18)
    band = band.encode(snr, alt.Y("low:Q", title="anomaly_score"), y2=alt.Y2("high:Q"))
    median = trend.mark_line(color=BLUE, strokeWidth=2.5).encode(snr, y=alt.Y("median:Q"))
    dots = (
        alt.Chart(ROWS)
        .mark_point(filled=True)
        .encode(
            snr,
            alt.Y("anomaly_score:Q"),
            color=tier_colour(),
            shape=alt.Shape("tier:N", title=None).scale(domain=TIERS, range=SHAPES),
            size=alt.condition("datum.tier == 'none'", alt.value(9), alt.value(42)),
            opacity=alt.condition("datum.tier == 'none'", alt.value(0.35), alt.value(0.9)),
            tooltip=[
                alt.Tooltip("TARGETID:N"),
                alt.Tooltip("tier:N"),
                number("anomaly_score"),
                number("snr"),
                number("Z"),
            ],
        )
    )
    chart = (dots + band + median).properties(height=_SCATTER_HEIGHT)
    return write_spec(chart.interactive())


def draw_map(points: pd.DataFrame) -> Chart:
    """Draw objects on the map of latents, which can be brushed."""
    return Chart(_write_map(), {"rows": points})


@cache
def _write_map() -> dict[str, Any]:
    return write_spec(
        alt.Chart(ROWS)
        .mark_point(filled=True)
        .encode(
            alt.X("map_x:Q", axis=None, scale=alt.Scale(zero=False)),
            alt.Y("map_y:Q", axis=None, scale=alt.Scale(zero=False)),
            color=tier_colour(),
            shape=alt.Shape("tier:N", title=None).scale(domain=TIERS, range=SHAPES),
            size=alt.condition("datum.tier == 'none'", alt.value(9), alt.value(60)),
            opacity=alt.condition("datum.tier == 'none'", alt.value(0.35), alt.value(0.9)),
            tooltip=[
                alt.Tooltip("TARGETID:N"),
                alt.Tooltip("tier:N"),
                number("anomaly_score"),
                number("Z"),
            ],
        )
        .add_params(alt.selection_interval(name=BRUSH))
        .properties(height=_MAP_HEIGHT)
    )


def draw_bins(counts: pd.DataFrame, title: str, step: float) -> Chart:
    """Draw how many objects of each tier fall into each bin of a column, counts logarithmic.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `plots.count_bins`.
    title : str
        What is counted, with its unit.
    step : float
        Width of a bin.
    """
    return Chart(_write_bins(title), {"rows": counts.assign(high=counts["low"] + step)})


@cache
def _write_bins(title: str) -> dict[str, Any]:
    return write_spec(
        alt.Chart(ROWS)
        .mark_line(interpolate="step-after", point=alt.OverlayMarkDef(size=14))
        .encode(
            alt.X("low:Q", title=title, scale=alt.Scale(nice=False)),
            alt.Y("n:Q", title="objects", scale=alt.Scale(type="symlog"), axis=_FEW_TICKS),
            color=tier_colour(),
            tooltip=[
                alt.Tooltip("tier:N"),
                alt.Tooltip("low:Q", title="from", format=".2f"),
                alt.Tooltip("high:Q", title="to", format=".2f"),
                alt.Tooltip("n:Q", title="objects", format=","),
            ],
        )
        .properties(height=260)
    )


def draw_comparison(shares: pd.DataFrame, title: str) -> Chart:
    """Draw two selections against each other: columns selection, low, share."""
    return Chart(_write_comparison(title), {"rows": shares})


@cache
def _write_comparison(title: str) -> dict[str, Any]:
    return write_spec(
        alt.Chart(ROWS)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            alt.X("low:Q", title=title, scale=alt.Scale(nice=False)),
            alt.Y("share:Q", title="share of the selection", axis=alt.Axis(format=".1%")),
            color=alt.Color("selection:N", title=None)
            .legend(orient="top")
            .scale(range=[BLUE, ORANGE]),
            strokeDash=alt.StrokeDash("selection:N", legend=None),
            tooltip=[
                alt.Tooltip("selection:N"),
                alt.Tooltip("low:Q", format=".2f"),
                alt.Tooltip("share:Q", format=".2%"),
            ],
        )
        .properties(height=260)
    )


def draw_columns(rows: pd.DataFrame, x: str, y: str, colour: str | None) -> Chart:
    """Draw one column against another, or how often its values occur where `y` is ``count``."""
    # Names of a visitor's columns may hold what Vega takes for syntax.
    data = pd.DataFrame({"x": rows[x]})
    shade: Any = alt.value(BLUE)
    if colour is not None:
        data["colour"] = rows[colour].astype(str)
        shade = alt.Color("colour:N", title=colour).scale(range=list(_PALETTE))
    chart = alt.Chart(ROWS, height=_SCATTER_HEIGHT)
    if y == "count":
        chart = chart.mark_bar().encode(
            alt.X("x:Q", bin=alt.Bin(maxbins=40), title=x),
            alt.Y("count()", title="rows"),
            color=shade,
        )
    else:
        data["y"] = rows[y]
        scale = alt.Scale(zero=False)
        dots = chart.mark_point(filled=True, opacity=0.6, size=24)
        chart = dots.encode(
            alt.X("x:Q", title=x, scale=scale), alt.Y("y:Q", title=y, scale=scale), color=shade
        ).interactive()
    return Chart(write_spec(chart), {"rows": data})
