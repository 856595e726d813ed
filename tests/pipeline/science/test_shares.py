"""Wilson's interval of a share, against its formula and its own properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.science.shares import find_share_interval

# The standard normal's quantile of 97.5 per cent.
Z = 1.959963984540054
COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_it_is_wilsons(counts: tuple[int, int]) -> None:
    k, n = counts
    share = k / n
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    assert find_share_interval(k, n) == pytest.approx((centre - half, centre + half), abs=1e-9)


@given(COUNTS)
def test_it_holds_the_share_and_the_rest_mirrors_it(counts: tuple[int, int]) -> None:
    k, n = counts
    low, high = find_share_interval(k, n)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1
    assert find_share_interval(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(COUNTS, st.integers(2, 50))
def test_the_same_share_of_more_is_known_better(counts: tuple[int, int], times: int) -> None:
    k, n = counts
    low, high = find_share_interval(k, n)
    closer_low, closer_high = find_share_interval(k * times, n * times)
    assert closer_high - closer_low < high - low


def test_of_nothing_nothing_is_known() -> None:
    assert find_share_interval(0, 0) == (0.0, 1.0)
