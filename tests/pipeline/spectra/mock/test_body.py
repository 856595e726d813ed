"""A body has its magnitude, and is what the catalogue promises where nothing is planted."""

from dataclasses import replace

import numpy as np
import pytest
from mock_bodies import make_galaxy, make_star

from pipeline.spectra.mock.body import expected_flux
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.population import magnitude_to_flux
from pipeline.spectra.mock.scene import R_BAND


@pytest.mark.parametrize("body", [make_galaxy(r_mag=18.0), make_star(r_mag=18.0)])
def test_a_body_has_its_magnitude_and_nothing_negative(body) -> None:
    assert body.flux()[R_BAND].mean() == pytest.approx(magnitude_to_flux(18.0))
    assert (body.flux() >= 0).all()


@pytest.mark.parametrize("body", [make_galaxy(), make_star()])
def test_what_is_normal_is_expected(body) -> None:
    np.testing.assert_allclose(expected_flux(body), body.flux())


def test_another_redshift_promises_another_spectrum_of_the_same_magnitude() -> None:
    body = replace(make_galaxy(z=0.2), z_catalog=0.5)
    promised = expected_flux(body)
    assert promised[R_BAND].mean() == pytest.approx(body.flux()[R_BAND].mean())
    assert np.abs(promised / body.flux() - 1).max() > 0.2


def test_blended_light_has_its_ratio_and_what_is_changed_keeps_the_magnitude() -> None:
    body = make_galaxy()
    blend = body.blended(np.ones_like(WAVE), 0.3)
    assert blend.other[R_BAND].mean() == pytest.approx(0.3 * body.flux()[R_BAND].mean())
    changed = body.changed(more=5 * body.parts["stars"])
    assert changed.flux()[R_BAND].mean() == pytest.approx(body.flux()[R_BAND].mean())
