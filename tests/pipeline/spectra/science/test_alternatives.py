"""Whole spectra as something else: what they are fits best, and what adds nothing is no better."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quasar_windows import make_residuals

from catalog_schema.measurements import ALTERNATIVES
from pipeline.spectra.science.alternatives import measure_alternatives
from pipeline.spectra.science.residuals import Residuals
from pipeline.spectra.science.templates import galaxy_light, star_light


def find_misfits(spectra: Residuals) -> dict[str, np.ndarray]:
    return {
        name.removeprefix("misfit_"): measured.value
        for name, measured in measure_alternatives(spectra).items()
    }


def put(light, *, share: float = 0.0):
    """Put light of the observed wavelength in the place of all but a share of the quasar's."""

    def change(rest, observed, model):
        added = light(observed)
        return added * np.median(model) / np.median(added) - (1 - share) * model

    return change


def make_spectra(z: float = 1.8, change=None, sigma: float = 0.1) -> Residuals:
    return make_residuals(z, change, sigma=sigma) if change else make_residuals(z, sigma=sigma)


@given(z=st.floats(0.3, 4), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_all_are_measured_and_what_contains_another_fits_as_well(z: float, seed: int) -> None:
    found = find_misfits(make_residuals(z, sigma=0.1, n=3, seed=seed))
    assert set(found) == set(ALTERNATIVES)
    assert (np.min(list(found.values()), axis=0) == 0).all()
    for part, whole in (
        ("quasar", "quasar_star"),
        ("star", "quasar_star"),
        ("quasar", "quasar_galaxy"),
        ("galaxy", "quasar_galaxy"),
        ("quasar", "host"),
    ):
        # Bins that are put on the observed grid lose nothing but their margins.
        assert (found[whole] <= found[part] + 0.1).all(), (part, whole)


@given(z=st.floats(0.3, 4))
@settings(max_examples=15)
def test_a_quasar_fits_as_a_quasar_and_as_nothing_else(z: float) -> None:
    found = find_misfits(make_spectra(z))
    assert found["quasar"] < 7
    for other in ("smooth", "star", "galaxy", "weak"):
        assert found[other] > 15, other


@pytest.mark.parametrize("temperature", [3200.0, 5600.0, 12_000.0])
def test_a_star_in_the_quasar_place_fits_as_a_star(temperature: float) -> None:
    light = put(lambda wave: star_light(wave, temperature))
    found = find_misfits(make_spectra(1.8, light))
    assert found["star"] < 15
    assert min(found["quasar"], found["smooth"], found["weak"]) > 3 * found["star"]


@pytest.mark.parametrize("z", [0.15, 0.4, 0.81])
@pytest.mark.parametrize("age", [0.6, 1.0])
def test_a_galaxy_at_any_redshift_fits_as_a_galaxy(z: float, age: float) -> None:
    light = put(lambda wave: galaxy_light(wave / (1 + z), age, 8.0))
    found = find_misfits(make_spectra(1.8, light))
    assert found["galaxy"] < 12
    assert min(found["quasar"], found["smooth"], found["star"]) > 2 * found["galaxy"]


def test_light_of_two_fits_as_of_two() -> None:
    for name, light in (
        ("star", lambda wave: star_light(wave, 3400)),
        ("galaxy", lambda wave: galaxy_light(wave / 1.4, 0.9, 5.0)),
    ):
        found = find_misfits(make_spectra(1.8, put(light, share=1.0)))
        assert found[f"quasar_{name}"] < 10
        assert min(found["quasar"], found[name]) > 2 * found[f"quasar_{name}"]


def test_lines_that_are_gone_leave_a_continuum() -> None:
    bare = make_spectra(1.8, lambda rest, observed, model: (rest / 3000) ** -1.5 - model)
    found = find_misfits(bare)
    assert found["quasar"] > 3 * found["weak"]


@given(factor=st.floats(0.1, 30))
@settings(max_examples=10)
def test_misfits_grow_with_the_root_of_the_weight_and_units_do_not_matter(factor: float) -> None:
    spectra = make_spectra()
    found = find_misfits(spectra)
    louder = find_misfits(replace(spectra, weight=spectra.weight * factor**2))
    brighter = find_misfits(
        replace(
            spectra,
            flux=spectra.flux * factor,
            model=spectra.model * factor,
            weight=spectra.weight / factor**2,
        )
    )
    for name, value in found.items():
        assert louder[name] == pytest.approx(factor * value, rel=1e-4, abs=1e-3 * factor)
        assert brighter[name] == pytest.approx(value, rel=1e-4, abs=1e-3)


def test_chi2_is_that_of_a_least_squares_fit() -> None:
    spectra = make_spectra(1.8, lambda rest, observed, model: 0.3 * np.sin(rest / 90))
    found = find_misfits(spectra)
    weight = spectra.weight.reshape(-1, 4)
    bins = weight.sum(1)
    with np.errstate(invalid="ignore"):
        flux = np.nan_to_num((weight * spectra.flux.reshape(-1, 4)).sum(1) / bins)
    root, x = np.sqrt(bins), np.linspace(-1, 1, len(bins))

    def find_chi2(design: np.ndarray) -> float:
        left = (
            root * flux
            - root[:, None]
            * design
            @ np.linalg.lstsq(root[:, None] * design, root * flux, rcond=None)[0]
        )
        return float(left @ left)

    cubic = find_chi2(np.vander(x, 4))
    quasar = find_chi2(spectra.model.reshape(-1, 4).mean(1)[:, None])
    assert found["smooth"][0] ** 2 - found["quasar"][0] ** 2 == pytest.approx(
        cubic - quasar, rel=1e-6
    )


@pytest.mark.parametrize("n_bins", [0, 1, 40])
def test_every_row_is_its_own_and_of_few_pixels_nothing_is_told(n_bins: int) -> None:
    many = make_residuals(1.8, sigma=0.1, n=4, seed=3)
    first = np.flatnonzero(many.weight[1])[0]
    weight = many.weight.copy()
    weight[1, first + 4 * n_bins :] = 0
    empty = replace(many, weight=weight)
    found, whole = find_misfits(empty), find_misfits(many)
    for name, values in found.items():
        assert np.isnan(values[1])
        np.testing.assert_allclose(np.delete(values, 1), np.delete(whole[name], 1), rtol=1e-6)
