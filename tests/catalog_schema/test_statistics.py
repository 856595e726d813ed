"""The list of statistics: unique names, known reasons, and the columns that hold it."""

import re

from astropy import units

from catalog_schema.statistics import (
    AMPLITUDES,
    ARM_POWER_WIDTHS,
    FILTER_WIDTHS,
    HYPOTHESES,
    LATENT_AXES,
    NARROW_WIDTH,
    POWER_WIDTHS,
    REASONS,
    STATISTICS,
)
from catalog_schema.tables import NULL, SCORES, SIGNIFICANCE
from catalog_schema.vocabulary import Arm

BY_NAME = {statistic.name: statistic for statistic in STATISTICS}


def test_names_are_unique_and_plain() -> None:
    assert len(BY_NAME) == len(STATISTICS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in BY_NAME)


def test_every_statistic_has_a_reason_and_every_reason_a_statistic() -> None:
    assert {statistic.reason for statistic in STATISTICS} == set(REASONS)
    assert set(SIGNIFICANCE["reason"].vocabulary or ()) == set(REASONS)
    assert all(text.endswith(".") for text in REASONS.values())


def test_every_filter_hypothesis_and_axis_is_there() -> None:
    for width in FILTER_WIDTHS:
        scale = "narrow" if width <= NARROW_WIDTH else "broad"
        for kind in ("emission", "absorption"):
            assert BY_NAME[f"{kind}_{width}"].reason == f"{scale}_{kind}"
    assert set(POWER_WIDTHS) < set(FILTER_WIDTHS)
    assert all(BY_NAME[f"power_{width}"].is_ratio for width in POWER_WIDTHS)
    assert set(ARM_POWER_WIDTHS) < set(FILTER_WIDTHS)
    for arm in Arm.values():
        assert all(BY_NAME[f"power_{width}_{arm}"].is_ratio for width in ARM_POWER_WIDTHS)
    assert all(BY_NAME[name].reason == cause for name, cause in HYPOTHESES.items())
    signed = {*HYPOTHESES, *(f"axis_{k}" for k in range(LATENT_AXES))}
    assert {statistic.name for statistic in STATISTICS if statistic.two_sided} == signed
    assert not any(statistic.two_sided and statistic.is_ratio for statistic in STATISTICS)


def test_amplitudes_are_of_statistics_and_have_a_place_for_one_number() -> None:
    assert set(AMPLITUDES) < set(BY_NAME)
    assert not any(BY_NAME[name].is_ratio for name in AMPLITUDES)
    for name, (words, unit) in AMPLITUDES.items():
        assert words.count("{}") == 1
        assert (BY_NAME[name].amplitude, BY_NAME[name].unit) == (words, unit)
        units.Unit(unit, format="vounit")
    assert (BY_NAME["chi2"].amplitude, BY_NAME["chi2"].unit) == ("", "")


def test_columns_are_as_long_as_the_list() -> None:
    columns = {
        (table.name, column.name): column
        for table in (SCORES, SIGNIFICANCE, NULL)
        for column in table.columns
    }
    for key in (
        ("scores", "statistics"),
        ("significance", "departures"),
        ("null", "statistics"),
        ("null", "departures"),
    ):
        assert columns[key].array == "statistic"
        assert columns[key].size == len(STATISTICS)
    for name in ("emission_wave", "absorption_wave"):
        assert columns["scores", name].size == len(FILTER_WIDTHS)
    # The order of the list is part of the column's description.
    assert ", ".join(BY_NAME) in columns["scores", "statistics"].description
