"""The classifier of a model: what a candidate is, and how rare its score and its odds together are.

Stage `classify` teaches it and leaves it beside the model; whatever else is to be graded as the
survey's members are, planted features and foreign rows, is judged by it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.column import arrow_schema
from catalog_schema.kind import Kind
from catalog_schema.vocabulary import ClassState
from catalog_schema.waist import ARTEFACT, NORMAL, UNKNOWN, Waist
from pipeline.judge.knowledge import Knowledge
from pipeline.judge.null import Population, locate
from pipeline.judge.science.calibration import join_p_values, standardise
from pipeline.judge.science.taxonomy import Taxonomy
from pipeline.judge.survey import read_measured
from pipeline.lake.align import find_rows
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.run import Run
from pipeline.science.draw import assign_folds
from pipeline.science.measured import Measured, find_significance
from pipeline.settings.judge import CalibrateSettings

# Counts and indices are 0 in most candidates: their spread is none.
_MIN_SPREAD = 0.2
# What a sign of one kind leaves to all the others.
_DOUBT = 0.05
# A smaller probability is rounding.
NEVER = 1e-30


@dataclass(frozen=True)
class Classifier:
    """What `classify` has learnt.

    Attributes
    ----------
    norms : pyarrow.Table
        Rows of `norms`.
    taxonomies : tuple of Taxonomy
        One for each fold, which has learnt from the others.
    """

    norms: pa.Table
    taxonomies: tuple[Taxonomy, ...]


def read_classifier(run: Run) -> Classifier | None:
    """Return the classifier beside a model; None where none was taught."""
    if not run.find_content("taxonomy") or not (rows := run.read("taxonomy")).num_rows:
        return None
    folds = rows["fold"].to_numpy()
    weights = np.stack([to_matrix(rows[f"weights_{side}"]) for side in ("above", "below")], axis=1)
    kinds, intercepts = rows["example_kind"].to_pylist(), rows["intercept"].to_numpy()
    taxonomies = []
    for fold in np.unique(folds):
        mine = np.flatnonzero(folds == fold)
        taxonomies.append(
            Taxonomy(tuple(kinds[row] for row in mine), weights[mine], intercepts[mine])
        )
    return Classifier(run.read("norms"), tuple(taxonomies))


def tabulate_taxonomies(taxonomies: tuple[Taxonomy, ...], kind: Kind) -> pa.Table:
    """Return the rows of `taxonomy`, from which `read_classifier` makes them again."""
    parts = [
        columns_to_table(
            kind["taxonomy"],
            {
                "fold": np.full(len(taxonomy.kinds), fold, np.int32),
                "example_kind": taxonomy.kinds,
                "intercept": taxonomy.intercepts,
                "weights_above": taxonomy.coefficients[:, 0],
                "weights_below": taxonomy.coefficients[:, 1],
            },
        )
        for fold, taxonomy in enumerate(taxonomies)
    ]
    return pa.concat_tables([arrow_schema(kind["taxonomy"]).empty_table(), *parts])


def judge(
    classifier: Classifier | None,
    population: Population,
    scores: pa.Table,
    rows: pa.Table,
    knowledge: Knowledge,
) -> dict[str, Any]:
    """Judge candidates from outside the survey as if they were its members.

    Parameters
    ----------
    classifier : Classifier or None
        Without one there is no class, and the score alone counts.
    population : Population
    scores, rows : pyarrow.Table
        Rows of `scores` and, of the same candidates, of `measurements`.
    knowledge : Knowledge

    Returns
    -------
    dict
        Columns ``anomaly_score`` and ``p_value``, and those of `name_classes`.
    """
    waist, config = knowledge.waist, knowledge.config
    measured = read_measured(rows, waist)
    state = knowledge.find_states(scores, measured)
    if classifier is None:
        state = _without_examples(state)
        found = population.compare(scores)
        score, p_value = found.score, found.p_value
        probabilities = np.zeros((len(state), len(waist.kinds)))
        joint = _leave_unjoined(p_value, state)
    else:
        departures, score, p_value = compare(classifier.norms, population, scores, measured)
        targetids = scores["TARGETID"].to_numpy()
        probabilities = find_probabilities(classifier.taxonomies, departures, targetids, waist)
    signs = knowledge.find_signs(rows, state)
    if classifier is not None:
        for sign in signs.missing:
            probabilities = doubt(probabilities, sign.kind, sign.rows, waist)
        for sign in signs.signs:
            probabilities = prefer(probabilities, sign.kind, sign.rows, waist)
        log_odds = find_log_odds(probabilities, state, waist)
        joint = join(classifier.norms, scores, p_value, log_odds, config.calibrate)
    named = name_classes(probabilities, state, joint, waist)
    return {"anomaly_score": score, "p_value": p_value, **named, **signs.told}


def compare(
    norms: pa.Table, population: Population, scores: pa.Table, measured: Measured
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return departures (n, number of features), combined score (n,) and p-value (n,).

    Parameters
    ----------
    norms, scores : pyarrow.Table
        Rows of the tables of these names.
    population : Population
    measured : Measured
        Arrays of shape (n, number of measurements).
    """
    ordinary = norms.filter(norms["is_ordinary"])
    found = population.compare(scores)
    physical = standardise(
        locate(ordinary, population.waist),
        to_matrix(ordinary["significances"]).astype(np.float64),
        locate(scores, population.waist),
        find_significance(measured),
        population.settings.neighbours,
        _MIN_SPREAD,
        (ordinary["TARGETID"].to_numpy(), scores["TARGETID"].to_numpy()),
    )
    return np.hstack([found.departures, physical]), found.score, found.p_value


