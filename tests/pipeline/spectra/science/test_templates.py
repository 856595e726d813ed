"""Stars and galaxies in parametric form: 1 at 5100 Å, hotter is bluer, lines where they belong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.templates import galaxy_light, star_light

WAVE = np.arange(3000.0, 10_000.0, 0.5)
NEBULAR = {
    3728.5: 1.0,
    4862.7: 0.3,
    4960.3: 0.4,
    5008.24: 1.2,
    6564.6: 1.1,
    6585.3: 0.4,
    6725.0: 0.5,
}


def sink(light: np.ndarray, wave: float, far: float) -> float:
    """Return which share of the light is missing at a wavelength, beside the line's sides."""
    at, blue, red = (np.interp(w, WAVE, light) for w in (wave, wave - far, wave + far))
    return 1 - 2 * at / (blue + red)


@given(temperature=st.floats(2800, 40_000), height=st.floats(0.1, 8))
def test_lines_of_a_disc_stand_over_the_star(temperature: float, height: float) -> None:
    bare, lit = (star_light(WAVE, temperature, 0.0, emission) for emission in (0.0, height))
    for line in (4862.7, 6564.6, 5877.3):
        near = np.abs(WAVE - line) < 16
        ratio = lit[near] / bare[near]
        assert ratio.max() == pytest.approx(1 + height, rel=0.1)
        # A triangle of a half width of 16 Å.
        assert (ratio - 1).sum() * 0.5 == pytest.approx(16 * height, rel=0.1)
    clear = (WAVE > 6100) & (WAVE < 6150)
    np.testing.assert_allclose(lit[clear], bare[clear])


@given(temperature=st.floats(2800, 40_000))
def test_a_star_is_one_at_5100_and_never_brighter_than_its_black_body(temperature: float) -> None:
    light = star_light(WAVE, temperature)
    body = WAVE**-5 / np.expm1(1.4388e8 / WAVE / temperature)
    body /= np.interp(5100, WAVE, body)
    assert np.all((light > 0) & (light <= body * (1 + 1e-6)))
    # Between its lines it is the black body; molecules leave no such place.
    if temperature > 4300:
        clear = (WAVE > 6100) & (WAVE < 6150)
        np.testing.assert_allclose(light[clear], body[clear], rtol=0.02)


@pytest.mark.parametrize(
    ("temperature", "has"),
    [(3200, "metals molecules"), (5500, "metals"), (9500, "balmer"), (25_000, "balmer wide")],
)
def test_lines_of_a_star_go_with_its_temperature(temperature: float, has: str) -> None:
    light = star_light(WAVE, temperature)
    assert (sink(light, 6564.6, 40) > 0.2) == ("balmer" in has)
    assert (sink(light, 4341.7, 150) > 0.2) == ("balmer" in has)
    assert (sink(light, 5895.6, 30) > 0.1) == ("metals" in has)
    assert (sink(light, 3934.8, 15) > 0.2) == ("metals" in has)
    # A TiO head darkens what lies redward of it.
    step = np.interp(7060, WAVE, light) / np.interp(7050, WAVE, light)
    assert (step < 0.8) == ("molecules" in has)


@given(depth=st.floats(0.1, 0.9))
def test_lines_of_a_white_dwarf_are_broad(depth: float) -> None:
    """A line is a triangle of the given depth: of 110 Å to a side, in a star of 30 Å."""
    for temperature, width in ((9500, 30), (25_000, 110)):
        light = star_light(WAVE, temperature, depth)
        for offset in (0.0, width / 2, width):
            expected = depth * (1 - offset / width)
            assert sink(light, 6564.6 + offset, 300) == pytest.approx(expected, abs=0.03)


@given(age=st.floats(0, 1))
def test_a_galaxy_is_the_sum_of_its_young_and_old_stars(age: float) -> None:
    young, old = galaxy_light(WAVE, 0.0, 0.0), galaxy_light(WAVE, 1.0, 0.0)
    mixed = age * old + (1 - age) * young
    np.testing.assert_allclose(galaxy_light(WAVE, age, 0.0), mixed, rtol=1e-9)
    for light in (young, old):
        assert np.interp(5100, WAVE, light) == pytest.approx(1, abs=0.08)


@given(step=st.floats(0.1, 0.9))
def test_old_light_breaks_at_4000_and_is_faint_in_the_ultraviolet(step: float) -> None:
    wave = np.arange(800.0, 6000.0)
    young, old = galaxy_light(wave, 0.0, 0.0), galaxy_light(wave, 1.0, 0.0, step)
    lost = 1 - old / galaxy_light(wave, 1.0, 0.0, 0.0)
    assert lost[wave == 3700] == pytest.approx(step)
    assert lost[wave == 4500] == pytest.approx(0, abs=1e-9)
    assert old[wave == 1200] < 0.01 * old[wave == 2400]
    assert (np.diff(old[wave < 3600]) > 0).all()
    assert (young[wave < 912] == 0).all()
    assert (young[wave > 912] > 0).all()
    blue, red = (light[wave == 3500] / light[wave == 5500] for light in (young, old))
    assert blue[0] > 2 * red[0]


@given(nebular=st.floats(1, 40), age=st.floats(0, 1))
def test_equivalent_widths_of_nebular_lines(nebular: float, age: float) -> None:
    excess = galaxy_light(WAVE, age, nebular) / galaxy_light(WAVE, age, 0.0) - 1
    total = excess.sum() * 0.5
    assert total == pytest.approx(nebular * sum(NEBULAR.values()), rel=1e-3)
    for line in (3728.5, 4862.7, 5008.24):
        near = np.abs(WAVE - line) < 12
        assert excess[near].sum() * 0.5 == pytest.approx(nebular * NEBULAR[line], rel=2e-3)
        assert WAVE[near][np.argmax(excess[near])] == pytest.approx(line, abs=0.6)


@given(step=st.floats(0, 0.8))
def test_metals_and_break_of_an_old_galaxy_deepen_together(step: float) -> None:
    old = galaxy_light(WAVE, 1.0, 0.0, step)
    bare = galaxy_light(WAVE, 1.0, 0.0, 0.0)
    # Without break and lines it is the black body of a cool star.
    np.testing.assert_allclose(bare, star_light(WAVE, 4800.0, 0.0))
    # In the middle of a line half of the step is lost, half of that at half its half width.
    for line, half in ((5175.3, 45.0), (5895.6, 14.0)):
        lost = 1 - old / bare
        near = np.abs(WAVE - line) < half / 2
        assert lost[near].max() == pytest.approx(0.5 * step, rel=0.15, abs=1e-6)
        assert np.all(lost[np.abs(WAVE - line) < half / 4] >= 0.25 * step - 1e-9)
    clear = (WAVE > 6100) & (WAVE < 6150)
    np.testing.assert_allclose(old[clear], bare[clear])
    below = (WAVE > 3700) & (WAVE < 3800)
    np.testing.assert_allclose((old / bare)[below], 1 - step, rtol=1e-6)
