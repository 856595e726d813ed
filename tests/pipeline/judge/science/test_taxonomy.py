"""The classifier: it tells planted kinds apart, its terms add up to its odds, it repeats."""

from functools import cache

import numpy as np
import pytest

from pipeline.judge.science.taxonomy import Taxonomy, fit_taxonomy

SHARES = {"normal": 0.9, "a": 0.05, "b": 0.05}


def make_examples(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kinds = np.repeat(["normal", "a", "b"], [300, 80, 40])
    values = rng.standard_normal((420, 6))
    values[kinds == "a", 0] += 6
    values[kinds == "b", 0] -= 6
    return values, kinds


@cache
def fit() -> Taxonomy:
    return fit_taxonomy(*make_examples(), SHARES, "normal")


def test_kinds_are_told_apart() -> None:
    taxonomy = fit()
    values, kinds = make_examples(1)
    found = np.array(taxonomy.kinds)[taxonomy.find_probabilities(values).argmax(1)]
    assert (found == kinds).mean() > 0.95


def test_probabilities_add_up_and_follow_the_shares() -> None:
    values, kinds = make_examples()
    rare = fit().find_probabilities(values)
    common = fit_taxonomy(
        values, kinds, {"normal": 0.2, "a": 0.4, "b": 0.4}, "normal"
    ).find_probabilities(values)
    np.testing.assert_allclose(rare.sum(1), 1, rtol=1e-12)
    assert (common[:, :2] > rare[:, :2]).all()


@pytest.mark.parametrize("against", SHARES)
def test_terms_are_the_log_odds_of_each_kind_against_each(against: str) -> None:
    values, kinds = make_examples()
    taxonomy = fit()
    assert taxonomy.kinds == ("a", "b", "normal")
    terms = taxonomy.explain(values, kinds, against)
    odds = np.log(taxonomy.find_probabilities(values))
    other = taxonomy.kinds.index(against)
    for k, kind in enumerate(taxonomy.kinds):
        of = kinds == kind
        constant = (odds[:, k] - odds[:, other])[of] - terms[of].sum(1)
        np.testing.assert_allclose(constant, constant[0], atol=1e-6)
        assert terms[of].any() == (kind != against)


def test_only_the_feature_that_tells_a_kind_speaks_for_it() -> None:
    values, kinds = make_examples()
    terms = fit().explain(values, np.full(len(kinds), "a"), "normal")
    assert (terms[kinds == "a"].mean(0)[1:] < 0.1 * terms[kinds == "a"].mean(0)[0]).all()
    # An excess speaks for a, a lack does not: it is what b has.
    assert fit().explain(np.array([[6.0] + [0.0] * 5]), np.array(["a"]), "normal")[0, 0] > 1
    assert fit().explain(np.array([[-6.0] + [0.0] * 5]), np.array(["a"]), "b")[0, 0] < -1


def test_a_share_ten_times_larger_makes_the_odds_ten_times_larger() -> None:
    values, kinds = make_examples()
    rare, common = (
        fit_taxonomy(values, kinds, {**SHARES, "a": share}, "normal").find_probabilities(values)
        for share in (0.005, 0.05)
    )
    odds = (common[:, 0] / common[:, 2]) / (rare[:, 0] / rare[:, 2])
    np.testing.assert_allclose(odds, 10, rtol=1e-6)


def test_a_kind_with_three_times_the_examples_is_not_more_probable() -> None:
    """Shares alone say how frequent a kind is: repeated examples weigh as much as one of each."""
    values, kinds = make_examples()
    again = np.r_[np.arange(len(kinds)), np.repeat(np.flatnonzero(kinds == "b"), 2)]
    # Weights add up to the number of examples, so that the penalty weighs less with more of them.
    more = fit_taxonomy(values[again], kinds[again], SHARES, "normal").find_probabilities(values)
    change = np.log(more / fit().find_probabilities(values))
    assert np.abs(change.mean(0)).max() < 0.3


def test_fits_to_the_same_bits() -> None:
    one, other = (fit_taxonomy(*make_examples(), SHARES, "normal") for _ in range(2))
    np.testing.assert_array_equal(one.coefficients, other.coefficients)


def test_order_of_the_examples_decides_nothing() -> None:
    values, kinds = make_examples()
    order = np.random.default_rng(3).permutation(len(kinds))
    one = fit().find_probabilities(values)
    other = fit_taxonomy(values[order], kinds[order], SHARES, "normal").find_probabilities(values)
    np.testing.assert_allclose(np.log(other), np.log(one), rtol=0, atol=1e-10)


def test_nothing_speaks_for_a_kind_without_examples() -> None:
    values, kinds = make_examples()
    taxonomy = fit()
    for unknown in ("0", "aa", "zz"):
        asked = np.where(np.arange(len(kinds)) % 2, unknown, "a")
        terms = taxonomy.explain(values, asked, "normal")
        assert not terms[1::2].any()
        assert terms[::2].any()
    assert not taxonomy.explain(values, kinds, "unheard of").any()


@pytest.mark.parametrize("freak", [np.nan, np.inf, -np.inf, 1e30])
def test_freak_values_decide_nothing_silently(freak: float) -> None:
    values, _kinds = make_examples()
    taxonomy = fit()
    values[0] = freak
    assert np.isfinite(taxonomy.find_probabilities(values)).all()


def test_two_kinds() -> None:
    values, kinds = make_examples()
    two = kinds != "b"
    taxonomy = fit_taxonomy(values[two], kinds[two], {"normal": 0.5, "a": 0.5}, "normal")
    found = np.array(taxonomy.kinds)[taxonomy.find_probabilities(values[two]).argmax(1)]
    assert (found == kinds[two]).mean() > 0.95
