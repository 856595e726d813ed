"""Every chart names only tables that it carries, and columns that these have."""

from collections.abc import Callable, Iterator
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from catalog_schema.vocabulary import Tier
from portal.drawing.catalogue_charts import (
    draw_bins,
    draw_columns,
    draw_comparison,
    draw_map,
    draw_scores,
)
from portal.drawing.charts import SHAPES, TIER_COLOURS, TIERS, Chart
from portal.drawing.evidence_charts import draw_context, draw_found, draw_reasons
from portal.drawing.sky_chart import draw_places, draw_sky, place_cells

NUMBERS = np.linspace(1.0, 2.0, 8)


def frame(*names: str, **more: object) -> pd.DataFrame:
    return pd.DataFrame(dict.fromkeys(names, NUMBERS) | more)


POINTS = frame("snr", "anomaly_score", "Z", "map_x", "map_y", TARGETID="1", tier=["gold"] * 8)
CELLS = frame("ra", "dec", "rate", pix=range(8), n=range(8), n_found=range(8), chosen=True)
FOUND = frame("planted", "found", "low", "high", n=range(8), injection=["iron"] * 8)
REASONS = frame("departure", reason=list("abcdefgh"), statistic="s", meaning="m")
SHARES = frame("low", "share", selection=["held"] * 8)
BINS = frame("low", n=range(8), tier=["none"] * 8)
WORDS = frame("x", "y", word=["a", "b"] * 4)
CHARTS: dict[str, Callable[[], Chart]] = {
    "rate": lambda: draw_sky(place_cells(CELLS), 4, "rate"),
    "coverage": lambda: draw_sky(place_cells(CELLS), 6, "n"),
    "places": lambda: draw_places(frame("ra", "dec")),
    "scores": lambda: draw_scores(POINTS, frame("snr", "n", "low", "median", "high")),
    "map": lambda: draw_map(POINTS),
    "bins": lambda: draw_bins(BINS, "Z", 0.1),
    "comparison": lambda: draw_comparison(SHARES, "Z"),
    "columns": lambda: draw_columns(WORDS, "x", "y", "word"),
    "count": lambda: draw_columns(WORDS, "x", "count", None),
    "found": lambda: draw_found(FOUND),
    "context": lambda: draw_context(pd.Series(NUMBERS), 1.5),
    "reasons": lambda: draw_reasons(REASONS),
}


def walk(spec: Any, table: str | None = None) -> Iterator[tuple[str | None, str]]:
    """Yield each field of a specification with the table from which it is read."""
    if isinstance(spec, list):
        for part in spec:
            yield from walk(part, table)
    elif isinstance(spec, dict):
        data = spec.get("data", {})
        table = data.get("name", table) if isinstance(data, dict) else table
        if isinstance(spec.get("field"), str):
            yield table, spec["field"]
        for part in spec.values():
            yield from walk(part, table)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_reads_what_it_carries(name: str) -> None:
    chart = CHARTS[name]()
    fields = list(walk(chart.spec))
    assert fields
    for table, field in fields:
        assert table in chart.tables
        assert field in chart.tables[table].columns, (table, field)


@pytest.mark.parametrize("name", CHARTS)
def test_a_specification_is_valid_and_without_data(name: str) -> None:
    spec = CHARTS[name]().spec
    assert "datasets" not in spec
    chart = alt.Chart.from_dict(dict(spec), validate=True)
    assert chart.to_dict()


@pytest.mark.parametrize("name", ["rate", "scores", "map", "bins", "found", "context"])
def test_a_specification_is_written_once(name: str) -> None:
    assert CHARTS[name]().spec is CHARTS[name]().spec


def test_tiers_differ_in_colour_and_in_shape() -> None:
    assert TIERS == list(Tier.values()) == list(TIER_COLOURS)
    assert len(set(TIER_COLOURS.values())) == len(set(SHAPES)) == len(TIERS)


def test_cells_without_a_position_are_not_placed() -> None:
    cells = CELLS.assign(ra=[np.nan, *NUMBERS[1:]])
    assert place_cells(cells)["pix"].tolist() == list(range(1, 8))


def test_cells_of_few_members_and_those_not_chosen_are_pale() -> None:
    cells = place_cells(CELLS.assign(n=100, chosen=[False] + [True] * 7))
    rows = draw_sky(cells, 4, "rate").tables["rows"]
    assert (rows["few"] != "enough").tolist() == [True] + [False] * 7
    rows = draw_sky(place_cells(CELLS), 4, "rate").tables["rows"]
    assert (rows["few"] != "enough").all()


@pytest.mark.parametrize("name", ["a.b", "a[0]", "datum['x']", "<script>", "count()", 'x"y'])
def test_names_of_a_visitors_columns_are_only_titles(name: str) -> None:
    rows = pd.DataFrame({name: NUMBERS, "y": NUMBERS})
    chart = draw_columns(rows, name, "y", None)
    assert {field for _, field in walk(chart.spec)} == {"x", "y"}


def test_a_bin_ends_where_the_next_begins() -> None:
    rows = draw_bins(BINS, "Z", 0.25).tables["rows"]
    assert np.allclose(rows["high"] - rows["low"], 0.25)
