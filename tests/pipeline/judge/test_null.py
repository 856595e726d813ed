"""The reference population and what is compared with it: no units, no order, one side or both."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_tables import STATISTICS, draw_scores, make_kind, make_scores

from catalog_schema.validate import find_violations
from pipeline.judge.null import compare, locate, make_null, rank, weigh
from pipeline.lake.store import replace_columns, to_matrix
from pipeline.settings.judge import CalibrateSettings

KIND, SETTINGS = make_kind(), CalibrateSettings(neighbours=60)
SCORES = draw_scores(KIND)
NULL = make_null(SCORES, KIND, SETTINGS)
SEEDS = st.integers(0, 999)


def change(scores: pa.Table, row: int, **values: float) -> pa.Table:
    """Return scores with other statistics in one row."""
    names = [statistic.name for statistic in STATISTICS]
    statistics = to_matrix(scores["statistics"])
    for name, value in values.items():
        statistics[row, names.index(name)] = value
    return replace_columns(scores, {"statistics": statistics})


def score(scores: pa.Table) -> np.ndarray:
    return weigh(scores, NULL, KIND, SETTINGS)["anomaly_score"].to_numpy()


def test_tables_are_as_declared_and_the_population_weighs_itself_alike() -> None:
    rows = weigh(SCORES, NULL, KIND, SETTINGS)
    assert find_violations(NULL, KIND["null"]) == []
    assert find_violations(rows, KIND["significance"]) == []
    assert rows["TARGETID"] == SCORES["TARGETID"]
    for name in ("SURVEY", "PROGRAM", "HEALPIX", "TARGETID", "magnitude", "statistics"):
        assert NULL[name].to_pylist() == SCORES[name].to_pylist()
    np.testing.assert_allclose(rows["anomaly_score"], NULL["anomaly_score"], atol=1e-4)
    np.testing.assert_array_equal(to_matrix(rows["departures"]), to_matrix(NULL["departures"]))


@given(seed=SEEDS, factor=st.floats(0.01, 100))
def test_units_of_a_statistic_do_not_matter(seed: int, factor: float) -> None:
    """Of a ratio too: it is compared in the logarithm."""
    scores = draw_scores(KIND, seed, 80)
    other = replace_columns(
        scores, {"statistics": to_matrix(scores["statistics"]) * np.float32(factor)}
    )
    first, second = (make_null(s, KIND, SETTINGS) for s in (scores, other))
    np.testing.assert_allclose(
        to_matrix(first["departures"]), to_matrix(second["departures"]), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(
        first["anomaly_score"], second["anomaly_score"], rtol=1e-3, atol=1e-3
    )


@given(seed=SEEDS)
def test_order_of_the_rows_does_not_matter(seed: int) -> None:
    order = pa.array(np.random.default_rng(seed).permutation(len(SCORES)))
    shuffled = make_null(SCORES.take(order), KIND, SETTINGS)
    np.testing.assert_allclose(
        shuffled["anomaly_score"], NULL["anomaly_score"].take(order), atol=1e-6
    )


@given(row=st.integers(0, 299), size=st.floats(1, 5))
def test_a_low_value_is_strange_only_of_a_statistic_with_two_sides(row: int, size: float) -> None:
    far = 10 ** (size + 2)
    for name, low in (("colour", -far), ("size", -far), ("ratio", 10**-size)):
        found = compare(change(SCORES, row, **{name: low}), NULL, KIND.waist, SETTINGS)
        column = [statistic.name for statistic in STATISTICS].index(name)
        assert found.departures[row, column] < -3
        is_stranger = found.score[row] > score(SCORES)[row] + 1e-6
        assert is_stranger == (name == "colour")


@given(row=st.integers(0, 299))
def test_reasons_add_up_and_of_each_the_strangest_statistic_counts(row: int) -> None:
    """Of the three statistics size and ratio are of one reason."""
    one, same, two, none = (
        score(change(SCORES, row, **{"size": 0.0, "colour": 0.0, "ratio": 1.0} | values))[row]
        for values in (
            {"size": 60.0},
            {"size": 60.0, "ratio": 1.5},
            {"size": 60.0, "colour": 60.0},
            {},
        )
    )
    assert two > one > none
    assert same == pytest.approx(one, rel=1e-6)


def test_evidence_is_of_p_values_and_the_strongest_is_added() -> None:
    found = compare(SCORES, NULL, KIND.waist, SETTINGS)
    p_values = np.exp(-found.evidence)
    assert ((p_values > 0) & (p_values <= 1)).all()
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p_values < level, axis=0) == pytest.approx([level] * 2, abs=0.05)
    # Among points equally faint the larger sum is the larger score.
    near = np.argsort(NULL["magnitude"].to_numpy())
    total = found.evidence.sum(axis=1)[near]
    pairs = np.flatnonzero(np.abs(np.diff(total)) > 1.5)
    assert len(pairs) > 30
    same = np.sign(np.diff(total)[pairs]) == np.sign(np.diff(found.score[near])[pairs])
    assert same.all()


@given(row=st.integers(0, 299), name=st.sampled_from(["colour", "size", "ratio"]))
def test_the_reason_is_that_of_the_strangest_departure(row: int, name: str) -> None:
    quiet = {"colour": 0.0, "size": 0.0, "ratio": 1.0}
    rows = weigh(change(SCORES, row, **quiet | {name: 1e5}), NULL, KIND, SETTINGS)
    assert rows["reason"][row].as_py() == ("colour" if name == "colour" else "size")
    below = weigh(
        change(SCORES, row, **quiet | {"size": -1e5, "colour": 9.0}), NULL, KIND, SETTINGS
    )
    assert below["reason"][row].as_py() == "colour"


def test_stranger_is_rarer_and_ranks_higher() -> None:
    rows = weigh(SCORES, NULL, KIND, SETTINGS).sort_by([("anomaly_score", "descending")])
    assert (np.diff(rows["p_value"].to_numpy()) >= 0).all()
    assert rows["score_rank"].to_pylist() == list(range(1, len(SCORES) + 1))
    assert rows["score_rank_low"].null_count == rows["score_rank_high"].null_count == len(SCORES)


def test_p_values_of_new_candidates_are_even() -> None:
    fresh = draw_scores(KIND, 12345, 2000)
    p_values = compare(fresh, NULL, KIND.waist, SETTINGS).p_value
    for level in (0.1, 0.3, 0.6):
        assert np.mean(p_values < level) == pytest.approx(level, abs=0.08)


def test_p_values_lie_in_their_intervals_which_a_larger_population_narrows() -> None:
    def width(n: int) -> float:
        rows = weigh(SCORES, make_null(draw_scores(KIND, 7, n), KIND, SETTINGS), KIND, SETTINGS)
        low, p, high = (rows[f"p_value{end}"].to_numpy() for end in ("_low", "", "_high"))
        assert ((low <= p) & (p <= high)).all()
        return float(np.median(np.log(high / low)))

    assert width(4000) < 0.5 * width(400)


def test_a_value_is_judged_among_those_as_faint() -> None:
    """A size that is nothing among faint points is much among bright ones."""
    values = np.column_stack([np.zeros(2), np.full(2, 3.0), np.ones(2)])
    found = compare(make_scores(KIND, values, np.array([18.2, 21.8])), NULL, KIND.waist, SETTINGS)
    assert found.departures[0, 1] > 8
    assert found.departures[1, 1] < 2
    assert found.score[0] > found.score[1]
    assert found.p_value[0] < found.p_value[1]


@given(st.lists(st.integers(-5, 5), max_size=20))
def test_ranks_count_those_before(values: list) -> None:
    scores = np.array(values, float)
    for k, place in enumerate(rank(scores)):
        before = np.count_nonzero(scores > scores[k]) + np.count_nonzero(scores[:k] == scores[k])
        assert place == before + 1


def test_conditions_are_those_of_the_declaration() -> None:
    np.testing.assert_allclose(
        locate(SCORES, KIND.waist)[:, 0], SCORES["magnitude"].to_numpy() / 0.5, rtol=1e-6
    )


def test_a_ratio_of_nothing_is_low_and_finite() -> None:
    waist = KIND.waist
    for value in (0.0, -1.0):
        departures = compare(change(SCORES, 3, ratio=value), NULL, waist, SETTINGS).departures
        assert np.isfinite(departures[3, 2])
        assert departures[3, 2] < -8
    flat = replace(waist, statistics=tuple(replace(s, is_ratio=False) for s in waist.statistics))
    plain = compare(SCORES, NULL, flat, SETTINGS).departures
    assert not np.allclose(plain[:, 2], to_matrix(NULL["departures"])[:, 2], atol=0.01)
