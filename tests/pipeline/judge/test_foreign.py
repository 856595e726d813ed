"""Tiers of foreign candidates: given only where the model's population can vouch for them."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from toy_points import POINTS, WAIST
from toy_tables import make_keys

from pipeline.judge.foreign import withhold_tiers
from pipeline.judge.science.domain import Domain
from pipeline.lake.store import columns_to_table

ROWS = st.lists(
    st.tuples(st.sampled_from(["gold", "silver", "bronze", "none"]), st.booleans()),
    min_size=1,
    max_size=20,
)


def make_tiers(given_tiers: list) -> pa.Table:
    n = len(given_tiers)
    columns = {"finding": ["unexplained"] * n, "tier": given_tiers}
    numbers = dict.fromkeys(("finding_p_value", "q_value"), np.full(n, 0.5))
    return columns_to_table(POINTS["tiers"], make_keys(n) | columns | numbers)


@given(rows=ROWS, n=st.integers(0, 60), share=st.floats(0, 1))
def test_a_tier_is_kept_inside_a_domain_that_holds_and_nowhere_else(
    rows: list, n: int, share: float
) -> None:
    given_tiers, outside = zip(*rows, strict=True)
    tiers = make_tiers(list(given_tiers))
    domain = Domain(np.array(outside), int(n * share), n)
    found, notes = withhold_tiers(tiers, domain, WAIST)
    holds = domain.is_seen and domain.is_alike
    wanted = [tier if holds and not out else "none" for tier, out in rows]
    assert found["tier"].to_pylist() == wanted
    assert found.schema.equals(tiers.schema, check_metadata=True)
    assert found.drop("tier").equals(tiers.drop("tier"))
    # What was withheld is told, and what was not is not.
    assert ("no tier is given" in notes[0]) == (not holds)
    assert f"{domain.n_low} of {n} points" in notes[0]
    assert len(notes) == 1 + any(outside)
    if any(outside):
        assert notes[1].startswith(f"{sum(outside)} points are outside the magnitude of")


def test_the_reason_is_the_graver_one() -> None:
    """Too many low ones are told, also where there are few of them in all."""
    none = np.zeros(1, bool)
    tiers = make_tiers(["none"])
    told = [
        withhold_tiers(tiers, Domain(none, n_low, n), WAIST)[1][0].split(":")[0]
        for n_low, n in ((12, 12), (40, 50), (0, 12), (2, 50))
    ]
    assert told == [
        "calibration does not hold",
        "calibration does not hold",
        "calibration not verified",
        "calibration as expected",
    ]
