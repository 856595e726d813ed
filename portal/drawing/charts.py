"""The only door to Altair: frames in, charts out.

Colours are those of Okabe and Ito and the cividis scale, which colour-blind readers can tell
apart; tiers differ in shape as well. Altair takes a tenth of a second to write a specification, so
those of the pages are written once, for tables that they know by name only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from catalog_schema.vocabulary import Tier
from portal.data.columns import TIER_COLOURS, label
from portal.drawing.projection import make_graticule, make_labels, project

BLUE, GREY, _ORANGE = "#0072B2", "#8C8C8C", "#D55E00"
_TIERS = list(Tier.values())
_SHAPES = ["diamond", "square", "triangle-up", "circle"]
# Width in pixels at which neighbouring cells of the sky map just touch.
_MAP_WIDTH, _MAP_HEIGHT = 560, 410
_MAP_X, _MAP_Y = alt.Scale(domain=[-3.1, 2.9]), alt.Scale(domain=[-1.46, 1.46])
_SCATTER_HEIGHT = 470
# Each tick by itself: the scale's own format gives all of them the prefix of the greatest.
_FEW_TICKS = alt.Axis(
    values=[0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000],
    labelExpr="format(datum.value, '~s')",
)
# Name under which a map reports what was brushed.
BRUSH = "brush"
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
FEW_MEMBERS = 30
_ROWS = alt.NamedData("rows")


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


def place_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that have a position, with their place x, y on the Mollweide map."""
    cells = cells.dropna(subset=["ra", "dec"]).copy()
    cells["x"], cells["y"] = project(cells["ra"], cells["dec"])
    return cells


def draw_sky(cells: pd.DataFrame, order: int, value: str) -> Chart:
    """Draw HEALPix cells on a Mollweide map that can be brushed.

    Parameters
    ----------
    cells : pandas.DataFrame
        Of `plots.count_sky` and `place_cells`; column chosen: whether the filters hold it.
    order : int
        HEALPix order of the cells.
    value : str
        ``rate``, or ``n`` for the coverage.
    """
    faint = (cells["n"] < FEW_MEMBERS) | ~cells["chosen"]
    cells = cells.assign(few=np.where(faint, f"fewer than {FEW_MEMBERS}", "enough"))
    return Chart(
        _write_sky(order, value), {"rows": cells.drop(columns="chosen"), **_frame_tables()}
    )


@cache
def _write_sky(order: int, value: str) -> dict[str, Any]:
    side = _MAP_WIDTH / 6 * np.sqrt(4 * np.pi / (12 * 4**order))
    if value == "rate":
        colour = alt.Color("rate:Q", title="anomalous", scale=alt.Scale(scheme="cividis"))
        colour = colour.legend(format=".1%", orient="bottom", gradientLength=220)
    else:
        colour = alt.Color("n:Q", title="objects", scale=alt.Scale(scheme="cividis", type="sqrt"))
        colour = colour.legend(orient="bottom", gradientLength=220)
    marks = (
        alt.Chart(_ROWS)
        .mark_point(shape="diamond", filled=True, size=max(12.0, 1.6 * side**2))
        .encode(
            alt.X("x:Q", axis=None, scale=_MAP_X),
            alt.Y("y:Q", axis=None, scale=_MAP_Y),
            color=colour,
            opacity=alt.Opacity("few:O", legend=None).scale(
                domain=["enough", f"fewer than {FEW_MEMBERS}"], range=[1, 0.45]
            ),
            tooltip=[
                alt.Tooltip("pix:Q", title=f"HEALPix, nside {2**order} NESTED"),
                alt.Tooltip("n:Q", title="objects", format=","),
                alt.Tooltip("n_found:Q", title="anomalous", format=","),
                alt.Tooltip("rate:Q", format=".2%"),
                alt.Tooltip("ra:Q", title="mean RA (deg)", format=".2f"),
                alt.Tooltip("dec:Q", title="mean Dec (deg)", format=".2f"),
            ],
        )
    )
    return write_spec(_frame_sky(marks.add_params(alt.selection_interval(name=BRUSH))))


def draw_scores(points: pd.DataFrame, trend: pd.DataFrame) -> Chart:
    """Draw the score against SNR: single objects, and the median and central 68 % of all rows."""
    return Chart(_write_scores(), {"rows": points, "trend": trend})


