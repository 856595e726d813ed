"""Tiers of foreign candidates: given only where the model's population can vouch for them."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from toy_points import POINTS, WAIST
from toy_tables import make_keys

from pipeline.judge.foreign import describe_domain, withhold_tiers
from pipeline.judge.science.domain import Difference, Domain
from pipeline.lake.store import columns_to_table

ROWS = st.lists(
    st.tuples(st.sampled_from(["gold", "silver", "bronze", "none"]), st.booleans()),
    min_size=1,
    max_size=20,
)
P_VALUES = st.sampled_from([1e-5, 0.0099, 0.01, 0.5])
RANGE = Difference("magnitude", 0.9, 3.0, 1e-9)


def make_tiers(given_tiers: list) -> pa.Table:
    n = len(given_tiers)
    columns = {"finding": ["unexplained"] * n, "tier": given_tiers}
    numbers = dict.fromkeys(("finding_p_value", "q_value"), np.full(n, 0.5))
    return columns_to_table(POINTS["tiers"], make_keys(n) | columns | numbers)


def make_domain(outside: list, n_low: int, n: int, p_value: float = 0.5) -> Domain:
    distance, odd = np.where(outside, 2.0, 0.5), np.where(outside, "magnitude", "")
    differences = (Difference("colour", 0.62, -1.2, p_value), Difference("size", 0.05, 0, 1.0))
    return Domain(distance, distance, odd, (RANGE,), differences, n_low, n)


@given(rows=ROWS, n=st.integers(0, 60), share=st.floats(0, 1), p_value=P_VALUES)
def test_a_tier_is_kept_inside_a_domain_that_holds_and_nowhere_else(
    rows: list, n: int, share: float, p_value: float
) -> None:
    given_tiers, outside = zip(*rows, strict=True)
    tiers = make_tiers(list(given_tiers))
    domain = make_domain(list(outside), int(n * share), n, p_value)
    found, notes = withhold_tiers(tiers, domain), describe_domain(domain, WAIST)
    holds = domain.is_seen and domain.is_alike and p_value >= 0.01
    is_kept = [holds and not out for _, out in rows]
    kept = zip(given_tiers, is_kept, strict=True)
    assert found["tier"].to_pylist() == [tier if keep else "none" for tier, keep in kept]
    assert found["q_value"].is_valid().to_pylist() == is_kept
    assert found.schema.equals(tiers.schema, check_metadata=True)
    rest = ["tier", "q_value"]
    assert found.drop(rest).equals(tiers.drop(rest))
    # What was withheld is told, and what was not is not.
    assert ("no tier is given" in notes[0]) == (not holds)
    assert f"{domain.n_low} of {n} points" in notes[0]
    assert len(notes) == 2 + any(outside)
    if any(outside):
        assert notes[1] == (
            f"{sum(outside)} points are outside the model's population "
            f"(magnitude {sum(outside)}); they have no tier"
        )


def test_the_reason_is_the_graver_one() -> None:
    """A mismatch before low p-values, and these before few candidates."""
    tiers = {
        (12, 12, 0.001): "calibration does not hold: unlike the model's population in colour "
        "(distance 0.62, median -1.2 sigma, p 1e-03); 12 of 12 points have p < 0.05",
        (12, 12, 0.5): "calibration does not hold: 12 of 12 points",
        (40, 50, 0.5): "calibration does not hold: 40 of 50 points",
        (0, 12, 0.5): "calibration not verified: 0 of 12 points",
        (2, 50, 0.5): "calibration as expected: 2 of 50 points",
    }
    for (n_low, n, p_value), words in tiers.items():
        assert describe_domain(make_domain([False], n_low, n, p_value), WAIST)[0].startswith(words)


def test_every_distance_is_told() -> None:
    assert describe_domain(make_domain([False], 2, 50), WAIST)[-1] == (
        "Kolmogorov-Smirnov distance from the population: magnitude 0.90; "
        "at like magnitude: colour 0.62, size 0.05"
    )
