"""Where and why: peaks of the matched filters, departures by reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.statistics import FILTER_WIDTHS, REASONS, STATISTICS
from portal.data.evidence import Evidence, list_peaks, measure_velocity, sum_reasons

NAMES = [statistic.name for statistic in STATISTICS]


def make_evidence(**departures: float) -> Evidence:
    values = np.zeros(len(STATISTICS))
    for name, value in departures.items():
        values[NAMES.index(name)] = value
    waves = np.full(len(FILTER_WIDTHS), np.nan)
    waves[3] = 2000.0
    return Evidence(values, waves, np.full(len(FILTER_WIDTHS), np.nan))


def test_peaks_move_with_the_redshift_and_know_their_width() -> None:
    width = FILTER_WIDTHS[3]
    peaks = list_peaks(make_evidence(**{f"emission_{width}": 7.0}), 1.5, 2e-4)
    assert peaks["wave"].tolist() == [5000.0]
    assert peaks["kind"].tolist() == ["excess"]
    assert peaks["departure"].tolist() == [7.0]
    assert np.log10(peaks["high"][0] / peaks["low"][0]) == pytest.approx(width * 2e-4)


def test_strongest_statistic_speaks_for_its_reason() -> None:
    reasons = sum_reasons(make_evidence(chi2=3.0, chi2_b=5.0, slope=-9.0, emission_1=-9.0))
    assert set(reasons["reason"]) == set(REASONS)
    assert reasons.iloc[0][["reason", "statistic", "departure"]].tolist() == [
        "continuum",
        "slope",
        9.0,
    ]
    assert reasons.set_index("reason").loc["reconstruction", "statistic"] == "chi2_b"
    # A lack of an excess is nothing strange.
    assert reasons.set_index("reason").loc["narrow_emission", "departure"] == 0.0


def test_velocity_is_positive_where_light_is_redder() -> None:
    assert measure_velocity(5000.0 * 1.01, 5000.0) == pytest.approx(2997.92458)


@given(z=st.floats(0, 6), step=st.none() | st.floats(1e-5, 5e-4))
def test_a_peak_lies_within_its_extent_and_without_a_step_has_none(
    z: float, step: float | None
) -> None:
    told = {f"emission_{width}": float(width) for width in FILTER_WIDTHS}
    evidence = Evidence(
        make_evidence(**told).departures,
        np.linspace(1000.0, 3000.0, len(FILTER_WIDTHS)),
        np.full(len(FILTER_WIDTHS), np.nan),
    )
    peaks = list_peaks(evidence, z, step)
    assert peaks["departure"].is_monotonic_decreasing
    assert set(peaks["width"]) == set(FILTER_WIDTHS)
    assert np.allclose(peaks["wave"] ** 2, peaks["low"] * peaks["high"])
    extent = np.log10(peaks["high"].astype(float) / peaks["low"].astype(float))
    assert np.allclose(extent, peaks["width"].astype(float) * (step or 0.0), atol=1e-12)


def test_peaks_that_nobody_measured_are_left_out() -> None:
    evidence = make_evidence()
    nothing = Evidence(np.full(len(STATISTICS), np.nan), evidence.emission_wave, np.array([]))
    assert list_peaks(nothing, 1.0, 1e-4).empty
    assert sum_reasons(nothing).empty


@given(st.sampled_from(STATISTICS), st.floats(-50, 50))
def test_a_statistic_speaks_for_its_own_reason_only(statistic, value: float) -> None:
    reasons = sum_reasons(make_evidence(**{statistic.name: value})).set_index("reason")
    strength = abs(value) if statistic.two_sided else value
    assert reasons.loc[statistic.reason, "departure"] >= strength - 1e-9
    others = reasons.drop(statistic.reason)["departure"]
    assert (others == 0).all()
