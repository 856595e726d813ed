"""Measurements: each finds what was planted where it was planted, and nothing elsewhere."""

from dataclasses import replace

import numpy as np
import pytest
from quasar_windows import make_residuals

from catalog_schema.measurements import MEASUREMENTS
from pipeline.spectra.science.measurements import find_significance, take_measurements
from pipeline.spectra.science.residuals import LIGHT_SPEED, Residuals
from pipeline.spectra.science.templates import galaxy_light, star_light

NAMES = [measurement.name for measurement in MEASUREMENTS]


def measure(spectra: Residuals) -> dict[str, tuple[float, float, float]]:
    """Return value, significance and wavelength of the first spectrum by name."""
    found = take_measurements(spectra)
    significance = find_significance(found)
    return {
        name: (found.value[0, k], significance[0, k], found.wave[0, k])
        for k, name in enumerate(NAMES)
    }


def trough(line: float, speed: float, width: float, depth: float):
    def change(rest, observed, model):
        velocity = (1 - rest / line) * LIGHT_SPEED
        return -model * depth * np.exp(-(((velocity - speed) / width) ** 8))

    return change


def test_ordinary_quasar_shows_nothing() -> None:
    found = take_measurements(make_residuals(2.3, n=40))
    significance = find_significance(found)
    for name in ("civ_strength", "mgii_shift", "step_br", "step_rz", "star_molecules"):
        assert np.nanstd(significance[:, NAMES.index(name)]) < 1.6, name
    assert np.nanmax(found.value[:, NAMES.index("bi_civ")]) == 0
    assert np.nanmax(significance[:, NAMES.index("unidentified_line")]) < 7


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


@pytest.mark.parametrize("spoil", ["nan", "one pixel", "nothing", "zero", "negative", "infinite"])
@pytest.mark.parametrize("z", [0.05, 1.0, 6.7])
def test_bad_spectra_give_no_number_that_is_not_finite(spoil: str, z: float) -> None:
    spectra = make_residuals(z)
    flux, weight = spectra.flux.copy(), spectra.weight.copy()
    if spoil == "nan":
        flux[:] = np.nan
    elif spoil == "one pixel":
        weight[:, np.arange(weight.shape[1]) != 2000] = 0
    elif spoil == "nothing":
        weight[:] = 0
    elif spoil == "infinite":
        flux[:, ::3] = np.inf
    else:
        flux = flux * {"zero": 0.0, "negative": -1.0}[spoil]
    found = take_measurements(replace(spectra, flux=flux, weight=weight, noise_weight=weight))
    assert not np.isinf(found.value).any()
    assert not np.isinf(found.error).any()
    if spoil in ("nan", "nothing"):
        assert np.isnan(found.value).all()
    if spoil == "one pixel":
        assert np.isfinite(found.value).sum() < 12


def test_repeats_to_the_bit_whatever_the_company() -> None:
    spectra = make_residuals(1.5, n=5)
    together = take_measurements(spectra)
    arrays = ("flux", "model", "weight", "noise_weight", "start", "z")
    alone = take_measurements(
        replace(spectra, **{name: getattr(spectra, name)[2:3] for name in arrays})
    )
    np.testing.assert_allclose(alone.value[0], together.value[2], rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(take_measurements(spectra).value, together.value)
