"""Broad and narrow lines: what was planted is measured where it was planted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quasar_windows import make_residuals, measure

from catalog_schema.constants import LIGHT_SPEED
from pipeline.spectra.science.emission import measure_lines, measure_narrow_lines
from pipeline.spectra.science.residuals import Residuals

# Rest Å in vacuum, and a redshift at which the line and 10,000 km/s about it are seen.
BROAD = {
    "lya": (1215.67, 2.6),
    "siiv": (1399.0, 2.2),
    "civ": (1549.06, 1.9),
    "ciii": (1908.73, 1.5),
    "mgii": (2799.1, 0.9),
    "hgamma": (4341.7, 0.5),
    "hbeta": (4862.7, 0.5),
    "halpha": (6564.6, 0.3),
}
NARROW = {"oii": (3728.5, 0.6), "oiii": (5008.24, 0.6)}


def flatten(spectra: Residuals, added: np.ndarray | float = 0.0) -> Residuals:
    """Put something on a flat continuum of 2, which the model knows."""
    model = np.full(spectra.flux.shape, 2.0)
    return replace(spectra, flux=model + added, model=model)


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


@settings(max_examples=40)
@given(
    line=st.sampled_from(list(BROAD)),
    parts=st.tuples(st.floats(0.1, 1), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
)
def test_a_line_is_taken_apart_into_what_it_was_made_of(line: str, parts: tuple) -> None:
    """A Gaussian and its derivatives of σ = 2200 km/s on a straight continuum come back exactly."""
    wave, z = BROAD[line]
    plain = flatten(make_residuals(z, noisy=False))
    rest = plain.observed_wave[0] / (1 + z)
    x = np.log(rest / wave) * LIGHT_SPEED / 2200
    bell = np.exp(-0.5 * x**2)
    added = parts[0] * bell + parts[1] * x * bell + parts[2] * (x**2 - 1) * bell
    found = measure_lines(flatten(plain, added + 0.05 * x))
    # √(2π) σ in Å, over the continuum.
    area = np.sqrt(2 * np.pi) * 2200 / LIGHT_SPEED * wave / 2
    # SiIV is a blend: lists put it up to 200 km/s apart.
    near = area * (0.25 if line == "siiv" else 0.06)
    for name, part in zip(("strength", "shift", "width"), parts, strict=True):
        value, error, place = (column[0] for column in found[f"{line}_{name}"])
        assert value == pytest.approx(area * part, abs=near)
        assert error > 0
        assert place == pytest.approx(wave, rel=1e-3)
    ew = found[f"{line}_ew"]
    np.testing.assert_allclose(ew, found[f"{line}_strength"], rtol=1e-3)


@pytest.mark.parametrize("line", NARROW)
def test_equivalent_width_of_a_narrow_line_is_the_area_over_the_continuum(line: str) -> None:
    wave, z = NARROW[line]
    plain = flatten(make_residuals(z, noisy=False))
    x = np.log(plain.observed_wave[0] / (1 + z) / wave) * LIGHT_SPEED / 250
    added = 3 * np.exp(-0.5 * x**2)
    rest = plain.observed_wave[0] / (1 + z)
    area = (added * np.gradient(rest)).sum() / 2
    assert measure_lines(flatten(plain, added))[f"{line}_ew"].value[0] == pytest.approx(
        area, rel=0.03
    )


def test_errors_are_those_of_least_squares() -> None:
    """With weight 1 / σ² the inverse of the normal matrix is the covariance."""
    wave, z = BROAD["mgii"]
    spectra = flatten(make_residuals(z, sigma=0.1, noisy=False))
    found = measure_lines(spectra)
    x = np.log(spectra.observed_wave[0] / (1 + z) / wave) * LIGHT_SPEED / 2200
    x = x[np.abs(x) <= 10_000 / 2200]
    bell = np.exp(-0.5 * x**2)
    design = np.stack([np.ones_like(x), x, bell, x * bell, (x**2 - 1) * bell])
    sigma = 0.1 * np.sqrt(np.diag(np.linalg.inv(design @ design.T)))
    area = np.sqrt(2 * np.pi) * 2200 / LIGHT_SPEED * wave / 2
    errors = [found[f"mgii_{name}"].error[0] for name in ("strength", "shift", "width")]
    np.testing.assert_allclose(errors, area * sigma[2:], rtol=0.02)


def test_low_ionisation_width_is_the_weighted_mean_of_what_is_seen() -> None:
    def wide(rest, observed, model):
        x = np.log(rest / 4862.7) * LIGHT_SPEED / 2200
        return 0.3 * (x**2 - 1) * np.exp(-0.5 * x**2)

    found = measure_lines(make_residuals(0.7, wide, noisy=False))
    seen = [found[f"{line}_width"] for line in ("mgii", "hgamma", "hbeta")]
    value, error, wave = (np.array([column[k][0] for column in seen]) for k in range(3))
    mean = found["low_ionisation_width"]
    assert np.isnan(found["halpha_width"].value[0])
    assert mean.value[0] == pytest.approx(np.average(value, weights=error**-2))
    assert mean.error[0] == pytest.approx((error**-2).sum() ** -0.5)
    assert mean.wave[0] == wave[np.argmax(np.abs(value) / error)] == pytest.approx(4862.7, rel=1e-3)
    sunk = measure_lines(make_residuals(0.7, lambda *light: -wide(*light), noisy=False))
    assert sunk["low_ionisation_width"].wave[0] == mean.wave[0]
    assert sunk["low_ionisation_width"].value[0] == pytest.approx(-mean.value[0], rel=1e-3)


@pytest.mark.parametrize("part", ["core", "range"])
def test_a_line_half_lost_is_not_measured(part: str) -> None:
    spectra = make_residuals(0.9, noisy=False)
    x = np.log(spectra.observed_wave / 1.9 / 2799.1) * LIGHT_SPEED
    reach = 4400 if part == "core" else 10_000
    seen = []
    for share in (0.45, 0.55):
        lost = (np.abs(x) < reach) & (x < reach * (2 * share - 1))
        if part == "range":
            # The core stays: what is lost lies outside of it.
            lost = (np.abs(x) > 4400) & (np.abs(x) < 4400 + (reach - 4400) * 1.85 * share)
        weight = np.where(lost, 0.0, spectra.weight)
        seen.append(np.isfinite(measure_lines(replace(spectra, weight=weight))["mgii_ew"].value[0]))
    assert seen == [True, False]


def blip(place: float, height: float, pixels: int = 5):
    """Raise pixels about an observed wavelength (Å), by a tenth less for each pixel from it."""

    def change(rest, observed, model):
        distance = np.abs(np.arange(len(rest)) - np.argmin(np.abs(observed - place)))
        return height * np.where(distance <= pixels // 2, 1 - 0.1 * distance, 0)

    return change


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(("speed", "is_known"), [(800, True), (1400, False)])
@pytest.mark.parametrize("line", [5008.24, 2799.1, 4960.3, 3426.84])
def test_only_lines_away_from_known_ones_are_unidentified(
    line: float, speed: float, is_known: bool, side: int
) -> None:
    place = 1.6 * line * (1 + side * speed / LIGHT_SPEED)
    spectra = make_residuals(0.6, blip(place, 1.0), noisy=False)
    found = measure_narrow_lines(spectra)["unidentified_line"]
    if is_known:
        # What is left are the pits beside the line, which are no excess worth a name.
        assert not found.value[0] > 5
    else:
        assert found.value[0] > 20
        assert found.wave[0] == pytest.approx(place / 1.6, rel=3e-4)


def test_signal_of_a_narrow_line_is_what_its_pixels_say_above_the_others() -> None:
    spectra = make_residuals(0.6, blip(5400, 0.4), sigma=0.1, noisy=False)
    found = measure_narrow_lines(spectra)
    # The mean of 5 pixels above that of 56 others: 0.88 of 4 σ over √(1/5 + 1/56).
    expected = 0.88 * 4 / np.sqrt(1 / 5 + 1 / 56)
    assert found["unidentified_line"].value[0] == pytest.approx(expected, rel=1e-6)
    # Of 4.4 heights 2.8 lie in the middle; the noise is the same everywhere.
    assert found["line_sharpness"].value[0] == pytest.approx(2.8 / 4.4)
    assert found["line_noise"].value[0] == pytest.approx(1)
    lifted = flatten(spectra, spectra.residual + 7)
    again = measure_narrow_lines(lifted)["unidentified_line"].value[0]
    assert again == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("gaps", [[], [30], [20, 200, 31, 64]], ids=len)
def test_spikes_are_counted_one_by_one_if_apart(gaps: list[int], close: bool) -> None:
    def change(rest, observed, model):
        middles = 700 + np.cumsum([0, *gaps])
        more = [middles[-1] + 5] if close else []
        return 2.0 * np.isin(np.arange(len(rest)), middles) + 1.5 * np.isin(
            np.arange(len(rest)), more
        )

    spectra = make_residuals(0.6, change, sigma=0.1)
    assert measure_narrow_lines(spectra)["n_spikes"].value[0] == len(gaps) + 1


@pytest.mark.parametrize(("height", "n"), [(1.0, 0), (1.3, 1)])
def test_a_spike_has_five_sigma(height: float, n: int) -> None:
    """One pixel of 1.2 is 5 σ of a sum of five, less what is known of the others' mean."""
    spectra = make_residuals(0.6, blip(5400, height, 1), sigma=0.1, noisy=False)
    tilted = flatten(spectra, spectra.residual + 1e-9 * spectra.observed_wave**2)
    assert measure_narrow_lines(tilted)["n_spikes"].value[0] == n


