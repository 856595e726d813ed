"""Troughs, their indices and damped absorbers: planted ones are measured, ordinary light is not."""

import numpy as np
import pytest
from quasar_windows import make_residuals, measure

from pipeline.spectra.science.residuals import LIGHT_SPEED


def trough(line: float, speed: float, width: float, depth: float):
    def change(rest, observed, model):
        velocity = (1 - rest / line) * LIGHT_SPEED
        return -model * depth * np.exp(-(((velocity - speed) / width) ** 8))

    return change


def test_trough_gives_balnicity() -> None:
    found = measure(make_residuals(2.3, trough(1549.06, 10_000, 4000, 0.8)))
    # 8000 km/s of a trough 1 − 0.2/0.9 deep, of which the first 2000 km/s do not count.
    assert found["bi_civ"][0] == pytest.approx(6000 * (1 - 0.2 / 0.9), rel=0.2)
    assert found["bi_civ"][1] > 10
    assert found["hibal"][1] > 20
    assert found["hibal_speed"][0] == pytest.approx(10_000, abs=2500)
    assert found["ai_civ"][0] > found["bi_civ"][0]
    assert abs(found["lobal"][1]) < 6


def test_trough_beside_the_line_is_no_balnicity() -> None:
    found = measure(make_residuals(2.3, trough(1549.06, 1200, 800, 0.9)))
    assert found["bi_civ"][0] == 0
    assert found["ai_civ"][0] > 500


def test_low_ionisation_trough() -> None:
    found = measure(make_residuals(1.0, trough(2799.1, 6000, 2500, 0.7)))
    assert found["lobal"][1] > 20
    assert found["lobal_speed"][0] == pytest.approx(6000, abs=2000)
    assert found["bi_mgii"][0] > 1000


def test_damped_absorber() -> None:
    from pipeline.spectra.science.absorption import damp

    def change(rest, observed, model):
        return -model * (1 - np.exp(-damp((1 - rest / 1215.67) * LIGHT_SPEED, 10**21.1)))

    found = measure(make_residuals(2.8, change))
    assert found["dla"][0] == pytest.approx(1, abs=0.1)
    assert found["dla_column"][0] == pytest.approx(21.1)
    assert np.isnan(measure(make_residuals(1.0))["dla"][0])