@cache
def _write_scores() -> dict[str, Any]:
    snr = alt.X("snr:Q", title=label("snr"), scale=alt.Scale(type="log", nice=False))
    trend = alt.Chart(alt.NamedData("trend"))
    band = trend.mark_area(color=BLUE, opacity=0.18)
    band = band.encode(snr, alt.Y("low:Q", title="anomaly_score"), y2=alt.Y2("high:Q"))
    median = trend.mark_line(color=BLUE, strokeWidth=2.5).encode(snr, y=alt.Y("median:Q"))
    dots = (
        alt.Chart(_ROWS)
        .mark_point(filled=True)
        .encode(
            snr,
            alt.Y("anomaly_score:Q"),
            color=_tier_colour(),
            shape=alt.Shape("tier:N", title=None).scale(domain=_TIERS, range=_SHAPES),
            size=alt.condition("datum.tier == 'none'", alt.value(9), alt.value(42)),
            opacity=alt.condition("datum.tier == 'none'", alt.value(0.35), alt.value(0.9)),
            tooltip=[
                alt.Tooltip("TARGETID:N"),
                alt.Tooltip("tier:N"),
                _number("anomaly_score"),
                _number("snr"),
                _number("Z"),
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
        alt.Chart(_ROWS)
        .mark_point(filled=True)
        .encode(
            alt.X("map_x:Q", axis=None, scale=alt.Scale(zero=False)),
            alt.Y("map_y:Q", axis=None, scale=alt.Scale(zero=False)),
            color=_tier_colour(),
            shape=alt.Shape("tier:N", title=None).scale(domain=_TIERS, range=_SHAPES),
            size=alt.condition("datum.tier == 'none'", alt.value(9), alt.value(60)),
            opacity=alt.condition("datum.tier == 'none'", alt.value(0.35), alt.value(0.9)),
            tooltip=[
                alt.Tooltip("TARGETID:N"),
                alt.Tooltip("tier:N"),
                _number("anomaly_score"),
                _number("Z"),
            ],
        )
        .add_params(alt.selection_interval(name=BRUSH))
        .properties(height=_MAP_HEIGHT)
    )


def draw_bins(counts: pd.DataFrame, column: str, step: float) -> Chart:
    """Draw how many objects of each tier fall into each bin of a column, counts logarithmic.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `plots.count_bins`.
    """
    return Chart(_write_bins(column), {"rows": counts.assign(high=counts["low"] + step)})


@cache
def _write_bins(column: str) -> dict[str, Any]:
    return write_spec(
        alt.Chart(_ROWS)
        .mark_line(interpolate="step-after", point=alt.OverlayMarkDef(size=14))
        .encode(
            alt.X("low:Q", title=label(column), scale=alt.Scale(nice=False)),
            alt.Y("n:Q", title="objects", scale=alt.Scale(type="symlog"), axis=_FEW_TICKS),
            color=_tier_colour(),
            tooltip=[
                alt.Tooltip("tier:N"),
                alt.Tooltip("low:Q", title=f"{column} from", format=".2f"),
                alt.Tooltip("high:Q", title="to", format=".2f"),
                alt.Tooltip("n:Q", title="objects", format=","),
            ],
        )
        .properties(height=260)
    )


def draw_found(injections: pd.DataFrame) -> Chart:
    """Draw which share of planted features is found: columns of the summary's injections."""
    return Chart(_write_found(), {"rows": injections})


@cache
def _write_found() -> dict[str, Any]:
    x = alt.X("planted:Q", title="SNR planted", scale=alt.Scale(type="log", nice=False))
    rows = alt.Chart(_ROWS)
    band = rows.mark_area(opacity=0.2, color=BLUE)
    band = band.encode(
        x, alt.Y("low:Q", title="found", axis=alt.Axis(format="%")), y2=alt.Y2("high:Q")
    )
    line = rows.mark_line(color=BLUE, point=True)
    line = line.encode(
        x,
        alt.Y("found:Q", scale=alt.Scale(domain=[0, 1])),
        tooltip=[
            alt.Tooltip("injection:N"),
            alt.Tooltip("planted:Q"),
            alt.Tooltip("n:Q"),
            alt.Tooltip("found:Q", format=".0%"),
            alt.Tooltip("low:Q", format=".0%"),
            alt.Tooltip("high:Q", format=".0%"),
        ],
    )
    panel = (band + line).properties(width=122, height=100)
    return write_spec(panel.facet(alt.Facet("injection:N", title=None), columns=2))


def draw_context(null: pd.Series, score: float) -> Chart:
    """Draw an object's score among those of normal spectra alike."""
    mine = pd.DataFrame({"score": [score], "name": ["this object"]})
    return Chart(_write_context(), {"rows": pd.DataFrame({"score": null}), "mine": mine})


@cache
def _write_context() -> dict[str, Any]:
    bars = (
        alt.Chart(_ROWS)
        .mark_bar(color=GREY)
        .encode(
            alt.X("score:Q", bin=alt.Bin(maxbins=40), title="anomaly_score"),
            alt.Y("count()", title="normal spectra"),
        )
    )
    mine = alt.Chart(alt.NamedData("mine"))
    mark = mine.mark_rule(color=_ORANGE, strokeWidth=3).encode(x=alt.X("score:Q"))
    name = mine.mark_text(color=_ORANGE, align="right", dx=-5, dy=8).encode(
        x=alt.X("score:Q"), y=alt.value(0), text=alt.Text("name:N")
    )
    return write_spec((bars + mark + name).properties(height=200))


def draw_reasons(reasons: pd.DataFrame) -> Chart:
    """Draw the strongest departure of each reason, of `evidence.sum_reasons`."""
    limit = pd.DataFrame({"x": [3.0]})
    return Chart(_write_reasons(len(reasons)), {"rows": reasons, "limit": limit})


@cache
def _write_reasons(n: int) -> dict[str, Any]:
    bars = (
        alt.Chart(_ROWS)
        .mark_bar(color=BLUE)
        .encode(
            alt.X("departure:Q", title="spreads above normal spectra alike"),
            alt.Y(
                "reason:N",
                sort=None,
                title=None,
                axis=alt.Axis(labelLimit=150, labelOverlap=False),
            ),
            tooltip=[
                alt.Tooltip("statistic:N"),
                alt.Tooltip("meaning:N"),
                alt.Tooltip("departure:Q", format=".2f"),
            ],
        )
    )
    limit = alt.Chart(alt.NamedData("limit")).mark_rule(color=GREY, strokeDash=[4, 3])
    chart = bars + limit.encode(x=alt.X("x:Q"))
    return write_spec(chart.properties(height=22 * n + 20))


def draw_comparison(shares: pd.DataFrame, column: str) -> Chart:
    """Draw two selections against each other: columns selection, low, share."""
    return Chart(_write_comparison(column), {"rows": shares})


@cache
def _write_comparison(column: str) -> dict[str, Any]:
    return write_spec(
        alt.Chart(_ROWS)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            alt.X("low:Q", title=label(column), scale=alt.Scale(nice=False)),
            alt.Y("share:Q", title="share of the selection", axis=alt.Axis(format=".1%")),
            color=alt.Color("selection:N", title=None)
            .legend(orient="top")
            .scale(range=[BLUE, _ORANGE]),
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
    chart = alt.Chart(_ROWS, height=_SCATTER_HEIGHT)
    if y == "count":
        chart = chart.mark_bar().encode(
            alt.X("x:Q", bin=alt.Bin(maxbins=40), title=x), alt.Y("count()", title="rows"), shade
        )
    else:
        data["y"] = rows[y]
        scale = alt.Scale(zero=False)
        dots = chart.mark_point(filled=True, opacity=0.6, size=24)
        chart = dots.encode(
            alt.X("x:Q", title=x, scale=scale), alt.Y("y:Q", title=y, scale=scale), shade
        ).interactive()
    return Chart(write_spec(chart), {"rows": data})


def draw_places(places: pd.DataFrame) -> Chart:
    """Draw single positions, columns ra and dec in degrees, on a Mollweide map."""
    x, y = project(places["ra"], places["dec"])
    return Chart(_write_places(), {"rows": places.assign(x=x, y=y), **_frame_tables()})


@cache
def _write_places() -> dict[str, Any]:
    dots = alt.Chart(_ROWS).mark_point(filled=True, size=14, color=BLUE)
    dots = dots.encode(
        alt.X("x:Q", axis=None, scale=_MAP_X),
        alt.Y("y:Q", axis=None, scale=_MAP_Y),
        tooltip=[alt.Tooltip("ra:Q", format=".5f"), alt.Tooltip("dec:Q", format=".5f")],
    )
    return write_spec(_frame_sky(dots))


@cache
def _frame_tables() -> dict[str, pd.DataFrame]:
    return {"grid": make_graticule(), "labels": make_labels()}


def _frame_sky(marks: alt.Chart) -> alt.LayerChart:
    """Lay marks between the graticule and its labels."""
    grid = (
        alt.Chart(alt.NamedData("grid"))
        .mark_line(strokeWidth=0.5, color="#BBBBBB")
        .encode(
            alt.X("x:Q", axis=None),
            alt.Y("y:Q", axis=None),
            detail=alt.Detail("line:N"),
            order=alt.Order("step:Q"),
        )
    )
    texts = alt.Chart(alt.NamedData("labels")).mark_text(fontSize=10, color="#777777")
    return (
        grid + marks + texts.encode(x=alt.X("x:Q"), y=alt.Y("y:Q"), text=alt.Text("text:N"))
    ).properties(height=_MAP_HEIGHT)


def _tier_colour() -> alt.Color:
    return (
        alt.Color("tier:N", sort=_TIERS, title=None)
        .legend(orient="top")
        .scale(domain=_TIERS, range=[TIER_COLOURS[tier] for tier in _TIERS])
    )


def _number(name: str) -> alt.Tooltip:
    return alt.Tooltip(f"{name}:Q", format=".3f")
