"""What the instrument leaves: shares of the excess, sky, steps, ripples, bumps."""

from dataclasses import replace

import numpy as np
import pytest
from quasar_windows import make_residuals, measure


def test_step_where_arms_meet() -> None:
    found = measure(
        make_residuals(1.5, lambda rest, observed, model: 0.2 * model * (observed > 7570))
    )
    assert found["step_rz"][0] == pytest.approx(0.2, abs=0.03)
    assert abs(found["step_br"][1]) < 4


def test_fringes() -> None:
    def ripple(rest, observed, model):
        growth = np.clip((observed - 8000) / 1824, 0, 1)
        return 0.3 * model * growth * np.sin(2 * np.pi * observed / 27)

    assert measure(make_residuals(1.5, ripple))["fringes"][0] == pytest.approx(0.3, rel=0.25)


def test_sky_lines_and_their_share() -> None:
    spectra = make_residuals(1.5)
    noisy = (np.arange(spectra.flux.shape[1]) % 40 == 0) & (spectra.observed_wave[0] > 7000)
    weight = np.where(noisy, spectra.weight / 9, spectra.weight)
    flux = spectra.flux + np.where(noisy, 0.8, 0)
    found = measure(replace(spectra, flux=flux, weight=weight, noise_weight=weight))
    assert found["sky_lines"][1] > 10
    assert found["share_sky"][0] > 0.8
    assert found["share_joins"][0] < 0.1
