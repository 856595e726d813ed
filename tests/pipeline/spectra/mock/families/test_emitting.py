"""Unusual light of the quasar itself: which part changes, where, and by how much."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mock_scenes import make_rng, make_scene

from catalog_schema.constants import LIGHT_SPEED
from pipeline.spectra.mock.families import emitting
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.physics import BROAD_LINES, broad_equivalent_width, continuum
from pipeline.spectra.mock.population import luminosity_distance
from pipeline.spectra.mock.scene import Scene

LINES = {line.key: line for line in BROAD_LINES}
DISC = {
    "inclination": 40.0, "inner": 400.0, "outer": 3000.0, "slope": 2.0, "turbulence": 900.0,
}  # fmt: skip
EMITTER = {"log_luminosity": 43.2, "redshift": 3.1, "width": 300.0, "skew": 2.0}


def changed_parts(scene: Scene, changed: Scene) -> set[str]:
    return {key for key in scene.parts if not np.array_equal(scene.parts[key], changed.parts[key])}


def gain(scene: Scene, changed: Scene, part: str, low: float, high: float) -> float:
    """Integral of what a part has won between two rest wavelengths, Å of the continuum."""
    inside = (scene.rest > low) & (scene.rest < high)
    added = (changed.parts[part] - scene.parts[part])[inside]
    level = continuum(scene.quasar, np.array([0.5 * (low + high)]))[0]
    return float(np.trapezoid(added, scene.rest[inside]) / level)


@pytest.mark.parametrize(
    ("change", "z", "values", "parts"),
    [
        (emitting.weak_line, 2.5, {"ew": 8.0}, {"broad"}),
        (emitting.double_peaked, 0.4, DISC, {"broad"}),
        (emitting.changing_look, 0.4, {"dimming": 1.5}, {"broad", "continuum", "iron"}),
        (emitting.extreme_iron, 0.4, {"ratio": 2.0}, {"iron"}),
        (
            emitting.oiii_outflow,
            0.4,
            {"width_90": 3000.0, "blueshift": 800.0, "ew": 60.0},
            {"narrow"},
        ),
        (emitting.nitrogen_rich, 2.5, {"ew": 9.0, "ratio": 0.6, "boost": 2.0}, {"broad"}),
        (emitting.microlensed, 1.5, {"chromaticity": 0.5, "power": 1.1}, {"continuum"}),
        (emitting.narrow_line_unidentified, 1.5, EMITTER, set()),
    ],
)
def test_a_family_changes_what_it_says(change, z, values, parts) -> None:
    scene = make_scene(z)
    changed, _ = change(scene, make_rng(), **values)
    assert changed_parts(scene, changed) == parts
    np.testing.assert_array_equal(changed.passed, scene.passed)
    assert np.array_equal(changed.other, scene.other) == (change.__name__[:6] != "narrow")


def test_weak_lines_have_the_width_that_they_are_given() -> None:
    scene = make_scene(2.5)
    own = sum(broad_equivalent_width(scene.quasar, LINES[name]) for name in ("lya", "nv"))
    changed, _ = emitting.weak_line(scene, make_rng(), ew=10.0)
    own_light = scene.parts["broad"]
    share = np.divide(
        changed.parts["broad"], own_light, out=np.ones_like(own_light), where=own_light > 0
    )
    at_civ = np.argmin(np.abs(scene.rest - 1549))
    assert share[at_civ] == pytest.approx(10 / own, rel=0.02)
    at_mgii = np.argmin(np.abs(scene.rest - 2799))
    assert share[at_mgii] == pytest.approx(np.sqrt(10 / own), rel=0.05)


def test_balmer_lines_do_not_weaken() -> None:
    scene = make_scene(0.6)
    changed, _ = emitting.weak_line(scene, make_rng(), ew=5.0)
    near = np.abs(scene.rest - 4862.7) < 40
    np.testing.assert_allclose(changed.parts["broad"][near], scene.parts["broad"][near], rtol=0.02)


def test_a_disc_line_has_the_light_of_the_line_that_it_replaces() -> None:
    scene = make_scene(0.35)
    changed, wave = emitting.double_peaked(scene, make_rng(), **DISC)
    whole = gain(scene, changed, "broad", 4500, 5200)
    assert abs(whole) < 0.12 * broad_equivalent_width(scene.quasar, LINES["hbeta"])
    core = gain(scene, changed, "broad", 4845, 4880)
    wings = gain(scene, changed, "broad", 4890, 4980) + gain(scene, changed, "broad", 4750, 4835)
    assert core < -1 < 1 < wings
    assert wave == LINES["hbeta"].wave


@settings(max_examples=10, deadline=None)
@given(dimming=st.floats(1.05, 4.0))
def test_a_changed_look_is_fainter_by_its_magnitudes(dimming: float) -> None:
    scene = make_scene(0.5)
    changed, wave = emitting.changing_look(scene, make_rng(), dimming=dimming)
    share = changed.parts["continuum"] / scene.parts["continuum"]
    np.testing.assert_allclose(-2.5 * np.log10(share), dimming)
    at = np.argmin(np.abs(scene.rest - 4862.7))
    assert changed.parts["broad"][at] / scene.parts["broad"][at] == pytest.approx(
        10 ** (-0.4 * dimming), rel=0.05
    )
    np.testing.assert_array_equal(changed.parts["host"], scene.parts["host"])
    assert wave == LINES["hbeta"].wave


def test_a_lyman_alpha_emitter_has_its_luminosity_and_a_steep_blue_side() -> None:
    scene = make_scene(1.5)
    changed, wave_rest = emitting.narrow_line_unidentified(scene, make_rng(), **EMITTER)
    added = changed.other - scene.other
    flux = added.sum() * 0.8 * 1e-17
    luminosity = 4 * np.pi * luminosity_distance(3.1) ** 2 * flux
    assert np.log10(luminosity) == pytest.approx(43.2, abs=0.01)
    peak = WAVE[np.argmax(added)]
    assert wave_rest * 2.5 == pytest.approx(1215.67 * 4.1, abs=1)
    assert peak == pytest.approx(1215.67 * 4.1, abs=1)
    assert added[peak < WAVE].sum() > 1.6 * added[peak > WAVE].sum()
    high = WAVE[added > 0.5 * added.max()]
    assert np.ptp(high) / peak * 299792 == pytest.approx(300, abs=70)


@settings(max_examples=40, deadline=None)
@given(z=st.floats(0.15, 4.5), redshift=st.floats(2.3, 6.4))
def test_an_emitter_never_hides_in_a_line_of_the_quasar(z: float, redshift: float) -> None:
    scene = make_scene(2.0)
    values = {**EMITTER, "redshift": redshift}
    _, wave = emitting.narrow_line_unidentified(scene, make_rng(), **values)
    assert min(abs(wave / line.wave - 1) for line in BROAD_LINES) >= 0.015 - 1e-9


def test_iron_is_as_strong_as_its_ratio_says() -> None:
    scene = make_scene(0.4)
    changed, _ = emitting.extreme_iron(scene, make_rng(), ratio=2.0)
    factor = changed.parts["iron"] / np.where(scene.parts["iron"] > 0, scene.parts["iron"], 1)
    seen = scene.parts["iron"] > 0
    hbeta = broad_equivalent_width(scene.quasar, LINES["hbeta"])
    np.testing.assert_allclose(factor[seen], 2.0 * hbeta / scene.quasar.iron_optical)


def test_an_outflow_of_oxygen_lies_to_the_blue_with_its_doublet() -> None:
    scene = make_scene(0.4)
    values = {"width_90": 2500.0, "blueshift": 1000.0, "ew": 60.0}
    changed, wave = emitting.oiii_outflow(scene, make_rng(), **values)
    added = changed.parts["narrow"] - scene.parts["narrow"]
    assert scene.rest[np.argmax(added)] == pytest.approx(5008.24 * (1 - 1000 / LIGHT_SPEED), abs=1)
    assert wave == pytest.approx(scene.rest[np.argmax(added)], abs=1)
    assert gain(scene, changed, "narrow", 4800, 5200) == pytest.approx(80, rel=0.03)


def test_nitrogen_gains_and_carbon_does_not() -> None:
    scene = make_scene(2.5)
    values = {"ew": 12.0, "ratio": 0.5, "boost": 2.0}
    changed, wave = emitting.nitrogen_rich(scene, make_rng(), **values)
    own = broad_equivalent_width(scene.quasar, LINES["niii"])
    assert gain(scene, changed, "broad", 1680, 1820) == pytest.approx(12 - own, rel=0.1)
    assert abs(gain(scene, changed, "broad", 1890, 1930)) < 0.2
    assert wave == LINES["niii"].wave


def test_a_smaller_source_is_magnified_more() -> None:
    scene = make_scene(1.6)
    changed, _ = emitting.microlensed(scene, make_rng(), chromaticity=0.4, power=1.2)
    magnified = 2.5 * np.log10(changed.parts["continuum"] / scene.parts["continuum"])
    assert (np.diff(magnified) < 0).all()
    assert (magnified > 0).all()
    ends = np.interp([1500.0, 3700.0], scene.rest, magnified)
    assert 0.25 < ends[0] - ends[1] < 0.4


def test_published_distributions_are_drawn() -> None:
    shares = np.linspace(0, 1, 10_001)
    angle = emitting.DISC["inclination"].quantile(shares)
    # Random axes: cosines are even.
    cosine = np.cos(np.radians(angle))
    expected = np.cos(np.radians(15)) - shares * (np.cos(np.radians(15)) - np.cos(np.radians(50)))
    np.testing.assert_allclose(cosine, expected, atol=2e-3)
    assert emitting.WEAK["ew"].high == pytest.approx(63.6 * 10 ** (-3 * 0.205), abs=0.1)
    log = emitting.EMITTER["log_luminosity"].quantile(shares)
    counts, _ = np.histogram(log, [43.0, 43.1, 43.4, 43.5])
    lums = np.array([43.05, 43.45])
    schechter = 10 ** (-0.5 * (lums - 42.76)) * np.exp(-(10 ** (lums - 42.76)))
    assert np.log(counts[0] / counts[2]) == pytest.approx(
        np.log(schechter[0] / schechter[1]), abs=0.15
    )
    assert np.median(emitting.LENSED["power"].quantile(shares)) == pytest.approx(1.1, abs=0.05)
    ew = emitting.NITROGEN["ew"].quantile(shares)
    assert (ew >= 3).all()
    assert (ew > 6).mean() == pytest.approx(np.exp(-1), abs=0.02)
