"""A second light in the fibre: where it comes from, how bright it is; and wrong redshifts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mock_scenes import make_rng, make_scene
from scipy import stats

from catalog_schema.lines import STRONG, waves
from pipeline.spectra.mock.families import blended
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.population import luminosity_distance
from pipeline.spectra.mock.scene import R_BAND, Scene

LENS = {"distance": 0.5, "luminosity": 0.5, "age": 1.0, "nebular": 0.0}
SECOND_LIGHTS = {
    "star": (blended.star_blend, {"temperature": 3400.0, "faintness": 1.0}),
    "lens": (blended.lens_blend, LENS),
    "supernova": (blended.supernova, {"speed": 11_000.0, "magnitude": -19.0}),
    "pair": (blended.binary_quasar, {"faintness": 1.0}),
}


def added_light(scene: Scene, change, values) -> np.ndarray:
    changed, _ = change(scene, make_rng(), **values)
    return changed.other - scene.other


@pytest.mark.parametrize("name", SECOND_LIGHTS)
def test_a_second_light_adds_and_leaves_the_quasar_alone(name: str) -> None:
    scene = make_scene(0.9)
    change, values = SECOND_LIGHTS[name]
    changed, _ = change(scene, make_rng(), **values)
    assert (changed.other >= 0).all()
    assert changed.other.max() > 0
    np.testing.assert_array_equal(changed.passed, scene.passed)
    assert all(changed.parts[key] is scene.parts[key] for key in scene.parts)
    assert changed.z_catalog == scene.z_catalog


@settings(max_examples=15, deadline=None)
@given(faintness=st.floats(-1, 2.8), name=st.sampled_from(["star", "pair"]))
def test_a_companion_is_as_faint_as_it_says(faintness: float, name: str) -> None:
    scene = make_scene(1.4)
    change, values = SECOND_LIGHTS[name]
    light = added_light(scene, change, {**values, "faintness": faintness})
    ratio = light[R_BAND].mean() / scene.flux()[R_BAND].mean()
    assert -2.5 * np.log10(ratio) == pytest.approx(faintness, abs=1e-6)


def test_a_cool_star_is_red_with_bands() -> None:
    light = added_light(make_scene(1.4), *SECOND_LIGHTS["star"])
    assert light[WAVE > 9000].mean() > 3 * light[WAVE < 5000].mean()
    inside = (WAVE > 7060) & (WAVE < 7120)
    before = (WAVE > 7020) & (WAVE < 7050)
    assert light[inside].mean() < 0.85 * light[before].mean()


@settings(max_examples=15, deadline=None)
@given(share=st.floats(0.1, 0.9), z=st.floats(0.8, 4.5))
def test_a_lens_lies_at_its_share_of_the_distance(share: float, z: float) -> None:
    scene = make_scene(2.0)
    _, wave = blended.lens_blend(scene, make_rng(), **{**LENS, "distance": share})
    z_lens = wave * 3.0 / 4000 - 1
    comoving = [luminosity_distance(at) / (1 + at) for at in (z_lens, 2.0)]
    assert comoving[0] / comoving[1] == pytest.approx(share, abs=0.01)
    assert 0 < z_lens < 2.0


def test_a_lens_has_its_break_where_it_says_and_never_outshines_the_quasar() -> None:
    scene = make_scene(1.2)
    values = {**LENS, "distance": 0.3}
    changed, wave = blended.lens_blend(scene, make_rng(), **values)
    at = wave * 2.2
    light = changed.other
    step = light[(at + 60 < WAVE) & (at + 160 > WAVE)].mean()
    assert step > 1.4 * light[(at - 160 < WAVE) & (at - 60 > WAVE)].mean()
    bright = added_light(scene, blended.lens_blend, {**values, "distance": 0.05, "luminosity": 5.0})
    assert bright[R_BAND].mean() <= scene.flux()[R_BAND].mean() * (1 + 1e-9)


def test_a_supernova_has_its_brightness_and_silicon_at_its_speed() -> None:
    scene = make_scene(0.3)
    values = {"speed": 11_000.0, "magnitude": -19.0}
    changed, wave = blended.supernova(scene, make_rng(), **values)
    assert wave == pytest.approx(6355 * (1 - 11_000 / 299_792.458))
    rest, light = scene.rest, changed.other / scene.screen
    inside = (rest > 5900) & (rest < 6300)
    assert rest[inside][np.argmin(light[inside])] == pytest.approx(wave, abs=8)
    # A magnitude of the AB system: 3631 Jy at 10 pc, by the inverse square to here.
    far = (3.0857e19 / luminosity_distance(0.3)) ** 2 / 1.3
    expected = 10 ** (-0.4 * (-19.0 + 48.6)) * 2.998e18 / 5100**2 * far * 1e17
    near = np.abs(rest - 5250) < 25
    assert light[near].mean() == pytest.approx(expected, rel=0.35)
    fainter = added_light(scene, blended.supernova, {**values, "magnitude": -18.0})
    np.testing.assert_allclose(fainter, changed.other * 10**-0.4, rtol=1e-9)


def test_a_pair_is_two_redshifts() -> None:
    scene = make_scene(1.0)
    lights = {
        seed: blended.binary_quasar(scene, np.random.default_rng(seed), faintness=0.5)[0].other
        for seed in (1, 2)
    }
    assert np.abs(lights[1] / lights[2] - 1).max() > 0.1


@settings(max_examples=60, deadline=None)
@given(luck=st.floats(0, 1), offset=st.floats(-2500, 2500), z=st.sampled_from([0.6, 1.5, 2.4, 3.4]))
def test_a_wrong_redshift_is_wrong_and_the_light_is_right(luck, offset, z) -> None:
    scene = make_scene(z)
    changed, wave = blended.wrong_redshift(scene, make_rng(), luck=luck, offset=offset)
    assert 0.05 < changed.z_catalog < 4.6
    assert abs(changed.z_catalog - z) > 0.05 * (1 + z)
    np.testing.assert_array_equal(changed.flux(), scene.flux())
    if np.isfinite(wave):
        lines = np.array(waves(*STRONG))
        taken = wave * (1 + z) / (1 + changed.z_catalog)
        speed = (taken / lines - 1) * 299_792.458
        assert np.abs(speed + offset).min() < 25


def test_published_distributions_are_drawn() -> None:
    rng = np.random.default_rng(0)
    distance = np.array([blended.LENS["distance"].draw(rng) for _ in range(10_000)])
    # x^2 (1 - x)^2 integrates to this (Turner, Ostriker & Gott 1984).
    found = stats.kstest(distance, lambda x: 30 * (x**3 / 3 - x**4 / 2 + x**5 / 5))
    assert found.statistic < 0.02
    speed = np.array([blended.SUPERNOVA["speed"].draw(rng) for _ in range(10_000)])
    assert np.median(speed) == pytest.approx(10_850, abs=100)
    faint = np.array([blended.PAIR["faintness"].draw(rng) for _ in range(10_000)])
    counts, _ = np.histogram(faint, [-0.4, 0.1, 1.6, 2.1])
    # 2 mag apart at 0.3 dex/mag.
    assert np.log10(counts[2] / counts[0]) == pytest.approx(0.6, abs=0.08)