def test_without_light_there_is_no_count() -> None:
    spectra = make_residuals(0.6, noisy=False)
    assert measure_narrow_lines(spectra)["n_spikes"].value[0] == 0
    nothing = replace(spectra, weight=np.zeros_like(spectra.weight))
    found = measure_narrow_lines(nothing)
    assert all(np.isnan(each.value[0]) for each in found.values())


@pytest.mark.parametrize("seed", range(4))
def test_a_cosmic_ray_is_all_in_the_middle_whatever_the_noise(seed: int) -> None:
    found = measure_narrow_lines(make_residuals(0.6, blip(5400, 3.0, 1), sigma=0.02, seed=seed))
    assert found["line_sharpness"].value[0] == pytest.approx(1, abs=0.1)
    assert found["line_sharpness"].wave[0] == pytest.approx(5400 / 1.6, rel=1.2e-4)


def test_noise_of_a_line_is_that_of_its_pixel_over_its_surroundings() -> None:
    spectra = make_residuals(0.6, blip(5400, 2.0, 1), sigma=0.1, noisy=False)
    noisy = np.abs(spectra.observed_wave - 5400) < 3
    noise_weight = np.where(noisy, spectra.noise_weight / 4, spectra.noise_weight)
    found = measure_narrow_lines(replace(spectra, noise_weight=noise_weight))
    assert found["line_noise"].value[0] == pytest.approx(4)
    assert found["line_sharpness"].value[0] == pytest.approx(1)