def find_probabilities(
    taxonomies: tuple[Taxonomy, ...],
    departures: NDArray,
    targetids: NDArray[np.int64],
    waist: Waist,
) -> NDArray[np.float64]:
    """Return the probability of every kind by what has not learnt from it, (n, number of kinds)."""
    probabilities = np.zeros((len(targetids), len(waist.kinds)))
    folds = assign_folds(targetids, len(taxonomies))
    for fold, taxonomy in enumerate(taxonomies):
        rows = np.flatnonzero(folds == fold)
        known = np.searchsorted(waist.kinds, taxonomy.kinds)
        probabilities[np.ix_(rows, known)] = taxonomy.find_probabilities(departures[rows])
    return probabilities


def prefer(
    probabilities: NDArray, kind: str, rows: NDArray[np.intp], waist: Waist
) -> NDArray[np.float64]:
    """Give a kind at least nineteen twentieths where something beside the classifier tells it.

    Parameters
    ----------
    probabilities : ndarray, shape (n, number of kinds)
    kind : str
    rows : ndarray of int, shape (m,)
        Where it is told.
    waist : Waist
    """
    own = waist.kinds.index(kind)
    others = np.delete(np.arange(len(waist.kinds)), own)
    limited = probabilities.copy()
    rest = probabilities[:, others].sum(axis=1)
    is_told = np.isin(np.arange(len(rest)), rows)
    factor = np.where(is_told, np.minimum(1.0, _DOUBT / np.maximum(rest, NEVER)), 1.0)
    limited[:, others] *= factor[:, None]
    limited[:, own] = np.maximum(1 - limited[:, others].sum(axis=1), 0)
    return limited


def doubt(
    probabilities: NDArray, kind: str, rows: NDArray[np.intp], waist: Waist
) -> NDArray[np.float64]:
    """Leave a kind a twentieth of its probability where what must tell it does not.

    Parameters as of `prefer`.
    """
    own = waist.kinds.index(kind)
    doubted = probabilities.copy()
    doubted[rows, own] *= _DOUBT
    total = probabilities[rows].sum(axis=1, keepdims=True)
    left = np.maximum(doubted[rows].sum(axis=1, keepdims=True), NEVER)
    doubted[rows] *= total / left
    return doubted


