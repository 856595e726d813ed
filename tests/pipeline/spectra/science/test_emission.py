"""Broad and narrow lines: what was planted is measured where it was planted."""

import numpy as np
import pytest
from quasar_windows import make_residuals, measure

from pipeline.spectra.science.residuals import LIGHT_SPEED


def test_line_strength_shift_and_width() -> None:
    def stronger(rest, observed, model):
        return 0.5 * (rest / 3000) ** -1.5 * np.exp(-0.5 * ((rest / 2799.1 - 1) / 0.0073) ** 2)

    def split(rest, observed, model):
        x = (rest / 2799.1 - 1) * LIGHT_SPEED / 2200
        return 0.4 * (x**2 - 1) * np.exp(-0.5 * x**2)

    def moved(rest, observed, model):
        x = (rest / 2799.1 - 1) * LIGHT_SPEED / 2200
        return 0.4 * x * np.exp(-0.5 * x**2)

    found = measure(make_residuals(1.0, stronger))
    area = 0.5 * (2799.1 / 3000) ** -1.5 * np.sqrt(2 * np.pi) * 0.0073 * 2799.1
    level = (2799.1 / 3000) ** -1.5
    assert found["mgii_strength"][0] == pytest.approx(area / level, rel=0.1)
    assert abs(found["mgii_shift"][1]) < 4
    assert measure(make_residuals(1.0, split))["mgii_width"][1] > 15
    assert measure(make_residuals(1.0, split))["low_ionisation_width"][1] > 15
    assert measure(make_residuals(1.0, moved))["mgii_shift"][1] > 15


def test_unidentified_line_and_cosmic_ray() -> None:
    def narrow(rest, observed, model):
        return 0.6 * np.exp(-0.5 * ((observed / 7000 - 1) * LIGHT_SPEED / 200) ** 2)

    def hit(rest, observed, model):
        return 2.0 * (np.abs(np.arange(len(rest)) - np.argmin(np.abs(observed - 7000))) < 1)

    line, ray = measure(make_residuals(1.0, narrow)), measure(make_residuals(1.0, hit))
    for found in (line, ray):
        assert found["unidentified_line"][0] > 8
        assert found["unidentified_line"][2] == pytest.approx(3500, rel=1e-3)
    assert line["line_sharpness"][0] < 0.75 < ray["line_sharpness"][0]
