"""A quasar's own light: equivalent widths, slopes and shifts are those that were drawn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock import physics
from pipeline.spectra.mock.contaminants import galaxy, planck, star, stellar_population
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.population import Quasar, draw_quasar

REST = np.arange(900.0, 9000.0, 0.5)
PLAIN = replace(
    draw_quasar(np.random.default_rng(0), 2.0, 20.0),
    log_l3000=45.5,
    eigenvector1=0.0,
    line_strength=0.0,
    line_scatter=np.zeros(40),
    blueshift=0.0,
    ebv_smc=0.0,
)


def find_level(quasar: Quasar, wave: float) -> float:
    return float(physics.continuum(quasar, np.array([wave]))[0])


def find_slope(quasar: Quasar, low: float, high: float) -> float:
    return float(np.log(find_level(quasar, high) / find_level(quasar, low)) / np.log(high / low))


def broad(key: str) -> physics.EmissionLine:
    return next(line for line in physics.BROAD_LINES if line.key == key)


def test_the_continuum_has_its_slopes_and_is_one_at_3000() -> None:
    quasar = replace(PLAIN, slope_uv=-1.7, slope_optical=-0.9, break_wave=4700.0)
    assert find_level(quasar, 3000.0) == 1
    for low, high, slope in ((1200, 4500, -1.7), (4800, 8000, -0.9), (900, 1140, -0.8)):
        assert find_slope(quasar, low, high) == pytest.approx(slope, abs=1e-9)
    level = physics.continuum(quasar, REST)
    # Breaks are in the slope, not in the level.
    assert np.abs(np.diff(np.log(level))).max() < 2 * 0.5 / 900


@given(luminosity=st.floats(44, 47), strange=st.floats(-2, 2), excess=st.floats(-0.3, 0.3))
def test_equivalent_widths_add_up_in_the_logarithm(
    luminosity: float, strange: float, excess: float
) -> None:
    quasar = replace(PLAIN, log_l3000=luminosity, eigenvector1=strange, line_strength=excess)
    for line in physics.BROAD_LINES:
        expected = line.ew * 10 ** (
            line.baldwin * (luminosity - 45.5) + line.ev1 * strange + excess
        )
        assert physics.broad_equivalent_width(quasar, line) == pytest.approx(expected)


def test_scatter_is_of_the_line_in_its_place() -> None:
    scatter = np.zeros(40)
    scatter[physics.BROAD_LINES.index(broad("civ"))] = 1.0
    quasar = replace(PLAIN, line_scatter=scatter)
    for line in physics.BROAD_LINES:
        factor = 10 if line.key == "civ" else 1
        found = physics.broad_equivalent_width(quasar, line)
        assert found == pytest.approx(factor * line.ew)


def test_all_broad_light_is_that_of_the_equivalent_widths() -> None:
    flux = physics.broad_lines(PLAIN, REST)
    expected = sum(line.ew * find_level(PLAIN, line.wave) for line in physics.BROAD_LINES)
    assert np.trapezoid(flux, REST) == pytest.approx(expected, rel=0.01)


def test_narrow_light_is_that_of_the_equivalent_widths_whatever_its_wings() -> None:
    quasar = replace(PLAIN, log_l3000=45.0)
    expected = sum(line.ew * find_level(quasar, line.wave) for line in physics.NARROW_LINES)
    for blueshift in (0.0, 3000.0):
        flux = physics.narrow_lines(replace(quasar, blueshift=blueshift), REST)
        # The last line lies outside.
        outside = physics.NARROW_LINES[-1]
        total = expected - outside.ew * find_level(quasar, outside.wave)
        assert np.trapezoid(flux, REST) == pytest.approx(total, rel=5e-3)
        near = np.abs(REST - LINES["oiii"].wave) < 4
        assert REST[near][np.argmax(flux[near])] == pytest.approx(LINES["oiii"].wave, abs=0.5)


def find_centre(quasar: Quasar, key: str) -> float:
    """Return the place of a line's peak when it is alone."""
    alone = np.full(40, -9.0)
    alone[physics.BROAD_LINES.index(broad(key))] = 0.0
    flux = physics.broad_lines(replace(quasar, line_scatter=alone), REST)
    return float(REST[np.argmax(flux)])


