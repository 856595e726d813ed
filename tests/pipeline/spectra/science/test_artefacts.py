"""What the instrument leaves: shares of the excess, sky, steps, ripples, bumps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quasar_windows import make_residuals, measure

from pipeline.spectra.science.artefacts import (
    measure_bump,
    measure_joins,
    measure_ripples,
    measure_shares,
    measure_sky,
)

SIGMA = 0.05
# Where the shares look, observed Å: inside and outside of each region.
REGIONS = {
    "joins": ((5770, 5790, 7560, 7600), (5750, 5810, 7500, 7630)),
    "telluric": (
        (6870, 6950, 7170, 7330, 7600, 7700, 8130, 8360, 8950, 9230, 9290, 9690),
        (6850, 6975, 7150, 7350, 7725, 8110, 8380, 8930, 9260, 9710),
    ),
    "edges": ((3620, 3655, 9770, 9815), (3670, 9750)),
}


def spike(observed: np.ndarray, wave: float, height: float = 1.0) -> np.ndarray:
    return height * (np.arange(len(observed)) == np.argmin(np.abs(observed - wave)))


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


@pytest.mark.parametrize("region", REGIONS)
def test_excess_in_a_region_is_its_share_and_beside_it_is_not(region: str) -> None:
    for is_inside, places in zip((True, False), REGIONS[region], strict=True):
        for place in places:
            spectra = make_residuals(1.5, lambda r, o, m, at=place: spike(o, at, 10), noisy=False)
            share = measure_shares(spectra)[f"share_{region}"].value[0]
            # The excess of one pixel, 40,000, less one for each pixel that shows none.
            assert (share > 0.9) == is_inside, place


def test_shares_are_those_of_the_definition() -> None:
    """Excess χ² of a region over the whole, or over three standard deviations of noise."""
    spectra = make_residuals(1.5, lambda r, o, m: 10 * spike(o, 7580.0), sigma=SIGMA)
    used = spectra.weight > 0
    inside = used & (spectra.observed_wave >= 7520) & (spectra.observed_wave < 7620)
    inside |= used & (spectra.observed_wave >= 5760) & (spectra.observed_wave < 5800)
    excess = spectra.weight * spectra.residual**2 - 1
    found = measure_shares(spectra)
    assert found["share_joins"].value[0] == pytest.approx(
        excess[inside].sum() / excess[used].sum(), rel=1e-9
    )
    assert found["share_joins"].error[0] == pytest.approx(
        np.sqrt(2 * inside.sum()) / excess[used].sum(), rel=1e-9
    )
    assert np.isnan(found["share_sky"].value[0])
    quiet = make_residuals(1.5, noisy=False)
    least = 3 * np.sqrt(2 * used.sum())
    assert measure_shares(quiet)["share_joins"].value[0] == pytest.approx(-inside.sum() / least)


@pytest.mark.parametrize(("gap", "is_near"), [(1, True), (3, True), (4, False)])
@pytest.mark.parametrize("side", [-1, 1])
def test_pixels_within_three_of_a_masked_one(gap: int, is_near: bool, side: int) -> None:
    spectra = make_residuals(1.5, noisy=False)
    weight, flux = spectra.weight.copy(), spectra.flux.copy()
    weight[0, 2000] = 0
    flux[0, 2000 + side * gap] += 2
    spoilt = replace(spectra, flux=flux, weight=weight, noise_weight=weight)
    assert (measure_shares(spoilt)["share_masked"].value[0] > 0.5) == is_near


@given(share=st.floats(-0.3, 0.3), z=st.floats(0.6, 2.5))
@settings(max_examples=10)
def test_steps_are_red_minus_blue_over_the_model(share: float, z: float) -> None:
    for name, join in (("step_br", 5780.0), ("step_rz", 7570.0)):
        spectra = make_residuals(z, lambda r, o, m, j=join: share * m * (o > j), noisy=False)
        value, error, wave = (column[0] for column in measure_joins(spectra)[name])
        assert value == pytest.approx(share, abs=1e-9)
        assert wave == pytest.approx(join / (1 + z))
        power = [
            (spectra.weight * spectra.model**2)[0][inside[0]].sum()
            for sign in (-1, 1)
            for inside in [np.abs(sign * (spectra.observed_wave - join) - 120) < 100]
        ]
        assert error == pytest.approx(np.sqrt(1 / power[0] + 1 / power[1]), rel=1e-6)


@pytest.mark.parametrize(("near", "far"), [(0, 20), (220, 400)])
def test_steps_look_at_two_hundred_angstrom_beside_the_join(near: float, far: float) -> None:
    def change(rest, observed, model):
        distance = np.abs(observed - 7570)
        return 9.0 * ((distance >= near) & (distance <= far)) * (observed > 7570)

    spectra = make_residuals(1.5, change, noisy=False)
    assert measure_joins(spectra)["step_rz"].value[0] == 0


@given(height=st.floats(-2, 2))
@settings(max_examples=10)
def test_sky_lines_come_back_as_large_as_they_were_left_in(height: float) -> None:
    spectra = make_residuals(1.5, noisy=False)
    is_line = np.arange(spectra.flux.shape[1]) % 40 == 0
    noise_weight = np.where(is_line, spectra.noise_weight / 9, spectra.noise_weight)
    # Lines stand out of the variance by 8 σ², σ = 0.05.
    sky = np.where(is_line, 8 * SIGMA**2, 0)
    spectra = replace(spectra, flux=spectra.flux + height * sky, noise_weight=noise_weight)
    value, error, _ = (column[0] for column in measure_sky(spectra)["sky_lines"])
    assert value == pytest.approx(height, abs=1e-9)
    power = (spectra.weight * sky**2).sum()
    assert error == pytest.approx(power**-0.5)
    # Pixels that are quieter than others are no lines of the sky.
    quiet = replace(spectra, noise_weight=spectra.weight * np.where(is_line, 9, 1))
    assert np.isnan(measure_sky(quiet)["sky_lines"].value[0])


def test_even_ripples_and_those_of_the_blue_are_no_fringes() -> None:
    def wave(low, period):
        return lambda r, o, m: 0.3 * m * (o < low) * np.sin(2 * np.pi * o / period)

    for change in (wave(8000, 30), wave(1e5, 300)):
        spectra = make_residuals(1.5, change, noisy=False)
        assert measure_ripples(spectra)["fringes"].value[0] < 0.05


@given(
    centre=st.integers(42, 92),
    width=st.sampled_from([150.0, 300.0, 600.0]),
    height=st.floats(-0.5, 0.5).filter(lambda h: abs(h) > 0.02),
)
@settings(max_examples=20)
def test_a_bump_is_found_with_height_and_place(centre: int, width: float, height: float) -> None:
    middle = 100.0 * centre

    def change(rest, observed, model):
        return height * np.exp(-0.5 * ((observed - middle) / width) ** 2)

    spectra = make_residuals(1.5, change, noisy=False)
    found = measure_bump(spectra)
    value, error, wave = (column[0] for column in found["bump"])
    assert value == pytest.approx(height, rel=0.01)
    assert wave == pytest.approx(middle / 2.5)
    shape = change(None, spectra.observed_wave, None) / height
    power = (spectra.weight * shape**2).sum()
    assert error == pytest.approx(power**-0.5, rel=0.01)
    # Without noise χ² in bins is what the bump makes of it, and each bin is one less than noise.
    n_bins = 311
    gain = value**2 / error**2
    least = 3 * np.sqrt(2 * n_bins)
    expected = gain / max(gain - n_bins, least)
    assert found["bump_share"].value[0] == pytest.approx(expected, rel=0.02)


@given(period=st.floats(14, 60), phase=st.floats(0, 6.28), height=st.floats(0.05, 0.5))
@settings(max_examples=15)
def test_amplitude_of_fringes_is_that_at_the_end_whatever_the_phase(
    period: float, phase: float, height: float
) -> None:
    def ripple(rest, observed, model):
        growth = np.clip((observed - 8000) / 1824, 0, 1)
        return height * model * growth * np.cos(2 * np.pi * observed / period + phase)

    spectra = make_residuals(1.5, ripple, noisy=False)
    value, error, _ = (column[0] for column in measure_ripples(spectra)["fringes"])
    # Bins of 3 Å blur the shortest, and the period lies up to half a step from one that is tried.
    assert value == pytest.approx(height, rel=0.15)
    grown = np.clip((spectra.observed_wave - 8000) / 1824, 0, 1)
    power = (spectra.weight * (spectra.model * grown) ** 2).sum() / 2
    assert error == pytest.approx(power**-0.5, rel=0.1)
