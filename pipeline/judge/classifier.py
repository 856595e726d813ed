"""The classifier of a model: what a spectrum is, and how rare its score and its odds together are.

Stage `classify` teaches it and leaves it beside the model; whatever else is to be graded as the
survey's quasars are, planted features and foreign spectra, is judged by it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import NORMS, TAXONOMY, arrow_schema
from catalog_schema.vocabulary import AnomalyClass, ArtefactKind, ClassState
from pipeline.config import Config
from pipeline.judge import null as population
from pipeline.judge.science.calibration import Conditions, join_p_values, standardise
from pipeline.judge.science.taxonomy import Taxonomy
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.run import Run
from pipeline.settings.judge import CalibrateSettings, ClassifySettings
from pipeline.spectra.examples import KIND_CLASSES, NORMAL, WRONG_Z
from pipeline.spectra.model.models import assign_folds
from pipeline.spectra.science.measurements import find_significance
from pipeline.spectra.science.residuals import Measured

KINDS = tuple(sorted(KIND_CLASSES))
CLASSES = AnomalyClass.values()
FEATURES = np.array([*(s.name for s in STATISTICS), *(m.name for m in MEASUREMENTS)])
_BELONGS = np.array([[KIND_CLASSES[kind] == name for name in CLASSES] for kind in KINDS])
# Counts and indices are 0 in most spectra: their spread is none.
_MIN_SPREAD = 0.2
# A spectrum of which less than this can be measured has hardly a pixel.
_MIN_MEASURED = 12
# What a vanished anomaly leaves to all kinds but the wrong redshift, and a changed line to all but
# the changing look.
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
    if not run.find_content(TAXONOMY.name) or not (rows := run.read(TAXONOMY.name)).num_rows:
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
    return Classifier(run.read(NORMS.name), tuple(taxonomies))


def tabulate_taxonomies(taxonomies: tuple[Taxonomy, ...]) -> pa.Table:
    """Return the rows of `taxonomy`, from which `read_classifier` makes them again."""
    parts = [
        columns_to_table(
            TAXONOMY,
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
    return pa.concat_tables([arrow_schema(TAXONOMY).empty_table(), *parts])


def judge(
    classifier: Classifier | None,
    null: pa.Table,
    scores: pa.Table,
    rows: pa.Table,
    config: Config,
) -> dict[str, Any]:
    """Judge spectra from outside the survey as if they were its quasars.

    Parameters
    ----------
    classifier : Classifier or None
        Without one there is no class, and the score alone counts.
    null, scores, rows : pyarrow.Table
        Rows of `null`, of `scores` and, of the same spectra, of `measurements`.
    config : Config

    Returns
    -------
    dict
        Columns ``anomaly_score`` and ``p_value``, and those of `name_classes`.
    """
    measured = read_measured(rows)
    state = find_states(scores, measured, config.classify)
    if classifier is None:
        state = _without_examples(state)
        _, score, p_value = population.compare(scores, null, config.calibrate)
        probabilities = np.zeros((len(state), len(KINDS)))
        better_z, joint = np.full(len(state), np.nan), _leave_unjoined(p_value, state)
    else:
        departures, score, p_value = compare(classifier.norms, null, scores, measured, config)
        targetids = scores["TARGETID"].to_numpy()
        probabilities = find_probabilities(classifier.taxonomies, departures, targetids)
        better_z = find_better_redshifts(rows, state, config.classify)
        probabilities = prefer(probabilities, WRONG_Z, ~np.isnan(better_z))
        log_odds = find_log_odds(probabilities, state)
        joint = join(classifier.norms, p_value, log_odds, config.calibrate)
    named = name_classes(probabilities, state, joint, better_z)
    return {"anomaly_score": score, "p_value": p_value, **named}


def read_measured(rows: pa.Table) -> Measured:
    """Return the measurements of rows of `measurements`, arrays of shape (n, their number)."""
    names = ("measured", "measured_error", "measured_wave")
    return Measured(*(to_matrix(rows[name]).astype(np.float64) for name in names))


def compare(
    norms: pa.Table, null: pa.Table, scores: pa.Table, measured: Measured, config: Config
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return departures (n, number of features), combined score (n,) and p-value (n,).

    Parameters
    ----------
    norms, null, scores : pyarrow.Table
        Rows of the tables of these names.
    measured : Measured
        Arrays of shape (n, number of measurements).
    config : Config
    """
    ordinary = norms.filter(norms["is_ordinary"])
    reference = Conditions(*(ordinary[name].to_numpy() for name in ("log_snr", "Z", "coverage")))
    statistics, score, p_value = population.compare(scores, null, config.calibrate)
    physical = standardise(
        reference,
        to_matrix(ordinary["significances"]).astype(np.float64),
        population.get_conditions(scores),
        find_significance(measured),
        config.calibrate.neighbours,
        _MIN_SPREAD,
    )
    return np.hstack([statistics, physical]), score, p_value