@pytest.mark.parametrize(
    ("key", "share"), [("civ", 1.0), ("mgii", 0.05), ("hbeta", 0.0), ("lya", 0.25)]
)
def test_a_line_has_its_share_of_the_blueshift(key: str, share: float) -> None:
    wave = LINES[key].wave
    for blueshift in (0.0, 2000.0, -500.0):
        shifted = find_centre(replace(PLAIN, blueshift=blueshift), key)
        assert shifted == pytest.approx(wave * (1 - share * blueshift / LIGHT_SPEED), abs=0.5)


def test_a_broad_line_is_a_core_on_a_base_three_times_as_wide() -> None:
    alone = np.full(40, -9.0)
    alone[physics.BROAD_LINES.index(broad("mgii"))] = 0.0
    quasar = replace(PLAIN, line_scatter=alone, fwhm_broad=4000.0, core_share=0.6)
    wave, line = LINES["mgii"].wave, broad("mgii")
    sigma = wave * 4000 * physics.CORE_WIDTH * line.width / 2.3548 / LIGHT_SPEED
    strength = line.ew * find_level(quasar, wave)
    flux = physics.broad_lines(quasar, REST)
    for offset in (0.0, 1.0, 2.0, 4.0, 7.0):
        core = 0.6 * np.exp(-0.5 * offset**2)
        base = 0.4 / 3 * np.exp(-0.5 * (offset / 3) ** 2)
        expected = strength / (sigma * np.sqrt(2 * np.pi)) * (core + base)
        for side in (-1, 1):
            found = np.interp(wave + side * offset * sigma, REST, flux)
            assert found == pytest.approx(expected, rel=0.01)


def test_iron_goes_with_its_equivalent_widths() -> None:
    none = physics.iron(replace(PLAIN, iron_uv=0.0, iron_optical=0.0), REST)
    uv = physics.iron(replace(PLAIN, iron_uv=50.0, iron_optical=0.0), REST)
    optical = physics.iron(replace(PLAIN, iron_uv=0.0, iron_optical=20.0), REST)
    both = physics.iron(replace(PLAIN, iron_uv=50.0, iron_optical=20.0), REST)
    assert not none.any()
    np.testing.assert_allclose(both, uv + optical)
    for flux, low, high, width, level in (
        (uv, 2200, 3090, 50, 2500.0),
        (optical, 4434, 4684, 20, 4600.0),
    ):
        inside = (low <= REST) & (high >= REST)
        found = np.trapezoid(flux[inside], REST[inside])
        assert found == pytest.approx(width * find_level(PLAIN, level), rel=0.01)


def test_the_balmer_continuum_has_its_height_at_the_edge_and_fades_beyond() -> None:
    edge = LINES["balmer_edge"].wave
    strong, none = (
        physics.quasar_components(replace(PLAIN, balmer_continuum=share), REST)["continuum"]
        for share in (0.3, 0.0)
    )
    extra = strong - none
    np.testing.assert_allclose(none, physics.continuum(PLAIN, REST))
    at_edge = np.interp(edge, REST, extra)
    assert at_edge == pytest.approx(0.3 * find_level(PLAIN, edge), rel=0.01)
    # Optically thin to the blue: it falls with the cube of wavelength and the black body.
    assert 0 < np.interp(1500.0, REST, extra) < 0.2 * at_edge
    body = planck(np.array([edge, edge + 90]), 15_000.0)
    expected = at_edge / np.e * body[1] / body[0]
    assert np.interp(edge + 90, REST, extra) == pytest.approx(expected, rel=0.01)
    assert extra[edge + 1000 < REST].max() < 1e-4


def test_dust_at_the_quasar_dims_all_but_the_host() -> None:
    clear, dusty = (
        physics.quasar_components(replace(PLAIN, ebv_smc=ebv, host_ratio=0.2), REST)
        for ebv in (0.0, 0.1)
    )
    np.testing.assert_array_equal(clear["host"], dusty["host"])
    assert np.interp(5100.0, REST, clear["host"]) == pytest.approx(
        0.2 * find_level(PLAIN, 5100.0), rel=1e-3
    )
    lit = clear["broad"] > 0
    passed = dusty["broad"][lit] / clear["broad"][lit]
    assert (passed < 1).all()
    for name in ("continuum", "iron", "narrow"):
        both = clear[name][lit] > 1e-12
        ratio = dusty[name][lit][both] / clear[name][lit][both]
        np.testing.assert_allclose(ratio, passed[both], rtol=1e-6)