def _without_examples(state: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the states where nothing has taught the classes."""
    return np.where(state == ClassState.CLASSIFIED.value, ClassState.NO_EXAMPLES.value, state)


def find_log_odds(
    probabilities: NDArray, state: NDArray[np.str_], waist: Waist
) -> NDArray[np.float64]:
    """Return the logarithm of the odds against normal, NaN where not classified, shape (n,)."""
    likely = np.maximum(probabilities, NEVER)
    normal = waist.kinds.index(NORMAL)
    log_odds = np.log(np.delete(likely, normal, axis=1).sum(axis=1)) - np.log(likely[:, normal])
    # Sums in another order must not change the rank of a candidate among its like.
    return np.where(state == ClassState.CLASSIFIED.value, np.round(log_odds, 9), np.nan)


def join(
    norms: pa.Table,
    rows: pa.Table,
    p_value: NDArray,
    log_odds: NDArray,
    settings: CalibrateSettings,
) -> NDArray[np.float64]:
    """Return how rare score and odds together are among the core members, shape (n,).

    Parameters
    ----------
    norms : pyarrow.Table
        Rows of `norms`.
    rows : pyarrow.Table
        Keys of the candidates.
    p_value, log_odds : ndarray, shape (n,)
        NaN log odds give NaN.
    settings : CalibrateSettings
    """
    known = norms.filter(norms["log_odds"].is_valid())
    if not known.num_rows:
        return np.where(np.isnan(log_odds), np.nan, p_value)
    reference = (known["p_value"].to_numpy(), known["log_odds"].to_numpy())
    tail = (settings.tail_fraction, settings.contamination)
    own = find_rows(known, rows)
    joint = join_p_values(p_value, np.nan_to_num(log_odds), reference, *tail, own)
    return np.where(np.isnan(log_odds), np.nan, joint)


def _leave_unjoined(p_value: NDArray, state: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the p-values that stand for joint ones where nothing taught the classes, (n,)."""
    return np.where(state == ClassState.NO_EXAMPLES.value, p_value, np.nan)


def name_classes(
    probabilities: NDArray, state: NDArray[np.str_], joint_p_value: NDArray, waist: Waist
) -> dict[str, Any]:
    """Return the columns that say what candidates are.

    Parameters
    ----------
    probabilities : ndarray, shape (n, number of kinds)
    state : ndarray of str, shape (n,)
    joint_p_value : ndarray, shape (n,)
    waist : Waist

    Returns
    -------
    dict
        ``class_state``, ``anomaly_class``, ``class_probabilities``, ``log_odds``,
        ``joint_p_value``, ``artefact_probability`` and ``artefact_kind``, the most probable kind
        of artefact whatever the class; NaN is null.
    """
    is_classified = state == ClassState.CLASSIFIED.value
    if not is_classified.any():
        return _leave_unnamed(state, joint_p_value, waist)
    classes, kinds = waist.classes.values(), waist.kinds
    belongs = np.array([[waist.examples[kind] == name for name in classes] for kind in kinds])
    by_class = np.minimum(probabilities @ belongs, 1)
    name = np.array(classes)[np.argmax(by_class, axis=1)]
    artefact, normal = (classes.index(each) for each in (ARTEFACT, NORMAL))
    of_anomaly = by_class[:, artefact] / np.maximum(1 - by_class[:, normal], 1e-12)
    faults = [k for k, kind in enumerate(kinds) if waist.examples[kind] == ARTEFACT]
    fault = np.array(kinds)[faults][np.argmax(probabilities[:, faults], axis=1)]
    # Sums in another order move the last digits, of which single precision keeps those of small
    # probabilities.
    told = np.round(np.where(is_classified[:, None], by_class, np.nan), 7)
    return {
        "class_state": state,
        "anomaly_class": pa.array(name, mask=~is_classified),
        "class_probabilities": told.astype(np.float32),
        "log_odds": find_log_odds(probabilities, state, waist),
        "joint_p_value": joint_p_value,
        "artefact_probability": np.where(is_classified, np.clip(of_anomaly, 0, 1), np.nan),
        "artefact_kind": pa.array(fault, mask=~is_classified),
    }


def rename_found(
    judged: Mapping[str, Any], is_found: Callable[[pa.Array], NDArray[np.bool_]], waist: Waist
) -> dict[str, Any]:
    """Return ``anomaly_class`` by `name_found` and ``artefact_kind`` where that is a fault.

    Parameters
    ----------
    judged : mapping
        As `name_classes` returns it.
    is_found, waist
        As of `name_found`.
    """
    named = name_found(judged["anomaly_class"], judged["class_probabilities"], is_found, waist)
    kinds = show_artefact_kind(judged["artefact_kind"], named)
    return {"anomaly_class": named, "artefact_kind": kinds}


def name_found(
    anomaly_class: pa.Array,
    class_probabilities: NDArray,
    is_found: Callable[[pa.Array], NDArray[np.bool_]],
    waist: Waist,
) -> pa.Array:
    """Return the classes, where one is `NORMAL` although it was found another, shape (n,).

    What stands out is not ordinary, so what it is probably is asked of the other classes alone. It
    takes the one that has at least half of what is not `NORMAL`, if it is found by that name as
    well; else it resembles nothing that was taught, and is `UNKNOWN`.

    Parameters
    ----------
    anomaly_class : pyarrow.Array of str
    class_probabilities : ndarray, shape (n, number of classes)
    is_found : callable
        Tells of some classes which candidates would be found if these were theirs, shape (n,).
    waist : Waist
    """
    names = np.array(waist.classes.values())
    others = np.flatnonzero(names != NORMAL)
    given = np.nan_to_num(class_probabilities[:, others])
    likeliest, share = names[others][np.argmax(given, axis=1)], given.max(axis=1, initial=0)
    is_clear = share >= 0.5 * np.maximum(given.sum(axis=1), NEVER)
    is_odd = pc.and_(pc.equal(anomaly_class, NORMAL), pa.array(is_found(anomaly_class)))
    is_odd = pc.fill_null(is_odd, False)
    named = pc.if_else(is_odd, pa.array(np.where(is_clear, likeliest, UNKNOWN)), anomaly_class)
    is_lost = pc.and_(is_odd, pa.array(~is_found(named)))
    return pc.if_else(is_lost, UNKNOWN, named)


def show_artefact_kind(kinds: pa.Array, anomaly_class: pa.Array) -> pa.Array:
    """Return the most probable kinds of artefact where the class is one, else null, shape (n,)."""
    is_fault = pc.fill_null(pc.equal(anomaly_class, ARTEFACT), False)
    return pc.if_else(is_fault, kinds, pa.scalar(None, pa.string()))


def _leave_unnamed(state: NDArray[np.str_], joint_p_value: NDArray, waist: Waist) -> dict[str, Any]:
    """Return the columns of `name_classes` where nothing was classified."""
    unknown = np.full(len(state), np.nan)
    return {
        "class_state": state,
        "anomaly_class": pa.nulls(len(state), pa.string()),
        "class_probabilities": np.full((len(state), len(waist.classes)), np.nan, np.float32),
        "log_odds": unknown,
        "joint_p_value": joint_p_value,
        "artefact_probability": unknown,
        "artefact_kind": pa.nulls(len(state), pa.string()),
    }
