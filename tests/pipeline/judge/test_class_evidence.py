"""Rows of evidence: the most telling features of a member, by the classifier of its fold."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_tables import make_kind, make_survey

from catalog_schema.statistics import AMPLITUDES
from catalog_schema.validate import find_violations
from pipeline.judge.class_evidence import describe_sign, gather_evidence
from pipeline.judge.knowledge import Sign
from pipeline.judge.science.taxonomy import Taxonomy
from pipeline.lake.store import to_matrix
from pipeline.science.draw import assign_folds
from pipeline.science.measured import Finds

KIND = make_kind()
WAIST, KINDS = KIND.waist, ("blot", "normal", "smear")
SEEDS = st.integers(0, 999)


def make_taxonomies(rng: np.random.Generator) -> tuple[Taxonomy, ...]:
    return tuple(Taxonomy(KINDS, rng.normal(size=(3, 2, 4)), rng.normal(size=3)) for _ in range(2))


def draw_finds(rng: np.random.Generator, n: int) -> Finds:
    """Return what three statistics found; nobody asks for what none of them is declared to find."""
    finds = Finds.nothing(n, 3)
    finds.wave[:] = rng.uniform(1000, 2000, (n, 3))
    return finds


def make(seed: int, n_told: int) -> dict[str, Any]:
    """Return what evidence is gathered from, and the evidence."""
    rng = np.random.default_rng(seed)
    survey = make_survey(KIND, seed)
    n = survey.n_members
    rows = rng.permutation(n)[:7]
    facts = {
        "survey": survey,
        "rows": rows,
        "taxonomies": make_taxonomies(rng),
        "departures": rng.normal(size=(n, 4)) * 3,
        "probabilities": rng.dirichlet(np.ones(3), n),
        "finds": draw_finds(rng, len(rows)),
    }
    return facts | {"found": gather_evidence(kind=KIND, n_told=n_told, **facts)}


@given(seed=SEEDS, n_told=st.integers(1, 5))
def test_evidence_is_that_of_brute_force(seed: int, n_told: int) -> None:
    made = make(seed, n_told)
    survey, found = made["survey"], made["found"]
    assert find_violations(found, KIND["evidence"]) == []
    statistics = to_matrix(survey.scores["statistics"])
    wanted = []
    for k, row in enumerate(made["rows"]):
        targetid = survey.significance["TARGETID"][row].as_py()
        taxonomy = made["taxonomies"][assign_folds(np.array([targetid]), 2)[0]]
        likely = max((0, 2), key=lambda kind: made["probabilities"][row, kind])
        told = []
        for j, feature in enumerate(("colour", "size", "ratio", "wobble")):
            departure = made["departures"][row, j]
            weights = taxonomy.coefficients[likely] - taxonomy.coefficients[1]
            term = np.arcsinh(abs(departure)) * weights[0 if departure > 0 else 1, j]
            value = statistics[row, j] if j < 3 else survey.values.value[row, 0]
            wave = made["finds"].wave[k, j] if j < 3 else np.nan
            if not np.isnan(value):
                told.append((abs(term), targetid, feature, value, wave, departure, term))
        wanted += sorted(told, key=lambda one: -one[0])[:n_told]
    assert found["TARGETID"].to_pylist() == [one[1] for one in wanted]
    assert found["feature"].to_pylist() == [one[2] for one in wanted]
    for place, name in ((3, "value"), (4, "wave")):
        column = found[f"feature_{name}"].to_numpy(zero_copy_only=False)
        np.testing.assert_allclose(column, [one[place] for one in wanted], rtol=1e-6)
    for place, name in ((5, "departure"), (6, "contribution")):
        np.testing.assert_allclose(
            found[name], [one[place] for one in wanted], rtol=1e-4, atol=1e-6
        )


@given(seed=SEEDS)
def test_fewer_are_the_first_of_more(seed: int) -> None:
    few, more = (make(seed, n)["found"].to_pandas().groupby("TARGETID") for n in (1, 3))
    assert (few["feature"].first() == more["feature"].first()).all()
    assert (more.size() <= 3).all()


def test_an_error_is_known_of_measurements_alone() -> None:
    found = make(3, 5)["found"].to_pandas()
    is_measured = found["feature"] == "wobble"
    assert is_measured.any()
    assert (found["feature_error"][is_measured] == 0.5).all()
    assert found["feature_error"][~is_measured].isna().all()
    assert found["feature_snr"][~is_measured].isna().all()
    measured = found[is_measured]
    np.testing.assert_allclose(measured["feature_snr"], measured["feature_value"] / 0.5)
    assert set(found["anomaly_class"]) == {"artefact"}


def test_of_an_amplitude_s_significance_the_amplitude_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(AMPLITUDES, "colour", ("{} of the light", "mag"))
    rng = np.random.default_rng(0)
    survey, rows = make_survey(KIND, 0), np.array([4, 1])
    finds = Finds.nothing(2, 3)
    finds.value[:, 0], finds.error[:, 0], finds.wave[:, 0] = (31.0, np.nan), (2.0, np.nan), 1500.0
    finds.z[0, 0], finds.period[0, 0], finds.name[:, 0] = 0.5, 45.0, "ghost at z = 0.5"
    n = survey.n_members
    departures = np.full((n, 4), [9.0, 0.0, 0.0, 0.0])
    weights = np.zeros((3, 2, 4))
    weights[0] = 1.0
    taxonomies = (Taxonomy(KINDS, weights, np.zeros(3)),) * 2
    probabilities = rng.dirichlet(np.ones(3), n)
    probabilities[:, 0] = 1
    found = gather_evidence(
        survey, KIND, rows, taxonomies, departures, probabilities, finds, 1
    ).to_pylist()
    assert [row["feature"] for row in found] == ["colour"] * 2
    snr = to_matrix(survey.scores["statistics"])[rows, 0]
    np.testing.assert_allclose([row["feature_snr"] for row in found], snr, rtol=1e-6)
    first, second = found
    told = {name: first[f"feature_{name}"] for name in ("value", "error", "wave", "z", "period")}
    assert told == {"value": 31, "error": 2, "wave": 1500, "z": 0.5, "period": 45}
    assert first["feature_unit"] == "mag"
    assert (
        first["statement"] == f"ghost at z = 0.5: 31.0 ± 2.0 mag of the light, {abs(snr[0]):.1f} σ"
    )
    # An amplitude that nothing tells is still significant.
    assert second["feature_value"] is None
    assert second["statement"] == f"ghost at z = 0.5: {abs(snr[1]):.1f} σ"


@given(seed=SEEDS, example=st.sampled_from(["blot", "smear"]))
def test_a_sign_adds_the_gain_in_odds_against_normal(seed: int, example: str) -> None:
    rng = np.random.default_rng(seed)
    survey = make_survey(KIND, seed)
    before, after = (rng.dirichlet(np.ones(3), survey.n_members) for _ in range(2))
    rows = np.array([4, 1])
    shown = {
        "feature": ["colour"] * 2,
        "feature_value": [1.0, 2.0],
        "feature_error": [0.1, 0.2],
        "feature_wave": [None, None],
        "compared_mjd": [None, None],
        "departure": [3.0, 4.0],
    }
    found = describe_sign(Sign(example, rows, shown), survey.members, KIND, before, after)
    assert found["TARGETID"] == survey.members["TARGETID"].take(rows)
    assert found["departure"].to_pylist() == [3.0, 4.0]
    k = KINDS.index(example)
    odds = [np.log(p[rows, k] / p[rows, 1]) for p in (before, after)]
    np.testing.assert_allclose(found["contribution"], odds[1] - odds[0], rtol=1e-4, atol=1e-5)
    same = describe_sign(Sign(example, rows, shown), survey.members, KIND, before, before)
    assert same["contribution"].to_pylist() == [0.0, 0.0]


def test_the_gain_is_finite_where_a_kind_was_impossible() -> None:
    survey = make_survey(KIND)
    never, sure = np.array([[0.0, 1.0, 0.0]]), np.array([[1.0, 0.0, 0.0]])
    before, after = (np.repeat(p, survey.n_members, 0) for p in (never, sure))
    names = ("feature_value", "feature_error", "feature_wave", "compared_mjd")
    shown: dict[str, Any] = {name: [None] for name in names}
    sign = Sign("blot", np.array([0]), shown | {"feature": ["size"], "departure": [1.0]})
    gain = describe_sign(sign, survey.members, KIND, before, after)["contribution"][0].as_py()
    assert gain == pytest.approx(2 * np.log(1e30), rel=1e-6)