def test_a_black_body_peaks_where_wien_says_and_runs_as_rayleigh_says() -> None:
    for temperature in (3000.0, 6000.0, 20_000.0):
        wave = np.arange(500.0, 30_000.0, 1.0)
        peak = wave[np.argmax(planck(wave, temperature))]
        assert peak * temperature == pytest.approx(2.8978e7, rel=2e-3)
    far = planck(np.array([1e6, 2e6]), 20_000.0)
    assert far[0] / far[1] == pytest.approx(16, rel=0.01)


@given(age=st.floats(0, 1))
def test_starlight_is_one_at_5100_and_mixes_by_age(age: float) -> None:
    young, old, mixed = (stellar_population(REST, each) for each in (0.0, 1.0, age))
    np.testing.assert_allclose(mixed, (1 - age) * young + age * old, rtol=1e-9, atol=1e-12)
    assert np.interp(5100.0, REST, mixed) == pytest.approx(1, rel=1e-6)


def test_an_old_population_breaks_at_4000_and_a_young_one_hardly() -> None:
    breaks = []
    for age in (0.0, 1.0):
        light = stellar_population(REST, age)
        blue, red = ((low < REST) & (low + 200 > REST) for low in (3750, 4050))
        breaks.append(light[red].mean() / light[blue].mean())
    # Of the ratio across the break: 1 / (1 - 0.48), and what lines and colour add.
    assert breaks[1] > 1.92
    assert 1.0 < breaks[0] < 1.2


def test_nebular_lines_of_a_galaxy_have_their_ratios() -> None:
    stars = galaxy(REST, 0.3, 100.0, 0.0)
    np.testing.assert_array_equal(stars, stellar_population(REST, 0.3))
    lines = (galaxy(REST, 0.3, 100.0, 40.0) - stars) / stars

    def find_strength(low: float, high: float) -> float:
        inside = (low < REST) & (high > REST)
        return float(np.trapezoid(lines[inside], REST[inside]))

    oii = find_strength(3700, 3760)
    assert oii == pytest.approx(40 * 0.43 * 2.35, rel=0.02)
    assert find_strength(4990, 5030) / oii == pytest.approx(1.05 / 2.35, rel=0.02)
    assert find_strength(4940, 4985) / find_strength(4990, 5030) == pytest.approx(1 / 3, rel=0.02)


@pytest.mark.parametrize("temperature", [3000.0, 4500.0, 6500.0, 9500.0, 20_000.0])
def test_a_star_is_one_at_5100_and_no_brighter_than_its_black_body(temperature: float) -> None:
    light = star(WAVE, temperature)
    body = planck(WAVE, temperature) / planck(np.array([5100.0]), temperature)
    assert (light > 0).all()
    assert (light <= body * 1.001).all()


def test_stars_show_the_lines_of_their_temperature() -> None:
    def find_depth(temperature: float, low: float, high: float) -> float:
        body = planck(WAVE, temperature) / planck(np.array([5100.0]), temperature)
        inside = (low < WAVE) & (high > WAVE)
        return float(1 - (star(WAVE, temperature) / body)[inside].min())

    hbeta = [find_depth(t, 4840, 4885) for t in (3500.0, 9500.0)]
    assert hbeta[1] > 0.3
    for temperature in (3000.0, 3600.0, 4000.0, 6000.0):
        # Across the head of a band of titanium oxide, which grows as the star cools.
        blue, red = star(np.array([7053.0, 7062.0]), temperature)
        expected = 0.42 * max(4200 - temperature, 0) / 600
        assert np.log(blue / red) == pytest.approx(expected, abs=0.07)
    assert find_depth(20_000.0, 4800, 4830) > find_depth(9500.0, 4800, 4830)
