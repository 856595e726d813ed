"""Galaxies are those of DESI's selections, and their light is that of their history."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.body import embody
from pipeline.spectra.mock.galaxies import (
    Galaxy,
    draw_galaxy,
    galaxy_components,
    light_shares,
    specific_rate,
    starlight,
)
from pipeline.spectra.mock.scene import band_fluxes
from pipeline.spectra.mock.stellar_lines import GRID

PROGRAMS = ("BGS", "LRG", "ELG")
PLAIN = Galaxy(
    program="BGS",
    z=0.2,
    r_mag=19.0,
    onset=9.0,
    decay=3.0,
    recent=1.0,
    metals=0.0,
    alpha=0.0,
    dispersion=120.0,
    ebv=0.0,
    halpha=20.0,
    oxygen=-0.6,
    agn=0.0,
    hardness=0.0,
    scatter=np.zeros(6),
    gas_width=0.8,
)


@cache
def population(program: str, count: int = 150) -> tuple[Galaxy, ...]:
    rng = np.random.default_rng(8)
    return tuple(draw_galaxy(rng, program) for _ in range(count))


def of(program: str, name: str) -> np.ndarray:
    return np.array([getattr(galaxy, name) for galaxy in population(program)])


def mean(light: np.ndarray, low: float, high: float) -> float:
    return float(light[(low < GRID) & (high > GRID)].mean())


def break_4000(light: np.ndarray) -> float:
    """Dn(4000) of Balogh et al. (1999)."""
    return mean(light * GRID**2, 4000, 4100) / mean(light * GRID**2, 3850, 3950)


def width_of_hdelta(light: np.ndarray) -> float:
    """Hdelta_A of Worthey & Ottaviani (1997), Å."""
    inside = (GRID > 4083.5) & (GRID < 4122.25)
    sides = mean(light, 4041.6, 4081.5), mean(light, 4128.5, 4161.0)
    level = np.interp(GRID[inside], (4061.5, 4144.8), sides)
    return float(np.trapezoid(1 - light[inside] / level, GRID[inside]))


def test_populations_lie_in_the_ranges_of_the_selections() -> None:
    limits = {"BGS": (0.05, 0.6), "LRG": (0.3, 1.1), "ELG": (0.6, 1.6)}
    faintest = {"BGS": 20.175, "LRG": 22.8, "ELG": 23.7}
    for program in PROGRAMS:
        z = of(program, "z")
        low, high = limits[program]
        assert low <= z.min() < z.max() <= high
        assert of(program, "r_mag").max() <= faintest[program]
        dispersion = of(program, "dispersion")
        assert 60 <= dispersion.min() < dispersion.max() <= 350
    assert np.median(of("BGS", "z")) == pytest.approx(0.2, abs=0.04)
    assert np.median(of("LRG", "z")) == pytest.approx(0.68, abs=0.08)


def test_equivalent_widths_follow_the_star_formation() -> None:
    rate = np.array([specific_rate(g.onset, g.decay, g.recent) for g in population("BGS")])
    halpha = np.log10(of("BGS", "halpha"))
    assert np.corrcoef(rate, halpha)[0, 1] > 0.85
    # 20 Å at 1e-10 per year, under 3 Å where retired (Cid Fernandes et al. 2011).
    forming = np.abs(rate + 10) < 0.3
    assert np.median(halpha[forming]) == pytest.approx(1.3, abs=0.2)
    assert np.median(of("LRG", "halpha")) < 4
    assert 60 < np.median(of("ELG", "halpha")) < 300


def test_colours_are_those_of_the_selections() -> None:
    # Medians of g - r and r - z of the targets (Hahn 2023; Zhou 2023; Raichoor 2023).
    expected = {
        "BGS": (0.6, 1.15, 0.4, 0.8),
        "LRG": (1.4, 2.0, 1.0, 1.7),
        "ELG": (0.1, 0.6, 0.3, 1),
    }
    for program, (low_gr, high_gr, low_rz, high_rz) in expected.items():
        flux = np.stack([embody(galaxy, 0.0).flux() for galaxy in population(program)[:60]])
        g, r, z = -2.5 * np.log10(band_fluxes(flux)).T
        assert low_gr < np.median(g - r) < high_gr, program
        assert low_rz < np.median(r - z) < high_rz, program


def test_breaks_and_balmer_lines_age_as_stars_do() -> None:
    # A history that ended long ago is a population of one age.
    old = starlight(replace(PLAIN, decay=14.0, onset=13.0))
    young = starlight(replace(PLAIN, onset=0.08, decay=0.2))
    middle = starlight(replace(PLAIN, onset=0.9, decay=4.0, recent=0.0))
    assert 1.9 < break_4000(old) < 2.3
    assert 0.95 < break_4000(young) < 1.15
    assert 1.2 < break_4000(middle) < 1.45
    assert width_of_hdelta(middle) > 6.5
    assert width_of_hdelta(old) < 2
    assert width_of_hdelta(young) < width_of_hdelta(middle)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("decay", 0.3, 12.0),
        ("onset", 1.0, 12.0),
        ("recent", 0.05, 4.0),
        ("metals", -0.8, 0.3),
        ("alpha", -0.1, 0.4),
        ("dispersion", 60.0, 350.0),
        ("ebv", 0.0, 0.5),
    ],
)
def test_light_changes_smoothly(name: str, low: float, high: float) -> None:
    values = np.geomspace(low, high, 40) if low > 0 else np.linspace(low, high, 40)
    near = (GRID > 3000) & (GRID < 8000)
    light = np.stack([starlight(replace(PLAIN, **{name: v}))[near] for v in values])
    light /= light.mean(axis=1, keepdims=True)
    steps = np.abs(np.diff(light, axis=0)).mean(axis=1)
    assert 0 < steps.max() < 0.12
    # No step is an edge between two regimes.
    assert steps.max() < 0.02 + 4 * np.median(steps)


def test_shares_of_light_add_up_and_turn_with_age() -> None:
    age = np.arange(8)
    means = [float(light_shares(replace(PLAIN, decay=decay)) @ age) for decay in (0.5, 2, 5, 9, 13)]
    assert means == sorted(means)
    assert light_shares(PLAIN).sum() == pytest.approx(1)


def test_a_line_has_its_equivalent_width_behind_dust() -> None:
    rest = np.arange(6400.0, 6700.0, 0.1)
    for ebv in (0.0, 0.4):
        galaxy = replace(PLAIN, ebv=ebv, oxygen=-3.0, halpha=30.0)
        parts = galaxy_components(galaxy, rest)
        assert np.trapezoid(parts["gas"] / parts["stars"], rest) == pytest.approx(30.0, rel=0.08)


def test_dispersion_broadens_absorption_only() -> None:
    narrow, wide = (starlight(replace(PLAIN, decay=10.0, dispersion=d)) for d in (60.0, 350.0))
    near = (GRID > 5000) & (GRID < 5600)
    assert np.std(wide[near] / wide[near].mean()) < np.std(narrow[near] / narrow[near].mean())
    assert wide[near].sum() == pytest.approx(narrow[near].sum(), rel=1e-3)


def test_the_doublet_of_oxygen_is_resolved() -> None:
    rest = np.arange(3715.0, 3742.0, 0.05)
    gas = galaxy_components(replace(PLAIN, dispersion=60.0), rest)["gas"]
    blue, red = (gas[np.argmin(np.abs(rest - LINES[key].wave))] for key in ("oii_3727", "oii_3729"))
    between = gas[np.argmin(np.abs(rest - LINES["oii"].wave))]
    assert between < 0.6 * blue < blue < red
    assert 60 / LIGHT_SPEED * LINES["oii"].wave < 1


def test_the_same_stream_gives_the_same_galaxy() -> None:
    one, other = (draw_galaxy(np.random.default_rng(3), "ELG") for _ in range(2))
    np.testing.assert_array_equal(starlight(one), starlight(other))