def find_probabilities(
    taxonomies: tuple[Taxonomy, ...], departures: NDArray, targetids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the probability of every kind by what has not learnt from it, (n, len(KINDS))."""
    probabilities = np.zeros((len(targetids), len(KINDS)))
    folds = assign_folds(targetids, len(taxonomies))
    for fold, taxonomy in enumerate(taxonomies):
        rows = np.flatnonzero(folds == fold)
        known = np.searchsorted(KINDS, taxonomy.kinds)
        probabilities[np.ix_(rows, known)] = taxonomy.find_probabilities(departures[rows])
    return probabilities


def find_better_redshifts(
    measured: pa.Table, state: NDArray[np.str_], settings: ClassifySettings
) -> NDArray[np.float64]:
    """Return the redshift at which an anomaly vanishes, shape (n,); NaN where none does.

    Parameters
    ----------
    measured : pyarrow.Table
        Rows of `measurements`.
    state : ndarray of str, shape (n,)
    settings : ClassifySettings
    """
    z, p_value = (
        measured[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in ("rival_z", "rival_p_value")
    )
    has_vanished = (p_value > settings.vanish_p_value) & (state == ClassState.CLASSIFIED.value)
    return np.where(has_vanished, z, np.nan)


def prefer(probabilities: NDArray, kind: str, is_told: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give a kind at least nineteen twentieths where something beside the classifier tells it.

    Parameters
    ----------
    probabilities : ndarray, shape (n, len(KINDS))
    kind : str
    is_told : ndarray of bool, shape (n,)
    """
    own = KINDS.index(kind)
    others = np.delete(np.arange(len(KINDS)), own)
    limited = probabilities.copy()
    rest = probabilities[:, others].sum(axis=1)
    factor = np.where(is_told, np.minimum(1.0, _DOUBT / np.maximum(rest, NEVER)), 1.0)
    limited[:, others] *= factor[:, None]
    limited[:, own] = np.maximum(1 - limited[:, others].sum(axis=1), 0)
    return limited


def find_states(
    scores: pa.Table, measured: Measured, settings: ClassifySettings
) -> NDArray[np.str_]:
    """Return for each spectrum whether it can be classified, shape (n,)."""
    snr = scores["snr"].to_numpy()
    return np.select(
        [
            np.isfinite(measured.value).sum(axis=1) < _MIN_MEASURED,
            ~(np.nan_to_num(snr) >= settings.min_snr),
        ],
        [ClassState.TOO_FEW_PIXELS.value, ClassState.NO_SIGNAL.value],
        default=ClassState.CLASSIFIED.value,
    )


def _without_examples(state: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the states where nothing has taught the classes."""
    return np.where(state == ClassState.CLASSIFIED.value, ClassState.NO_EXAMPLES.value, state)


def find_log_odds(probabilities: NDArray, state: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the logarithm of the odds against normal, NaN where not classified, shape (n,)."""
    likely = np.maximum(probabilities, NEVER)
    normal = KINDS.index(NORMAL)
    log_odds = np.log(np.delete(likely, normal, axis=1).sum(axis=1)) - np.log(likely[:, normal])
    # Sums in another order must not change the rank of a spectrum among its like.
    return np.where(state == ClassState.CLASSIFIED.value, np.round(log_odds, 9), np.nan)


def join(
    norms: pa.Table, p_value: NDArray, log_odds: NDArray, settings: CalibrateSettings
) -> NDArray[np.float64]:
    """Return how rare score and odds together are among the core quasars, shape (n,).

    Parameters
    ----------
    norms : pyarrow.Table
        Rows of `norms`.
    p_value, log_odds : ndarray, shape (n,)
        NaN log odds give NaN.
    settings : CalibrateSettings
    """
    known = norms.filter(norms["log_odds"].is_valid())
    if not known.num_rows:
        return np.where(np.isnan(log_odds), np.nan, p_value)
    reference = (known["p_value"].to_numpy(), known["log_odds"].to_numpy())
    tail = (settings.tail_fraction, settings.contamination)
    joint = join_p_values(p_value, np.nan_to_num(log_odds), reference, *tail)
    return np.where(np.isnan(log_odds), np.nan, joint)


def _leave_unjoined(p_value: NDArray, state: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the p-values that stand for joint ones where nothing taught the classes, (n,)."""
    return np.where(state == ClassState.NO_EXAMPLES.value, p_value, np.nan)


def _fold_kinds(probabilities: NDArray) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return the probability of each class (n, c) and the name of the most probable one (n,)."""
    by_class = np.minimum(probabilities @ _BELONGS, 1)
    return by_class, np.array(CLASSES)[np.argmax(by_class, axis=1)]


def name_classes(
    probabilities: NDArray, state: NDArray[np.str_], joint_p_value: NDArray, better_z: NDArray
) -> dict[str, Any]:
    """Return the columns that say what spectra are.

    Parameters
    ----------
    probabilities : ndarray, shape (n, len(KINDS))
    state : ndarray of str, shape (n,)
    joint_p_value, better_z : ndarray, shape (n,)

    Returns
    -------
    dict
        ``class_state``, ``anomaly_class``, ``class_probabilities``, ``log_odds``,
        ``joint_p_value``, ``artefact_probability``, ``artefact_kind`` and ``better_z``; NaN is
        null.
    """
    by_class, name = _fold_kinds(probabilities)
    is_classified = state == ClassState.CLASSIFIED.value
    artefact, normal = (CLASSES.index(c) for c in (AnomalyClass.ARTEFACT, AnomalyClass.NORMAL))
    of_anomaly = by_class[:, artefact] / np.maximum(1 - by_class[:, normal], 1e-12)
    faults = [KINDS.index(kind) for kind in ArtefactKind.values()]
    fault = np.array(KINDS)[faults][np.argmax(probabilities[:, faults], axis=1)]
    is_fault = is_classified & (name == AnomalyClass.ARTEFACT.value)
    told = np.where(is_classified[:, None], by_class, np.nan)
    return {
        "class_state": state,
        "anomaly_class": pa.array(name, mask=~is_classified),
        "class_probabilities": told.astype(np.float32),
        "log_odds": find_log_odds(probabilities, state),
        "joint_p_value": joint_p_value,
        "artefact_probability": np.where(is_classified, np.clip(of_anomaly, 0, 1), np.nan),
        "artefact_kind": pa.array(fault, mask=~is_fault),
        "better_z": better_z,
    }
