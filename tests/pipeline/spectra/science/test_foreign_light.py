"""Continuum, dust, stars and galaxies: planted light is found and told from the quasar."""

import pytest
from quasar_windows import make_residuals, measure

from pipeline.spectra.science.templates import galaxy_light, star_light


def test_star_bands() -> None:
    def star(rest, observed, model):
        return 2 * star_light(observed, 3200.0) - model

    found = measure(make_residuals(1.5, star))
    assert found["star_molecules"][1] > 5
    assert found["star_metals"][1] > 5


def test_galaxy_in_front() -> None:
    def galaxy(rest, observed, model):
        return 0.3 * galaxy_light(observed / 1.25, 0.8, 15.0)

    found = measure(make_residuals(2.0, galaxy, sigma=0.02))
    assert found["second_emission"][0] > 6
    assert found["second_emission_z"][0] == pytest.approx(0.25, abs=0.002)
    assert found["second_absorption_z"][0] == pytest.approx(0.25, abs=0.005)


def test_reddening_is_measured() -> None:
    def dust(rest, observed, model):
        return model * (10 ** (-0.4 * 1.39 * 0.2 * (1e4 / rest) ** 1.2) - 1)

    reddened, plain = (
        measure(make_residuals(1.5, change)) for change in (dust, lambda r, o, m: 0 * r)
    )
    assert reddened["dust_reddening"][0] - plain["dust_reddening"][0] == pytest.approx(
        0.2, abs=0.05
    )
    assert reddened["continuum_slope"][0] > plain["continuum_slope"][0]
