"""Stars are those of the Milky Way survey, and their light follows temperature and pressure."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.body import embody
from pipeline.spectra.mock.scene import band_fluxes
from pipeline.spectra.mock.stars import WHITE_DWARF_GRAVITY, Star, draw_star, starlight

WAVE = np.arange(3600.0, 9800.0, 0.5)
SUN = Star(z=0.0, r_mag=18.0, temperature=5770.0, gravity=4.44, metals=0.0, alpha=0.0)


@cache
def population(count: int = 1500) -> tuple[Star, ...]:
    rng = np.random.default_rng(8)
    return tuple(draw_star(rng) for _ in range(count))


def width(star: Star, key: str, half: float) -> float:
    """Equivalent width (Å) of a line between two windows beside it."""
    light, wave = starlight(star, WAVE), LINES[key].wave
    sides = [
        np.median(light[np.abs(WAVE - wave - side * 1.6 * half) < 0.4 * half]) for side in (-1, 1)
    ]
    near = np.abs(WAVE - wave) < half
    level = np.interp(WAVE[near], (wave - 1.6 * half, wave + 1.6 * half), sides)
    return float(np.trapezoid(1 - light[near] / level, WAVE[near]))


def test_the_population_lies_in_its_ranges() -> None:
    stars = population()
    ordinary = [star for star in stars if not star.is_white_dwarf]
    temperature = np.array([star.temperature for star in ordinary])
    assert 3000 <= temperature.min() < temperature.max() <= 10_000
    metals = np.array([star.metals for star in stars])
    assert -2.5 <= metals.min() < -2
    assert 0.1 < metals.max() <= 0.5
    assert all(16 <= star.r_mag <= 21 for star in stars)
    velocity = LIGHT_SPEED * np.array([star.z for star in stars])
    assert velocity.std() == pytest.approx(100, rel=0.06)
    assert 0.02 < 1 - len(ordinary) / len(stars) < 0.06
    assert 0.08 < np.mean([star.gravity < 3.9 for star in ordinary]) < 0.17
    assert {star.subtype for star in stars} >= {"M", "K", "G", "F", "A", "WD"}


@pytest.mark.parametrize(
    ("temperature", "colour"),
    # g - r of dwarfs by temperature (Covey et al. 2007, with Pecaut & Mamajek 2013).
    [(9500, -0.2), (6600, 0.3), (5770, 0.45), (5000, 0.75), (4200, 1.15), (3500, 1.45)],
)
def test_dwarfs_have_their_colours(temperature: float, colour: float) -> None:
    star = replace(SUN, temperature=temperature, gravity=4.5)
    g, r, _ = -2.5 * np.log10(band_fluxes(embody(star, 0.0).flux()[None])[0])
    assert g - r == pytest.approx(colour, abs=0.2)


def test_balmer_lines_are_deepest_in_a_stars_and_wider_under_pressure() -> None:
    widths = [width(replace(SUN, temperature=t), "hbeta", 60.0) for t in (4500, 5770, 7000, 9000)]
    assert widths == sorted(widths)
    assert 10 < widths[-1] < 25
    hot = replace(SUN, temperature=9000.0)
    assert width(replace(hot, gravity=2.0), "hbeta", 60.0) < 0.6 * widths[-1]
    white = replace(SUN, temperature=12_500.0, gravity=WHITE_DWARF_GRAVITY)
    assert width(white, "hbeta", 120.0) > 2 * widths[-1]


def test_metal_lines_follow_metallicity_and_the_triplet_gravity() -> None:
    cool = replace(SUN, temperature=4800.0)
    rich, poor = width(cool, "mgb", 40.0), width(replace(cool, metals=-2.0), "mgb", 40.0)
    assert rich > 2.5 * poor > 0
    assert width(replace(cool, gravity=2.0), "caii_8544", 18.0) > 1.2 * width(
        cool, "caii_8544", 18.0
    )


def test_molecules_come_with_cold() -> None:
    def band(star: Star, low: float, high: float) -> float:
        light = starlight(star, WAVE)
        inside = (low < WAVE) & (high > WAVE)
        return float(light[inside].mean() / light[np.abs(WAVE - 7042) < 4].mean())

    depths = [
        band(replace(SUN, temperature=t, gravity=4.9), 7060, 7130) for t in (3100, 3500, 3900, 4500)
    ]
    assert depths == sorted(depths)
    assert depths[0] < 0.5
    dwarf, giant = (replace(SUN, temperature=3400.0, gravity=g) for g in (4.9, 0.8))
    assert band(dwarf, 6800, 6900) < band(giant, 6800, 6900)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("temperature", 3000.0, 10_000.0), ("gravity", 0.5, 5.0), ("metals", -2.5, 0.5)],
)
@pytest.mark.parametrize("temperature", [3400.0, 4800.0, 8500.0])
def test_light_changes_smoothly(name: str, low: float, high: float, temperature: float) -> None:
    star = replace(SUN, temperature=temperature)
    values = np.linspace(low, high, 60)
    light = np.stack([starlight(replace(star, **{name: v}), WAVE) for v in values])
    light /= light.mean(axis=1, keepdims=True)
    steps = np.abs(np.diff(light, axis=0)).mean(axis=1)
    assert steps.max() < 0.1
    assert np.abs(np.diff(steps)).max() < 0.02


def test_the_same_stream_gives_the_same_star() -> None:
    assert draw_star(np.random.default_rng(2)) == draw_star(np.random.default_rng(2))
