"""From probabilities to a class: each fold by what never saw it, odds as numbers, names as told."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.spectra import WAIST
from catalog_schema.waist import ARTEFACT, NORMAL
from pipeline.judge.classifier import (
    NEVER,
    find_log_odds,
    find_probabilities,
    join,
    name_classes,
    prefer,
    show_artefact_kind,
)
from pipeline.judge.classify import _share_out
from pipeline.judge.science.taxonomy import Taxonomy
from pipeline.science.draw import assign_folds
from pipeline.settings.judge import CalibrateSettings

KINDS, CLASSES = WAIST.kinds, WAIST.classes.values()
SEEDS = st.integers(0, 99)
CLASSIFIED = "classified"


def draw_odds(seed: int, n: int = 7) -> np.ndarray:
    """Draw probabilities of which most are small."""
    odds = np.random.default_rng(seed).gamma(0.2, 1, (n, len(KINDS)))
    return odds / odds.sum(axis=1, keepdims=True)


def be_sure(kind: str) -> np.ndarray:
    return (np.array(KINDS) == kind)[None] * 1.0


def states(n: int, *unknown: int) -> np.ndarray:
    found = np.full(n, CLASSIFIED, "U20")
    found[list(unknown)] = "no_signal"
    return found


def make_taxonomy(seed: int, kinds: tuple[str, ...], n_features: int = 4) -> Taxonomy:
    rng = np.random.default_rng(seed)
    shape = len(kinds), 2, n_features
    return Taxonomy(kinds, rng.normal(size=shape), rng.normal(size=len(kinds)))


def test_each_row_is_told_by_the_taxonomy_of_its_fold() -> None:
    taxonomies = tuple(make_taxonomy(k, KINDS[k::2]) for k in range(2))
    ids = 39_627_000_000_000_000 + np.arange(30)
    departures = np.random.default_rng(5).normal(size=(30, 4))
    found = find_probabilities(taxonomies, departures, ids, WAIST)
    for row, fold in enumerate(assign_folds(ids, 2)):
        expected = dict(
            zip(
                taxonomies[fold].kinds,
                taxonomies[fold].find_probabilities(departures[[row]])[0],
                strict=True,
            )
        )
        for column, kind in enumerate(KINDS):
            # Of a kind without an example nothing is likely.
            assert found[row, column] == pytest.approx(expected.get(kind, 0.0))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    order = np.random.default_rng(6).permutation(30)
    moved = find_probabilities(taxonomies, departures[order], ids[order], WAIST)
    np.testing.assert_allclose(moved, found[order], rtol=1e-12)


@given(seed=SEEDS, kind=st.sampled_from(KINDS), rows=st.sets(st.integers(0, 6)))
def test_what_a_sign_leaves_to_the_others_keeps_their_ratios(
    seed: int, kind: str, rows: set
) -> None:
    odds, own = draw_odds(seed), KINDS.index(kind)
    # Of two it is all but certain before it is told.
    odds[:2] = 0.02 * odds[:2] + 0.98 * be_sure(kind)
    found = prefer(odds, kind, np.array(sorted(rows), np.intp), WAIST)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    others = np.delete(np.arange(len(KINDS)), own)
    for row in range(len(odds)):
        left, before = found[row, others].sum(), odds[row, others].sum()
        expected = min(before, 0.05) if row in rows else before
        assert left == pytest.approx(expected, abs=1e-12)
        np.testing.assert_allclose(
            found[row, others] * before, odds[row, others] * left, atol=1e-12
        )
    # Told twice is told once.
    again = prefer(found, kind, np.array(sorted(rows), np.intp), WAIST)
    np.testing.assert_allclose(again, found, atol=1e-12)


@given(seed=SEEDS)
def test_log_odds_are_those_against_normal(seed: int) -> None:
    odds = draw_odds(seed)
    normal = odds[:, KINDS.index(NORMAL)]
    found = find_log_odds(odds, states(7, 3), WAIST)
    expected = np.log(np.maximum(1 - normal, NEVER) / np.maximum(normal, NEVER))
    known = np.arange(7) != 3
    is_plain = known & (normal > 1e-12) & (normal < 1 - 1e-9)
    np.testing.assert_allclose(found[is_plain], expected[is_plain], rtol=1e-5, atol=1e-6)
    assert np.isnan(found[3])
    assert np.isfinite(found[known]).all()
    order = np.random.default_rng(seed).permutation(len(KINDS))
    shuffled = replace(WAIST, examples={KINDS[k]: WAIST.examples[KINDS[k]] for k in order})
    np.testing.assert_array_equal(find_log_odds(odds, states(7, 3), shuffled), found)


def test_certainty_has_finite_odds() -> None:
    found = [
        find_log_odds(be_sure(kind), states(1), WAIST)[0] for kind in (NORMAL, "reddened", "bal")
    ]
    assert found[0] < -60
    assert found[1] > 60
    assert found[1] == found[2]


@given(seed=SEEDS)
def test_a_class_is_the_sum_of_its_kinds_and_the_likeliest_names(seed: int) -> None:
    odds = draw_odds(seed)
    found = name_classes(odds, states(7, 2), np.full(7, 0.5), WAIST)
    by_class = {
        name: sum(odds[:, k] for k, kind in enumerate(KINDS) if WAIST.examples[kind] == name)
        for name in CLASSES
    }
    expected = np.stack([by_class[name] * np.ones(7) for name in CLASSES], axis=1)
    rows = [0, 1, 3, 4, 5, 6]
    np.testing.assert_allclose(found["class_probabilities"][rows], expected[rows], atol=1e-6)
    assert np.isnan(found["class_probabilities"][2]).all()
    names = found["anomaly_class"].to_pylist()
    assert names[2] is None
    for row in rows:
        assert by_class[names[row]][row] == max(values[row] for values in by_class.values())
        share = by_class[ARTEFACT][row] / (1 - by_class[NORMAL][row])
        assert found["artefact_probability"][row] == pytest.approx(share, rel=1e-6)
    assert np.isnan(found["artefact_probability"][2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_sure_kind_has_its_class_and_a_fault_its_name(kind: str) -> None:
    found = name_classes(be_sure(kind), states(1), np.zeros(1), WAIST)
    name = WAIST.examples[kind]
    assert found["anomaly_class"].to_pylist() == [name]
    is_fault = name == ARTEFACT
    told = show_artefact_kind(found["artefact_kind"], found["anomaly_class"])
    assert told.to_pylist() == [kind if is_fault else None]
    if name != NORMAL:
        assert found["artefact_probability"][0] == float(is_fault)


def test_where_nothing_is_classified_nothing_is_named() -> None:
    joint = np.array([0.1, 0.2])
    found = name_classes(draw_odds(0, 2), states(2, 0, 1), joint, WAIST)
    some = name_classes(draw_odds(0, 2), states(2, 0), joint, WAIST)
    assert found.keys() == some.keys()
    assert found["anomaly_class"].null_count == found["artefact_kind"].null_count == 2
    for name in ("class_probabilities", "log_odds", "artefact_probability"):
        assert np.isnan(found[name]).all()
        assert found[name].shape == some[name].shape
    assert found["joint_p_value"] is joint


@given(share=st.floats(0.01, 0.99))
def test_shares_of_kinds_are_equal_and_add_up(share: float) -> None:
    found = _share_out(WAIST, share)
    assert set(found) == set(KINDS)
    assert sum(found.values()) == pytest.approx(1)
    assert found.pop(NORMAL) == pytest.approx(1 - share)
    assert list(found.values()) == pytest.approx([share / len(found)] * len(found))


def make_reference(seed: int, n: int = 500, n_known: int = 500) -> pa.Table:
    """Return p-values and log odds of a population in which both agree."""
    rng = np.random.default_rng(seed)
    strange = rng.normal(size=n)
    rank = np.argsort(np.argsort(-strange))
    odds = strange + 0.3 * rng.normal(size=n)
    is_known = np.arange(n) < n_known
    columns = {"p_value": (rank + 1) / n, "log_odds": pa.array(odds, mask=~is_known)}
    keys = make_keys(np.arange(n))
    return pa.table(dict(zip(keys.column_names, keys.columns, strict=True)) | columns)


def make_keys(targetid: np.ndarray) -> pa.Table:
    n = len(targetid)
    shard = {"SURVEY": ["main"] * n, "PROGRAM": ["dark"] * n, "HEALPIX": [7] * n}
    return pa.table(shard | {"TARGETID": targetid})


def join_others(norms: pa.Table, p_value: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Join indications of candidates from outside the population."""
    rows = make_keys(np.arange(10**6, 10**6 + len(odds)))
    return join(norms, rows, p_value, odds, CalibrateSettings())


