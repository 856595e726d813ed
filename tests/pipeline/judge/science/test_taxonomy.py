"""The classifier: it tells planted kinds apart, its terms add up to its odds, it repeats."""

import numpy as np
import pytest

from pipeline.judge.science.taxonomy import fit_taxonomy

SHARES = {"normal": 0.9, "a": 0.05, "b": 0.05}


def make_examples(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kinds = np.repeat(["normal", "a", "b"], [300, 80, 40])
    values = rng.standard_normal((420, 6))
    values[kinds == "a", 0] += 6
    values[kinds == "b", 0] -= 6
    return values, kinds


def test_kinds_are_told_apart() -> None:
    taxonomy = fit_taxonomy(*make_examples(), SHARES, "normal")
    values, kinds = make_examples(1)
    found = np.array(taxonomy.kinds)[taxonomy.find_probabilities(values).argmax(1)]
    assert (found == kinds).mean() > 0.95


def test_probabilities_add_up_and_follow_the_shares() -> None:
    values, kinds = make_examples()
    rare = fit_taxonomy(values, kinds, SHARES, "normal").find_probabilities(values)
    common = fit_taxonomy(
        values, kinds, {"normal": 0.2, "a": 0.4, "b": 0.4}, "normal"
    ).find_probabilities(values)
    np.testing.assert_allclose(rare.sum(1), 1, rtol=1e-12)
    assert (common[:, :2] > rare[:, :2]).all()


def test_terms_are_the_log_odds() -> None:
    values, kinds = make_examples()
    taxonomy = fit_taxonomy(values, kinds, SHARES, "normal")
    a, normal = (taxonomy.kinds.index(name) for name in ("a", "normal"))
    terms = taxonomy.explain(values, np.full(len(values), "a"), "normal")
    odds = taxonomy.find_probabilities(values)
    constant = np.log(odds[:, a] / odds[:, normal]) - terms.sum(1)
    np.testing.assert_allclose(constant, constant[0], atol=1e-6)
    assert np.abs(terms[kinds == "a"]).mean(0).argmax() == 0


def test_fits_to_the_same_bits() -> None:
    one, other = (fit_taxonomy(*make_examples(), SHARES, "normal") for _ in range(2))
    np.testing.assert_array_equal(one.coefficients, other.coefficients)


def test_order_of_the_examples_decides_nothing() -> None:
    values, kinds = make_examples()
    order = np.random.default_rng(3).permutation(len(kinds))
    one = fit_taxonomy(values, kinds, SHARES, "normal").find_probabilities(values)
    other = fit_taxonomy(values[order], kinds[order], SHARES, "normal").find_probabilities(values)
    np.testing.assert_allclose(np.log(other), np.log(one), rtol=0, atol=1e-10)


def test_nothing_speaks_for_a_kind_without_examples() -> None:
    values, kinds = make_examples()
    taxonomy = fit_taxonomy(values, kinds, SHARES, "normal")
    for unknown in ("0", "aa", "zz"):
        asked = np.where(np.arange(len(kinds)) % 2, unknown, "a")
        terms = taxonomy.explain(values, asked, "normal")
        assert not terms[1::2].any()
        assert terms[::2].any()
    assert not taxonomy.explain(values, kinds, "unheard of").any()


@pytest.mark.parametrize("freak", [np.nan, np.inf, -np.inf, 1e30])
def test_freak_values_decide_nothing_silently(freak: float) -> None:
    values, kinds = make_examples()
    taxonomy = fit_taxonomy(values, kinds, SHARES, "normal")
    values[0] = freak
    assert np.isfinite(taxonomy.find_probabilities(values)).all()


def test_two_kinds() -> None:
    values, kinds = make_examples()
    two = kinds != "b"
    taxonomy = fit_taxonomy(values[two], kinds[two], {"normal": 0.5, "a": 0.5}, "normal")
    found = np.array(taxonomy.kinds)[taxonomy.find_probabilities(values[two]).argmax(1)]
    assert (found == kinds[two]).mean() > 0.95
