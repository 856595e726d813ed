"""Distributions keep to their limits and give back what they state."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.spectra.mock.distributions import (
    Limited,
    exponential,
    from_density,
    lognormal,
    lorentzian,
    normal,
    tabulated,
    uniform,
)

MADE = {
    "uniform": uniform(-2.0, 5.0),
    "normal": normal(1.0, 2.0, -1.0, 4.0),
    "lognormal": lognormal(30.0, 0.3, 10.0, 200.0),
    "exponential": exponential(2.0, 1.0, 9.0),
    "rising": exponential(-2.0, 1.0, 9.0),
    "lorentzian": lorentzian(0.0, 0.01, 0.1, 2.0),
    "density": from_density(np.square, 0.0, 3.0),
    "table": tabulated((0.0, 1.0, 4.0), (1.0, 3.0)),
}
# What each states, as a density without a constant.
DENSITIES = {
    "uniform": np.ones_like,
    "normal": lambda x: np.exp(-0.5 * ((x - 1) / 2) ** 2),
    "lognormal": lambda x: np.exp(-0.5 * (np.log10(x / 30) / 0.3) ** 2) / x,
    "exponential": lambda x: np.exp(-x / 2),
    "rising": lambda x: np.exp(x / 2),
    "lorentzian": lambda x: 1 / (x**2 + 1e-4),
    "density": np.square,
    "table": np.ones_like,
}


@pytest.mark.parametrize("name", MADE)
@given(share=st.floats(0, 1))
def test_draws_lie_between_the_limits_in_order(name: str, share: float) -> None:
    made = MADE[name]
    value = float(made.quantile(share))
    assert made.low <= value <= made.high
    assert float(made.quantile(share / 2)) <= value
    assert float(made.quantile(0.0)) == pytest.approx(made.low, abs=1e-6 * (made.high - made.low))
    assert float(made.quantile(1.0)) == pytest.approx(made.high)


def draw_many(made: Limited) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([made.draw(rng) for _ in range(4000)])


@pytest.mark.parametrize("name", MADE)
def test_draws_follow_the_density(name: str) -> None:
    made = MADE[name]
    grid = np.linspace(made.low, made.high, 20_001)
    cumulative = np.cumsum(DENSITIES[name](grid))
    values = draw_many(made)
    found = stats.kstest(values, lambda x: np.interp(x, grid, cumulative / cumulative[-1]))
    assert found.statistic < 0.03


@pytest.mark.parametrize("name", MADE)
def test_a_draw_takes_one_number_of_the_stream(name: str) -> None:
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    MADE[name].draw(one)
    other.random()
    assert one.random() == other.random()
