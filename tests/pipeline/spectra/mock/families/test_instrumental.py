"""Faults of the instrument: in which arm, with which sign and how strong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.spectra.mock import instrument
from pipeline.spectra.mock.families import instrumental
from pipeline.spectra.mock.instrument import ARM_SLICES, ARM_WAVE

FLUX = 2.0 + 0.5 * np.sin(ARM_WAVE / 700)
SEEDS = range(30)
FAULTS = {
    "jump": (instrumental.flux_jump, {"size": 0.2, "tilt": 0.0}),
    "sky": (instrumental.sky_residual, {"shift": 0.1, "broadening": 0.0}),
    "scattered": (instrumental.scattered_light, {"level": 0.3, "slope": 0.1, "dome": 0.1}),
    "fringes": (instrumental.fringing, {"amplitude": 0.1, "phase": 0.3}),
    "neighbour": (
        instrumental.neighbour_light,
        {"magnitude": 15.5, "share": 0.01, "temperature": 6000.0},
    ),
    "amplifier": (instrumental.amplifier_offset, {"step": 8.0}),
}


def change(name: str, seed: int = 0, **other) -> tuple[np.ndarray, float]:
    function, values = FAULTS[name]
    changed, wave = function(FLUX, np.random.default_rng(seed), **{**values, **other})
    return changed - FLUX, wave


def arms_of(difference: np.ndarray) -> set[str]:
    return {arm for arm, pixels in ARM_SLICES.items() if np.any(difference[pixels])}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_stays_in_one_arm_and_leaves_its_input(name: str) -> None:
    before = FLUX.copy()
    for seed in SEEDS:
        difference, _ = change(name, seed)
        assert len(arms_of(difference)) == 1
    np.testing.assert_array_equal(FLUX, before)


def test_every_arm_jumps_up_and_down_by_its_size() -> None:
    seen = set()
    for seed in SEEDS:
        difference, wave = change("jump", seed)
        [arm] = arms_of(difference)
        ratio = 1 + (difference / FLUX)[ARM_SLICES[arm]]
        np.testing.assert_allclose(np.abs(np.log(ratio)), 0.2)
        assert wave == {"B": 5780, "R": 5780, "Z": 7570}[arm]
        seen.add((arm, bool(ratio[0] > 1)))
    assert len(seen) == 6


@settings(max_examples=20, deadline=None)
@given(tilt=st.floats(-0.9, 0.9))
def test_a_jump_leans(tilt: float) -> None:
    difference, _ = change("jump", 0, tilt=tilt)
    [arm] = arms_of(difference)
    sizes = np.abs(np.log(1 + difference / FLUX)[ARM_SLICES[arm]])
    assert sizes[-1] - sizes[0] == pytest.approx(0.4 * tilt, abs=1e-9)
    assert sizes.mean() == pytest.approx(0.2, abs=1e-9)


def test_a_shifted_sky_line_is_up_on_one_side_and_down_on_the_other() -> None:
    for seed in SEEDS:
        difference, _ = change("sky", seed)
        [arm] = arms_of(difference)
        # What is shifted is all there: nothing is won or lost over the arm.
        assert abs(difference.sum()) < 0.05 * np.abs(difference).sum()
        sky = instrument.sky_brightness()[ARM_SLICES[arm]]
        brightest = np.argmax(sky[20:-20]) + 20
        near = difference[ARM_SLICES[arm]][brightest - 3 : brightest + 4]
        assert near[:3].sum() * near[-3:].sum() < 0


def test_a_broader_sky_line_lacks_at_its_centre() -> None:
    sharp, _ = change("sky", 1, shift=0.0, broadening=0.1)
    [arm] = arms_of(sharp)
    sky = instrument.sky_brightness()[ARM_SLICES[arm]]
    brightest = np.argmax(sky[20:-20]) + 20
    assert sharp[ARM_SLICES[arm]][brightest] < 0


def test_hits_add_their_charge_in_a_few_pixels() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        changed, wave = instrumental.cosmic_ray(FLUX, rng, count=1.9, log_charge=3.0)
        added = changed - FLUX
        assert (added >= 0).all()
        electrons = added * instrument.FIBRE_SHARE * instrument.sensitivity() * 1000
        assert electrons.sum() == pytest.approx(1000, rel=1e-6)
        hit = np.flatnonzero(electrons > 1)
        assert np.ptp(hit) < 12
        assert np.abs(ARM_WAVE[hit] - wave).min() < 8


@pytest.mark.parametrize("count", [1.0, 3.5, 8.9])
def test_hits_are_as_many_as_said(count: float) -> None:
    groups = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        changed, _ = instrumental.cosmic_ray(FLUX, rng, count=count, log_charge=3.9)
        hit = np.flatnonzero(changed - FLUX > 1e-3)
        groups.append(1 + np.count_nonzero(np.diff(hit) > 20))
    # Two may lie together, none is there that was not said.
    assert max(groups) == int(count)
    assert np.mean(groups) > 0.9 * int(count)


def test_scattered_light_is_positive_and_smooth() -> None:
    for seed in SEEDS:
        difference, _ = change("scattered", seed)
        [arm] = arms_of(difference)
        light = difference[ARM_SLICES[arm]]
        assert (light > 0).all()
        assert np.abs(np.diff(light)).max() < 0.1 * light.max()


def test_fringes_have_the_period_of_a_layer_of_silicon() -> None:
    difference, _ = change("fringes")
    red = ARM_WAVE > 9500
    red &= np.arange(ARM_WAVE.size) >= ARM_SLICES["Z"].start
    light = FLUX + instrument.sky_brightness()
    wave, ratio = ARM_WAVE[red], (difference / light)[red]
    turns = np.flatnonzero(np.diff(np.sign(ratio)) != 0).size / 2
    expected = 2 * 3.6 * 2.5e6 * (1 / wave[0] - 1 / wave[-1])
    assert turns == pytest.approx(expected, rel=0.05)
    blue = (ARM_WAVE < 8200) & (np.arange(ARM_WAVE.size) >= ARM_SLICES["Z"].start)
    assert np.abs((difference / light)[blue]).max() < 0.02 * np.abs(ratio).max()


def test_a_neighbour_shines_over_in_the_far_red_either_way() -> None:
    signs = set()
    red = ARM_SLICES["Z"]
    for seed in SEEDS:
        difference, _ = change("neighbour", seed)
        near, far = np.interp([9000.0, 9800.0], ARM_WAVE[red], difference[red])
        assert 0.08 < near / far < 0.14
        signs.add(np.sign(far))
    assert signs == {-1, 1}


def test_one_amplifier_is_off_by_its_electrons() -> None:
    halves = set()
    for seed in SEEDS:
        difference, wave = change("amplifier", seed)
        electrons = difference * instrument.FIBRE_SHARE * instrument.sensitivity() * 1000 / 0.8
        off = np.flatnonzero(difference)
        np.testing.assert_allclose(np.abs(electrons[off]), 8.0)
        [arm] = arms_of(difference)
        pixels = ARM_SLICES[arm]
        assert abs(off.size - (pixels.stop - pixels.start) / 2) <= 1
        assert np.abs(ARM_WAVE[off] - wave).min() < 1
        halves.add((arm, bool(off[0] == pixels.start)))
    assert len(halves) >= 4


def test_a_wrong_standard_prints_its_balmer_lines_on_b_and_r_alone() -> None:
    rng = np.random.default_rng(0)
    values = {"depth": 0.1, "wave": 0.2, "period": 1e7}
    changed, _ = instrumental.calibration_ripple(FLUX, rng, **values)
    ratio = changed / FLUX - 1
    assert not ratio[ARM_SLICES["Z"]].any()
    inside = np.arange(ARM_WAVE.size) < ARM_SLICES["Z"].start
    line, beside = (
        np.abs(ratio[inside & (np.abs(ARM_WAVE - at) < 4)]).mean() for at in (4862.7, 4780.0)
    )
    assert abs(line - beside) == pytest.approx(0.1, abs=0.02)


def test_a_ripple_has_its_period() -> None:
    rng = np.random.default_rng(0)
    values = {"depth": 0.1, "wave": 0.2, "period": 300.0}
    changed, _ = instrumental.calibration_ripple(FLUX, rng, **values)
    inside = (ARM_WAVE > 5000) & (ARM_WAVE < 5750) & (np.arange(ARM_WAVE.size) < 2700)
    ratio = (changed / FLUX - 1)[inside]
    assert np.flatnonzero(np.diff(np.sign(ratio))).size == pytest.approx(5, abs=1)
    assert np.abs(ratio).max() == pytest.approx(0.05, abs=0.005)


def test_published_distributions_are_drawn() -> None:
    shares = np.linspace(0, 1, 10_001)
    charge = instrumental.COSMIC["log_charge"].quantile(shares)
    # dN/dq as q^-2: a tenth of the hits have ten times the charge.
    above = (charge > 3.4).mean() / (1 - 10**-1.6) * (1 - 10**-1.6)
    assert above == pytest.approx((10**-1.0 - 10**-1.6) / (1 - 10**-1.6), abs=0.005)
    assert instrumental.NEIGHBOUR["share"].high == pytest.approx(0.02)
    step = instrumental.AMPLIFIER["step"].quantile(shares)
    assert (step > 8).mean() == pytest.approx(np.exp(-1), abs=0.02)
