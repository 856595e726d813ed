"""What a comparison leaves in the columns of `changes`: numbers where known, nothing elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.changes import CHANGED_LINES
from catalog_schema.tables import CHANGES
from catalog_schema.vocabulary import ChangeState
from pipeline.settings.spectra import EarlierSettings
from pipeline.spectra.change_columns import describe, find_changed
from pipeline.spectra.science.epochs import (
    LINE_WINDOWS,
    MEASURED,
    NO_OVERLAP,
    NO_SIGNAL,
    Comparison,
    LineChange,
    Value,
)

SETTINGS = EarlierSettings(min_change=3.0, max_left=0.5)
NONE = Value(np.nan, np.nan)


def make_line(now: float, then: float, change: float, ratio: Value = NONE) -> LineChange:
    return LineChange(Value(now, 1.0), Value(then, 2.0), change, ratio)


def compare(**lines: LineChange) -> Comparison:
    return Comparison(
        MEASURED, Value(1.1, 0.1), True, Value(0.8, 0.05), Value(-0.3, 0.2), dict(lines)
    )


@pytest.mark.parametrize(
    ("now", "then", "change", "is_changed"),
    [
        (10, 1, 8.0, True),
        (1, 10, -8.0, True),
        (10, 1, 3.0, False),
        (10, 1, 3.01, True),
        (1, 10, -3.01, True),
        (5, 10, -8.0, True),
        (5.1, 10, -8.0, False),
        (10, 5.1, 8.0, False),
        (-2, 10, -8.0, True),
    ],
)
def test_a_line_has_changed_by_significance_and_by_what_is_left(
    now: float, then: float, change: float, is_changed: bool
) -> None:
    found = find_changed(compare(civ=make_line(now, then, change)), SETTINGS)
    assert found == ("civ" if is_changed else None)


@given(
    changes=st.lists(st.floats(-20, 20), min_size=1, max_size=5),
    left=st.lists(st.floats(0, 1), min_size=5, max_size=5),
)
def test_of_several_the_most_significant_is_named(changes: list, left: list) -> None:
    lines = {
        name: make_line(10 * share, 10, change)
        for name, share, change in zip(LINE_WINDOWS, left, changes, strict=False)
    }
    qualified = {
        name: abs(line.change)
        for name, line in lines.items()
        if abs(line.change) > 3 and line.now.value <= 5
    }
    found = find_changed(compare(**lines), SETTINGS)
    assert (found is None) == (not qualified)
    assert found is None or qualified[found] == max(qualified.values())


def test_every_column_is_one_of_the_table() -> None:
    lines = {name: make_line(4, 5, -1.0, Value(0.8, 0.1)) for name in LINE_WINDOWS}
    row = describe(compare(**lines), SETTINGS)
    assert set(row) <= set(CHANGES.names)
    assert {f"{name}_change" for name in CHANGED_LINES} <= set(row)


def test_values_and_errors_keep_their_places() -> None:
    row = describe(compare(civ=make_line(4, 20, -7.0, Value(0.2, 0.03))), SETTINGS)
    assert row == {
        "change_state": "measured",
        "scale_source": "oiii",
        "has_changed": True,
        "flux_scale": 1.1,
        "flux_scale_error": 0.1,
        "continuum_ratio": 0.8,
        "continuum_ratio_error": 0.05,
        "colour_change": -0.3,
        "colour_change_error": 0.2,
        "civ_flux": 4.0,
        "civ_flux_error": 1.0,
        "civ_earlier_flux": 20.0,
        "civ_earlier_flux_error": 2.0,
        "civ_change": -7.0,
        "changed_line": "civ",
        "line_change": -7.0,
        "line_ratio": 0.2,
        "line_ratio_error": 0.03,
    }


def test_a_changed_line_is_told_before_one_that_is_only_significant() -> None:
    """Hβ has faded by a tenth with more significance than CIV, which has vanished."""
    lines = {"hbeta": make_line(90, 100, -12.0), "civ": make_line(1, 20, -6.0)}
    row = describe(compare(**lines), SETTINGS)
    assert (row["has_changed"], row["changed_line"], row["line_change"]) == (True, "civ", -6.0)
    calm = describe(compare(**{**lines, "civ": make_line(19, 20, -0.5)}), SETTINGS)
    assert (calm["has_changed"], calm["changed_line"], calm["line_change"]) == (
        False,
        "hbeta",
        -12.0,
    )


def test_what_is_not_known_is_null_and_not_nan() -> None:
    found = Comparison(MEASURED, Value(1.0, 0.15), False, Value(2.0, np.inf), NONE, {})
    row = describe(found, SETTINGS)
    assert (row["scale_source"], row["has_changed"]) == ("assumed", False)
    assert (row["continuum_ratio"], row["continuum_ratio_error"]) == (2.0, None)
    assert (row["colour_change"], row["colour_change_error"]) == (None, None)
    assert "changed_line" not in row


@pytest.mark.parametrize("state", [NO_OVERLAP, NO_SIGNAL])
def test_spectra_that_cannot_be_compared_say_only_why(state: str) -> None:
    row = describe(Comparison(state), SETTINGS)
    assert row == {"change_state": ChangeState.parse(state).value}
