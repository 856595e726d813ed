"""Continuum, dust, stars and galaxies: planted light is found and told from the quasar."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quasar_windows import make_residuals, measure

from pipeline.spectra.science.foreign_light import (
    measure_continuum,
    measure_host,
    measure_second_redshift,
    measure_star,
)
from pipeline.spectra.science.residuals import Residuals
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


def see_continuum(z: float, light) -> Residuals:
    """Return a spectrum of nothing but a continuum, a function of rest wavelength."""
    spectra = make_residuals(z, noisy=False)
    rest = spectra.observed_wave / (1 + z)
    return replace(spectra, flux=light(rest), model=np.zeros_like(rest))


@given(z=st.floats(0.3, 3), slope=st.floats(-3, 1), reddening=st.floats(-0.1, 0.4))
@settings(max_examples=15)
def test_slope_and_reddening_come_back_exactly(z: float, slope: float, reddening: float) -> None:
    power = measure_continuum(see_continuum(z, lambda rest: 3 * (rest / 3000) ** slope))
    assert power["continuum_slope"].value[0] == pytest.approx(slope, abs=0.01)

    def redden(rest):
        return (rest / 3000) ** -1.56 * 10 ** (-0.4 * 1.39 * reddening * (1e4 / rest) ** 1.2)

    dust = measure_continuum(see_continuum(z, redden))
    assert dust["dust_reddening"].value[0] == pytest.approx(reddening, abs=0.004)


def test_errors_of_the_continuum_are_what_noise_makes_of_it() -> None:
    spectra = make_residuals(1.5, n=150, sigma=0.1)
    found = measure_continuum(spectra)
    for name in ("continuum_slope", "dust_reddening"):
        assert found[name].value.std() == pytest.approx(np.median(found[name].error), rel=0.2)


def test_one_window_or_light_below_the_noise_makes_no_slope() -> None:
    spectra = see_continuum(1.5, np.ones_like)
    rest = spectra.observed_wave / 2.5
    for alone in ((3000, 3100), (1e5, 1e6)):
        weight = np.where((rest > alone[0]) & (rest < alone[1]), spectra.weight, 0)
        found = measure_continuum(replace(spectra, weight=weight))
        assert np.isnan(found["continuum_slope"].value[0])
        assert np.isnan(found["dust_reddening"].value[0])
    # Negative light is taken as one error of its mean.
    sunk = measure_continuum(replace(spectra, flux=-spectra.flux))
    assert np.isfinite(sunk["continuum_slope"].value[0])


BANDS = {
    "star_molecules": [(7054, 7130), (6159, 6230), (8432, 8470), (4955, 5000), (5168, 5210)],
    "star_metals": [(3925, 3945), (3960, 3980), (4290, 4318), (5886, 5903), (8652, 8676)],
    "star_balmer": [(6550, 6580), (4845, 4880), (4325, 4358), (4085, 4120), (3880, 3900)],
}


@pytest.mark.parametrize("name", BANDS)
def test_light_that_bands_of_a_star_take_is_measured_at_redshift_zero(name: str) -> None:
    """Whatever is missing in every band alike is their mean; one band alone tells the place."""
    z = 1.5
    for low, high in BANDS[name]:
        # A little wider than the band: pixels at its borders belong to it.
        def lose(rest, observed, model, low=low, high=high):
            return -0.4 * ((observed > low - 2) & (observed < high + 2))

        value, error, wave = (
            column[0] for column in measure_star(make_residuals(z, lose, noisy=False))[name]
        )
        assert 0.02 < value < 0.4
        assert wave == pytest.approx((low + high) / 2 / (1 + z), rel=1e-9)
        assert value > 3 * error
    flat = measure_star(make_residuals(z, lambda r, o, m: 0 * r + 0.7, noisy=False))[name]
    assert flat.value[0] == pytest.approx(0, abs=1e-9)
    scattered = measure_star(make_residuals(z, n=150, sigma=0.1))[name]
    assert scattered.value.std() == pytest.approx(np.median(scattered.error), rel=0.2)


@given(step=st.floats(-0.5, 0.5), calcium=st.floats(-0.5, 0.5))
@settings(max_examples=10)
def test_host_is_the_step_at_4000_and_the_lack_in_calcium(step: float, calcium: float) -> None:
    def host(rest, observed, model):
        lack = calcium * ((rest > 3922) & (rest < 3947))
        return step * (rest > 4000) - lack

    found = measure_host(make_residuals(0.5, host, noisy=False))
    assert found["host_step"].value[0] == pytest.approx(step, abs=1e-9)
    assert found["host_calcium"].value[0] == pytest.approx(calcium, abs=1e-9)
    assert found["host_step"].wave[0] == 4000
    assert np.isnan(measure_host(make_residuals(2.0, noisy=False))["host_step"].value[0])


def test_errors_of_the_host_are_what_noise_makes_of_it() -> None:
    found = measure_host(make_residuals(0.5, n=150, sigma=0.1))
    for name in ("host_step", "host_calcium"):
        assert found[name].value.std() == pytest.approx(np.median(found[name].error), rel=0.2)


EMISSION = (3728.5, 4862.7, 4960.3, 5008.24, 6564.6, 6725.0)
ABSORPTION = (3934.8, 3969.6, 4304.4, 5176.6, 5895.6)


@given(z=st.floats(0.05, 0.9))
@settings(max_examples=12)
def test_lines_of_a_second_redshift_are_found_by_their_sign(z: float) -> None:
    def lines(waves, sign, width):
        def change(rest, observed, model):
            bells = [
                np.exp(-0.5 * ((observed / (1 + z) / w - 1) * 299_792 / width) ** 2) for w in waves
            ]
            return sign * sum(bells)

        return measure_second_redshift(make_residuals(1.9, change, noisy=False))

    for name, found, waves in (
        ("second_emission", lines(EMISSION, 0.7, 120), EMISSION),
        ("second_absorption", lines(ABSORPTION, -0.7, 350), ABSORPTION),
    ):
        assert found[f"{name}_z"].value[0] == pytest.approx(z, abs=0.003)
        seen = sum(3650 < w * (1 + z) < 9780 for w in waves)
        # Each counts for four at most.
        assert found[name].value[0] == pytest.approx(4 * np.sqrt(seen), rel=0.12)
        assert found[name].wave[0] == pytest.approx(waves[0] * (1 + z) / 2.9, rel=2e-3)
    weak, turned = (lines(EMISSION, sign, 120)["second_emission"] for sign in (0.05, -0.05))
    assert turned.value[0] < 0.5 * weak.value[0]


@pytest.mark.parametrize("z", [0.05, 0.3])
def test_the_quasar_itself_and_what_lies_behind_it_are_no_second_redshift(z: float) -> None:
    def lines(rest, observed, model):
        return sum(0.7 * np.exp(-0.5 * ((rest / w - 1) * 2500) ** 2) for w in EMISSION)

    found = measure_second_redshift(make_residuals(z, lines, noisy=False))
    assert not found["second_emission_z"].value[0] > z - 0.02
    # So near that no galaxy can lie in front of it.
    near = measure_second_redshift(make_residuals(0.05, lines, noisy=False))
    assert not near["second_emission_z"].value[0] > 0.03
