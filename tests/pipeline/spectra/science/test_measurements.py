"""All measurements together: nothing in ordinary light, nothing that is not a number."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quasar_windows import make_residuals

from catalog_schema.measurements import MEASUREMENTS
from pipeline.science.measured import Measured, find_significance
from pipeline.spectra.science.measurements import take_measurements

NAMES = [measurement.name for measurement in MEASUREMENTS]


def test_ordinary_quasar_shows_nothing() -> None:
    found = take_measurements(make_residuals(2.3, n=40))
    significance = find_significance(found)
    for name in ("civ_strength", "mgii_shift", "step_br", "step_rz", "star_molecules"):
        assert np.nanstd(significance[:, NAMES.index(name)]) < 1.6, name
    assert np.nanmax(found.value[:, NAMES.index("bi_civ")]) == 0
    assert np.nanmax(significance[:, NAMES.index("unidentified_line")]) < 7


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


# Sums of the pixels, each with the error that their noise makes.
LINEAR = [
    *(f"{line}_{part}" for line in ("ciii", "mgii") for part in ("strength", "shift", "width")),
    *("mgii_ew", "low_ionisation_width", "continuum_slope", "dust_reddening", "step_br", "step_rz"),
    *("star_molecules", "star_metals", "star_balmer", "sky_lines"),
]
# In units of the norm, by which flux and model are divided.
PER_NORM = ("star_", "host_", "bump")


def test_errors_are_what_noise_makes_of_the_values() -> None:
    rng = np.random.default_rng(0)
    plain = make_residuals(1.3, n=150, noisy=False)
    uneven = rng.gamma(4, 0.25, plain.flux.shape[1]) * (rng.random(plain.flux.shape[1]) > 0.05)
    weight = plain.weight * uneven
    noise = rng.standard_normal(weight.shape) / np.sqrt(np.maximum(weight, 1e-9))
    flux = plain.flux + np.where(weight > 0, noise, 0)
    found = take_measurements(replace(plain, flux=flux, weight=weight, noise_weight=weight))
    for name in LINEAR:
        k = NAMES.index(name)
        pulls = found.value[:, k] / found.error[:, k]
        # 150 values: the scatter is known to 6 per cent.
        assert pulls.std() == pytest.approx(1, abs=0.2), name


@given(power=st.integers(-6, 6), z=st.sampled_from([0.4, 1.3, 2.6]))
@settings(max_examples=6)
def test_unit_of_the_flux_decides_nothing(power: int, z: float) -> None:
    unit = 2.0**power
    spectra = make_residuals(z)
    scaled = replace(
        spectra,
        flux=unit * spectra.flux,
        model=unit * spectra.model,
        weight=spectra.weight / unit**2,
        noise_weight=spectra.noise_weight / unit**2,
    )
    one, other = take_measurements(spectra), take_measurements(scaled)
    for k, name in enumerate(NAMES):
        # The sky's projection is on the variance, in units of the square.
        of = unit if name.startswith(PER_NORM) and name != "bump_share" else 1.0
        of = 1 / unit if name == "sky_lines" else of
        np.testing.assert_allclose(other.value[0, k], of * one.value[0, k], rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(other.error[0, k], of * one.error[0, k], rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(other.wave[0, k], one.wave[0, k], err_msg=name)


def test_what_a_masked_pixel_holds_decides_nothing() -> None:
    rng = np.random.default_rng(1)
    spectra = make_residuals(1.3)
    weight = np.where(rng.random(spectra.weight.shape) < 0.1, 0, spectra.weight)
    found = [
        take_measurements(replace(spectra, flux=flux, weight=weight, noise_weight=weight))
        for flux in (
            spectra.flux,
            np.where(weight > 0, spectra.flux, 50 * rng.normal(size=weight.shape)),
        )
    ]
    np.testing.assert_array_equal(found[1].value, found[0].value)
    np.testing.assert_array_equal(found[1].error, found[0].error)


def test_significance_is_value_over_error_or_the_value_where_no_error_is_known() -> None:
    nan = np.nan
    measured = Measured(
        *(np.array([row]) for row in ([6.0, 3.0, nan, 1.0], [2.0, nan, 1.0, 0.0], [0.0] * 4))
    )
    np.testing.assert_array_equal(find_significance(measured), [[3.0, 3.0, nan, nan]])
