"""Charts of evidence: what is on which axis, and room for whatever is told."""

from typing import Any

import pandas as pd
import pytest

from portal.drawing.evidence_charts import draw_context, draw_found, draw_reasons

FOUND = pd.DataFrame(
    {
        "injection": ["iron", "iron", "line"],
        "planted": [3.0, 6.0, 3.0],
        "n": [10, 10, 20],
        "found": [0.1, 0.9, 0.5],
        "low": [0.0, 0.8, 0.4],
        "high": [0.2, 1.0, 0.6],
    }
)


def axes(layer: dict[str, Any]) -> dict[str, str]:
    found = {p: layer["encoding"].get(p, {}) for p in ("x", "y", "y2")}
    return {place: parts["field"] for place, parts in found.items() if "field" in parts}


def make_reasons(n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"reason": [f"r{k}" for k in range(n)], "departure": 1.0, "statistic": "s", "meaning": "m"}
    )


def test_what_is_found_is_a_line_within_its_errors_for_each_feature() -> None:
    chart = draw_found(FOUND)
    assert chart.spec["facet"]["field"] == "injection"
    band, line = chart.spec["spec"]["layer"]
    assert axes(band) == {"x": "planted", "y": "low", "y2": "high"}
    assert axes(line) == {"x": "planted", "y": "found"}
    # A share is between none and all, so that panels can be compared.
    assert line["encoding"]["y"]["scale"]["domain"] == [0, 1]
    pd.testing.assert_frame_equal(chart.tables["rows"], FOUND)


@pytest.mark.parametrize("score", [-1.5, 0.0, 1e6])
def test_an_object_stands_among_all_normal_ones(score: float) -> None:
    null = pd.Series([1.0, 2.0, 3.0], name="anything")
    chart = draw_context(null, score)
    assert chart.tables["rows"]["score"].tolist() == [1.0, 2.0, 3.0]
    assert chart.tables["mine"].to_dict("records") == [{"score": score, "name": "this object"}]
    bars, rule, text = chart.spec["layer"]
    assert bars["encoding"]["y"]["aggregate"] == "count"
    assert [axes(layer) for layer in (rule, text)] == [{"x": "score"}] * 2
    assert {layer["data"]["name"] for layer in (rule, text)} == {"mine"}


@pytest.mark.parametrize("n", [0, 1, 7, 30])
def test_every_reason_has_a_line_of_its_own(n: int) -> None:
    reasons = make_reasons(n)
    chart = draw_reasons(reasons)
    # Labels of less height would lie over each other.
    assert chart.spec["height"] >= 20 * n
    assert chart.spec["height"] < draw_reasons(make_reasons(n + 1)).spec["height"]
    pd.testing.assert_frame_equal(chart.tables["rows"], reasons)


def test_reasons_stay_in_the_order_given_beside_one_limit() -> None:
    bars, limit = draw_reasons(make_reasons(3)).spec["layer"]
    assert axes(bars) == {"x": "departure", "y": "reason"}
    assert bars["encoding"]["y"]["sort"] is None
    assert limit["data"]["name"] == "limit"
    assert len(draw_reasons(make_reasons(3)).tables["limit"]) == 1
