"""Features in words: values to the error's second digit, nothing unknown is stated."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import REASONS, STATISTICS
from pipeline.judge.statements import (
    state_amplitude,
    state_measurement,
    state_statistic,
    write_number,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "error", "written"),
    [
        (31.04, 2.04, "31.0 ± 2.0"),
        (0.30999, 0.0221, "0.310 ± 0.022"),
        (-12345.6, 321.0, "-12,350 ± 320"),
        (1.5, NAN, "1.5"),
        (0.123456, 0.0, "0.123"),
        (2.0, float("inf"), "2"),
    ],
)
def test_a_number_has_two_digits_of_its_error(value: float, error: float, written: str) -> None:
    assert write_number(value, error) == written


@given(value=st.floats(-1e6, 1e6), error=st.floats(1e-6, 1e6))
def test_what_is_written_is_within_a_tenth_of_an_error(value: float, error: float) -> None:
    read, spread = (float(part.replace(",", "")) for part in write_number(value, error).split("±"))
    assert abs(read - value) <= 0.051 * error
    assert spread == pytest.approx(error, rel=0.051)


def test_an_amplitude_is_stated_as_far_as_it_is_known() -> None:
    words = "{} of the flux"
    assert state_amplitude("star", words, 0.31, 0.02, 14.3) == (
        "star: 0.310 ± 0.020 of the flux, 14 σ"
    )
    assert state_amplitude("star", words, NAN, NAN, -4.04) == "star: 4.0 σ"
    assert state_amplitude("star", words, NAN, NAN, NAN) == "star"


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda each: each.name)
def test_every_statistic_can_be_stated(statistic) -> None:
    if statistic.amplitude:
        told = state_amplitude("it", statistic.amplitude, 2.0, 0.5, 4.0, statistic.unit)
        assert re.fullmatch(r"it: .*2\.00 ± 0\.50.*, 4\.0 σ", told)
    else:
        told = state_statistic(statistic, REASONS[statistic.reason], 1.2345)
        assert told.startswith(f"{statistic.name} 1.23: ")
    assert "{" not in told


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda each: each.name)
def test_every_measurement_can_be_stated(measurement) -> None:
    told = state_measurement(measurement, 2.0, 0.5, 1549.06, 4.0)
    assert told.startswith(measurement.meaning.rstrip("."))
    assert " at 1,549.1 Å: 2.00 ± 0.50" in told
    assert told.endswith(", 4.0 σ")
    assert "**" not in told.removeprefix(measurement.meaning.rstrip("."))
