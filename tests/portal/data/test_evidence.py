"""Where and why: peaks of the matched filters, departures by reason."""

import numpy as np
import pytest

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
