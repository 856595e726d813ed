"""What lies in front of a quasar: equivalent widths, incidences and columns as published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock import forest
from pipeline.spectra.mock.instrument import WAVE

SEEDS = st.integers(0, 2**32 - 1)


def find_width(passed: np.ndarray, wave: np.ndarray) -> float:
    """Return an equivalent width in Å."""
    return float(np.trapezoid(1 - passed, wave))


@pytest.mark.parametrize("log_column", [20.3, 20.8, 21.5])
@pytest.mark.parametrize("z", [2.2, 3.1])
def test_a_damped_line_has_the_width_of_its_column(log_column: float, z: float) -> None:
    """Draine (2011, eq. 9.24): W = 7.3 Å (N / 10^20)^½ at rest, for what is damped alone."""
    wave = np.arange(3000.0, 9000.0, 0.2)
    passed = forest.dla(wave, z, log_column)
    near = np.abs(wave - forest.LYMAN_ALPHA * (1 + z)) < 700
    # Wings of beta and the limit stay outside.
    near &= wave > 1100 * (1 + z)
    width = find_width(passed[near], wave[near]) / (1 + z)
    assert width == pytest.approx(7.3 * 10 ** (0.5 * (log_column - 20)), rel=0.05)


@given(z=st.floats(1.9, 4.0), log_column=st.floats(20.3, 21.8))
def test_more_hydrogen_passes_less_light_everywhere(z: float, log_column: float) -> None:
    less, more = (forest.dla(WAVE, z, column) for column in (log_column, log_column + 0.2))
    assert ((more >= 0) & (more <= less) & (less <= 1)).all()


def test_below_the_limit_light_returns_with_the_cube_of_frequency() -> None:
    """10^17.2 of hydrogen is one optical depth at the limit, and too little for wings."""
    edge = forest.LYMAN_LIMIT * 4.5
    wave = np.array([edge * (1 - 1e-6), 3700.0, 3650.0, edge * 1.001])
    depth = -np.log(forest.dla(wave, 3.5, 17.2))
    assert depth[0] == pytest.approx(1, rel=0.01)
    np.testing.assert_allclose(depth[1:3], depth[0] * (wave[1:3] / edge) ** 3, rtol=1e-3)
    assert depth[3] < 1e-3


@given(centre=st.floats(4000, 9000), width=st.floats(0.05, 1.5))
def test_a_narrow_line_has_its_equivalent_width(centre: float, width: float) -> None:
    wave = np.arange(3500.0, 9500.0, 0.1)
    passed = forest.narrow_absorption(wave, centre, width)
    assert find_width(passed, wave) == pytest.approx(width, rel=1e-3)
    assert passed.min() >= 0.05 - 1e-12
    assert wave[np.argmin(passed)] == pytest.approx(centre, abs=0.06)


def test_a_strong_line_grows_wider_and_never_black() -> None:
    wave = np.arange(4000.0, 6000.0, 0.1)
    passed = forest.narrow_absorption(wave, 5000.0, 20.0)
    assert passed.min() > 0.04
    assert find_width(passed, wave) == pytest.approx(20.0, rel=0.15)


def test_damped_systems_come_as_often_and_as_thick_as_they_do() -> None:
    """Rao et al. (2006) in number; slope -1.8 in column, a pile at the largest."""
    rng = np.random.default_rng(0)
    sightlines = [forest.draw_dlas(rng, 3.5) for _ in range(3000)]
    high = 4.5 * (1 - 5000 / LIGHT_SPEED) - 1
    steps = np.linspace(1.9, high, 500)
    expected = np.trapezoid(0.044 * (1 + steps) ** 1.27, steps)
    counts = np.array([len(each) for each in sightlines])
    assert counts.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / 3000))
    assert counts.var() == pytest.approx(expected, rel=0.15)
    redshifts, columns = np.array([pair for each in sightlines for pair in each]).T
    assert kstest(redshifts, "uniform", (1.9, high - 1.9)).pvalue > 0.001
    assert ((columns >= 20.3) & (columns <= 21.8)).all()
    # With slope -1.8 in N, 10^(-0.8 x) are thicker by x dex.
    for x in (0.3, 0.6, 1.2):
        assert (columns > 20.3 + x).mean() == pytest.approx(10 ** (-0.8 * x), abs=0.04)


def test_no_damped_system_lies_behind_the_quasar_or_below_its_range() -> None:
    rng = np.random.default_rng(1)
    assert forest.draw_dlas(rng, 1.9) == []
    assert forest.draw_dlas(rng, 1.5) == []
    found = [z for _ in range(500) for z, _ in forest.draw_dlas(rng, 2.3)]
    assert found
    assert max(found) < 3.3 * (1 - 5000 / LIGHT_SPEED) - 1


@pytest.mark.parametrize("z", [3.5, 4.2])
def test_limits_absorb_below_the_quasars_own_only(z: float) -> None:
    rng = np.random.default_rng(2)
    drawn = np.array([forest.lyman_limit_systems(rng, WAVE, z) for _ in range(200)])
    assert (drawn[:, forest.LYMAN_LIMIT * (1 + z) < WAVE] == 1).all()
    # Songaila & Cowie (2010): the share of sightlines without any is that of a Poisson draw.
    low = WAVE[0] / forest.LYMAN_LIMIT - 1
    mean = 2.80 * ((1 + 0.5 * (z + low)) / 4.5) ** 1.94 * (z - low)
    is_clear = (drawn == 1).all(axis=1)
    assert is_clear.mean() == pytest.approx(np.exp(-mean), abs=0.1)


def test_a_quasar_whose_limit_is_not_seen_has_no_limit_system() -> None:
    assert (forest.lyman_limit_systems(np.random.default_rng(0), WAVE, 2.9) == 1).all()


@given(seed=SEEDS, z=st.floats(0.05, 4.6))
def test_transmission_is_a_share_and_red_of_the_lines_is_free(seed: int, z: float) -> None:
    passed = forest.transmission(np.random.default_rng(seed), WAVE, z)
    assert ((passed >= 0) & (passed <= 1)).all()
    # No system lies within 3000 km/s of the quasar: nothing absorbs redward of its own MgII.
    assert (passed[LINES["mgii_2804"].wave * (1 + z) * 1.002 < WAVE] == 1).all()
    again = forest.transmission(np.random.default_rng(seed), WAVE, z)
    np.testing.assert_array_equal(passed, again)


def test_metals_lie_between_the_forest_and_the_quasar() -> None:
    z, rng = 4.0, np.random.default_rng(3)
    drawn = np.array([forest.metal_systems(rng, WAVE, z) for _ in range(300)])
    is_hit = (drawn < 0.99).any(axis=0)
    # Iron absorbs farthest blueward of MgII, which begins where the forest ends.
    bluest = LINES["feii_2383"].wave / LINES["mgii_2796"].wave
    assert not is_hit[(1 + z) * forest.LYMAN_ALPHA * bluest * 0.997 > WAVE].any()
    assert is_hit[((1 + z) * 1260 < WAVE) & ((1 + z) * 1500 > WAVE)].mean() > 0.5
    mean = drawn.mean(axis=0)
    # CIV absorbs up to its own emission line, beyond it only MgII and iron do.
    bluer, redder = ((1 + z) * 1500 > WAVE), ((1 + z) * 1560 < WAVE)
    assert (1 - mean[bluer & ((1 + z) * 1300 < WAVE)]).mean() > (1 - mean[redder]).mean()


def test_metals_take_the_light_that_their_rates_say() -> None:
    """Widths of 0.75 Å at rest on average, as much wider as redshifted."""
    z, rng = 2.4, np.random.default_rng(6)
    drawn = [forest.metal_systems(rng, WAVE, z) for _ in range(500)]
    found = np.mean([find_width(passed, WAVE) for passed in drawn])
    expected = 0.0
    for wave, rate, total in ((2796.35, 0.5, 2.85), (1548.20, 1.2, 1.65)):
        low, high = (1 + z) * forest.LYMAN_ALPHA / wave, (1 + z) * (1 - 3000 / LIGHT_SPEED)
        expected += rate * total * 0.75 * (high**2 - low**2) / 2
    assert found == pytest.approx(expected, rel=0.12)


def draw_depths(z: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelengths in cells of 30 km/s where Lyman alpha alone absorbs, and its depths."""
    rng = np.random.default_rng(4)
    first = 1030.0 * (1 + z)
    wave = first * np.exp(1e-4 * np.arange(1200))
    passed = [forest.lyman_forest(rng, wave, z) for _ in range(n)]
    return wave, -np.log(np.array(passed))


def test_depths_are_log_normal_with_two_scales() -> None:
    _, depth = draw_depths(2.8, 150)
    field = np.log(depth)
    field = (field - field.mean(axis=0)) / 1.5
    assert field.var() == pytest.approx(1, rel=0.04)
    for lag in (1, 5, 20, 60):
        # Of a white field smoothed by σ the correlation is exp(-lag² / 4 σ²).
        expected = 0.75 * np.exp(-(lag**2) / 4 / 2.7**2) + 0.25 * np.exp(-(lag**2) / 4 / 17.0**2)
        assert (field[:, lag:] * field[:, :-lag]).mean() == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("z", [2.2, 3.0, 4.0])
def test_mean_transmission_is_that_of_its_redshift(z: float) -> None:
    wave, depth = draw_depths(z, 100)
    expected = np.exp(-0.00554 * (wave / forest.LYMAN_ALPHA) ** 3.182)
    assert np.exp(-depth).mean() == pytest.approx(expected.mean(), abs=0.012)
