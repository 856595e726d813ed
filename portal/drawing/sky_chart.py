"""Maps of the sky: cells of a catalogue, and single places."""

from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from portal.drawing.charts import BLUE, BRUSH, ROWS, Chart, write_spec
from portal.drawing.projection import make_graticule, make_labels, project

# Width in pixels at which neighbouring cells of the sky map just touch.
_MAP_WIDTH, _MAP_HEIGHT = 560, 410
_MAP_X, _MAP_Y = alt.Scale(domain=[-3.1, 2.9]), alt.Scale(domain=[-1.46, 1.46])
FEW_MEMBERS = 30


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
        alt.Chart(ROWS)
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


def draw_places(places: pd.DataFrame) -> Chart:
    """Draw single positions, columns ra and dec in degrees, on a Mollweide map."""
    x, y = project(places["ra"], places["dec"])
    return Chart(_write_places(), {"rows": places.assign(x=x, y=y), **_frame_tables()})


@cache
def _write_places() -> dict[str, Any]:
    dots = alt.Chart(ROWS).mark_point(filled=True, size=14, color=BLUE)
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
