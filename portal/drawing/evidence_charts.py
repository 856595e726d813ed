"""Charts of evidence: what is found of what was planted, and how one object stands out."""

from functools import cache
from typing import Any

import altair as alt
import pandas as pd

from portal.drawing.charts import BLUE, GREY, ORANGE, ROWS, Chart, write_spec


def draw_found(injections: pd.DataFrame) -> Chart:
    """Draw which share of planted features is found: columns of the summary's injections."""
    return Chart(_write_found(), {"rows": injections})


@cache
def _write_found() -> dict[str, Any]:
    x = alt.X("planted:Q", title="SNR planted", scale=alt.Scale(type="log", nice=False))
    rows = alt.Chart(ROWS)
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
        alt.Chart(ROWS)
        .mark_bar(color=GREY)
        .encode(
            alt.X("score:Q", bin=alt.Bin(maxbins=40), title="anomaly_score"),
            alt.Y("count()", title="normal spectra"),
        )
    )
    mine = alt.Chart(alt.NamedData("mine"))
    mark = mine.mark_rule(color=ORANGE, strokeWidth=3).encode(x=alt.X("score:Q"))
    name = mine.mark_text(color=ORANGE, align="right", dx=-5, dy=8).encode(
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
        alt.Chart(ROWS)
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
