"""Charts of many objects: which column goes to which axis, and that a visitor's rows stay as is."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.drawing.catalogue_charts import (
    draw_bins,
    draw_columns,
    draw_comparison,
    draw_map,
    draw_scores,
)
from portal.drawing.charts import BRUSH, Chart

N = 6
POINTS = pd.DataFrame(
    {
        "TARGETID": [str(row) for row in range(N)],
        "snr": np.geomspace(1, 99, N),
        "anomaly_score": np.linspace(0, 9, N),
        "Z": np.linspace(1, 3, N),
        "map_x": np.linspace(-1, 1, N),
        "map_y": np.linspace(2, 3, N),
        "tier": ["none"] * N,
    }
)
TREND = pd.DataFrame(dict.fromkeys(("snr", "n", "low", "median", "high"), POINTS["snr"]))


def layers(chart: Chart) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield mark and encoding of each layer."""
    for part in chart.spec.get("layer", [chart.spec]):
        mark = part["mark"]
        yield mark if isinstance(mark, str) else mark["type"], part["encoding"]


def fields(chart: Chart) -> dict[str, dict[str, str]]:
    """Return by mark which column each place of it is read from."""
    places = ("x", "y", "y2", "color", "shape")
    return {
        mark: {p: parts[p]["field"] for p in places if "field" in parts.get(p, {})}
        for mark, parts in layers(chart)
    }


def test_each_axis_has_its_column() -> None:
    tiers = {"color": "tier", "shape": "tier"}
    assert fields(draw_scores(POINTS, TREND)) == {
        "point": {"x": "snr", "y": "anomaly_score", **tiers},
        "area": {"x": "snr", "y": "low", "y2": "high"},
        "line": {"x": "snr", "y": "median"},
    }
    assert fields(draw_map(POINTS)) == {"point": {"x": "map_x", "y": "map_y", **tiers}}
    bins = pd.DataFrame({"low": [0.0], "n": [1], "tier": ["none"]})
    assert fields(draw_bins(bins, "Z", 1.0)) == {"line": {"x": "low", "y": "n", "color": "tier"}}
    shares = pd.DataFrame({"low": [0.0], "share": [1.0], "selection": ["all"]})
    assert fields(draw_comparison(shares, "Z")) == {
        "line": {"x": "low", "y": "share", "color": "selection"}
    }


def test_counts_and_ratios_of_many_decades_are_drawn_by_their_logarithm() -> None:
    for _, parts in layers(draw_scores(POINTS, TREND)):
        assert parts["x"].get("scale", {"type": "log"})["type"] == "log"
    bins = pd.DataFrame({"low": [0.0], "n": [0], "tier": ["none"]})
    [(_, parts)] = layers(draw_bins(bins, "Z", 1.0))
    # No objects at all is a count too, of which a logarithm knows nothing.
    assert parts["y"]["scale"]["type"] == "symlog"
    ticks = parts["y"]["axis"]["values"]
    assert ticks == sorted(set(ticks))
    assert ticks[0] == 0
    assert all(int(np.log10(tick)) == np.log10(tick) for tick in ticks[1:])


def test_ordinary_objects_are_smaller_and_paler_than_graded_ones() -> None:
    for chart in (draw_scores(POINTS, TREND), draw_map(POINTS)):
        parts = dict(layers(chart))["point"]
        for channel in ("size", "opacity"):
            rule = parts[channel]
            condition = rule["condition"]
            assert condition["test"] == "datum.tier == 'none'"
            assert 0 < condition["value"] < rule["value"]


def test_a_map_can_be_brushed_under_the_name_that_the_page_asks_for() -> None:
    params = draw_map(POINTS).spec["params"]
    assert [p["name"] for p in params if p["select"]["type"] == "interval"] == [BRUSH]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), st.floats(0.01, 10))
def test_every_bin_ends_a_step_further(low: list[float], step: float) -> None:
    counts = pd.DataFrame({"low": low, "n": 1, "tier": "none"})
    before = counts.copy()
    rows = draw_bins(counts, "Z", step).tables["rows"]
    assert (rows["high"] == np.array(low) + step).all()
    pd.testing.assert_frame_equal(counts, before)


def test_titles_are_those_given_whatever_was_drawn_before() -> None:
    bins = pd.DataFrame({"low": [0.0], "n": [1], "tier": ["none"]})
    shares = pd.DataFrame({"low": [0.0], "share": [1.0], "selection": ["all"]})
    for title in ("Z", "snr", "Z"):
        for chart in (draw_bins(bins, title, 1.0), draw_comparison(shares, title)):
            [(_, parts)] = layers(chart)
            assert parts["x"]["title"] == title


@pytest.mark.parametrize("colour", [None, "c"])
def test_own_columns_are_drawn_as_they_are(colour: str | None) -> None:
    rows = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [3, 2, 1], "c": [1, 1, 2]})
    before = rows.copy()
    chart = draw_columns(rows, "a", "b", colour)
    data = chart.tables["rows"]
    np.testing.assert_array_equal(data["x"], rows["a"])
    np.testing.assert_array_equal(data["y"], rows["b"])
    [(mark, parts)] = layers(chart)
    assert mark == "point"
    assert (parts["x"]["title"], parts["y"]["title"]) == ("a", "b")
    assert not parts["x"]["scale"]["zero"]
    if colour:
        # Numbers of a class are names, not a scale.
        assert data["colour"].tolist() == ["1", "1", "2"]
        assert parts["color"]["type"] == "nominal"
        assert parts["color"]["title"] == "c"
    else:
        assert "colour" not in data
    pd.testing.assert_frame_equal(rows, before)


def test_how_often_is_bars_of_one_column() -> None:
    chart = draw_columns(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), "a", "count", None)
    [(mark, parts)] = layers(chart)
    assert mark == "bar"
    assert parts["y"]["aggregate"] == "count"
    assert "bin" in parts["x"]
    assert list(chart.tables["rows"]) == ["x"]