def test_joined_p_values_of_the_population_are_even() -> None:
    norms = make_reference(0)
    columns = (norms[name].to_numpy() for name in ("p_value", "log_odds"))
    joint = join(norms, norms, *columns, CalibrateSettings())
    for level in (0.05, 0.2, 0.5):
        assert (joint < level).mean() == pytest.approx(level, abs=0.03)


def test_either_indication_makes_the_joint_one_rarer() -> None:
    norms = make_reference(1)
    p_value, odds = np.array([0.5, 0.01, 0.5, 0.01]), np.array([0.0, 0.0, 4.0, 4.0])
    plain, by_score, by_odds, both = join_others(norms, p_value, odds)
    assert both < min(by_score, by_odds)
    assert max(by_score, by_odds) < plain


def test_a_row_without_odds_has_no_joint_p_value_and_weighs_on_no_other() -> None:
    norms = make_reference(2)
    p_value, odds = np.array([0.2, 0.3, 0.4]), np.array([1.0, np.nan, -1.0])
    found = join_others(norms, p_value, odds)
    assert np.isnan(found).tolist() == [False, True, False]
    alone = join_others(norms, p_value[[0, 2]], odds[[0, 2]])
    np.testing.assert_array_equal(found[[0, 2]], alone)


def test_rows_of_the_population_without_odds_do_not_count() -> None:
    whole = make_reference(3, n_known=300)
    p_value, odds = np.array([0.01, 0.5]), np.array([2.0, 0.0])
    found = join_others(whole, p_value, odds)
    np.testing.assert_array_equal(found, join_others(whole.slice(0, 300), p_value, odds))


def test_a_population_without_odds_leaves_the_p_value() -> None:
    norms = make_reference(4, n_known=0)
    found = join_others(norms, np.array([0.1, 0.2]), np.array([1.0, np.nan]))
    np.testing.assert_array_equal(found, [0.1, np.nan])
