"""Stage `classify`: what each spectrum is, with probabilities, evidence, map and clusters."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import (
    CLASSES,
    EVIDENCE,
    MEASURED,
    arrow_schema,
)
from catalog_schema.vocabulary import AnomalyClass, ArtefactKind, ClassState, Tier
from pipeline import calibrate, models
from pipeline.config import CalibrateSettings, ClassifySettings, Config
from pipeline.examples import KIND_CLASSES, NORMAL, WRONG_Z, Examples, plant_examples
from pipeline.measured_survey import (
    FEATURES,
    Survey,
    find_departures,
    get_feature_values,
    read_survey,
)
from pipeline.models import assign_folds, read_card
from pipeline.science.calibration import join_p_values
from pipeline.science.crowding import find_crowding
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.science.families import draw_map, find_axes, find_clusters
from pipeline.science.taxonomy import Taxonomy, fit_taxonomy
from pipeline.shards import Report, read_contents
from pipeline.store import Store, columns_to_table, make_fingerprint, to_matrix
from pipeline.train import find_model_id

STAGE = "classify"
REVISION = 3

_KEY = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
_CLASSES = AnomalyClass.values()
_KINDS = tuple(sorted(KIND_CLASSES))
_LAYOUT = ("map_x", "map_y", "cluster", "cluster_stability")
# A p-value below which a spectrum counts as strange, where strange spectra are counted.
_STRANGE = 0.01
# A host's own p-value is at least this: it is no anomaly.
_ORDINARY = 0.1
# A spectrum of which less than this can be measured has hardly a pixel.
_MIN_MEASURED = 12
# What a vanished anomaly leaves to all classes but the wrong redshift.
_DOUBT = 0.05
_NEVER = 1e-30


def classify(store: Store, config: Config) -> Report:
    """Classify every scored quasar.

    Parameters
    ----------
    store : Store
        Reads `measurements`, `scores`, `tiers`, `restframe` and the model with its `null`; writes
        `classes` and `evidence`.
    config : Config
        Reads ``classify``, ``score``, ``calibrate`` and ``run.seed``.

    Returns
    -------
    Report
        Of the dataset `classes`.
    """
    (evidence_path, fingerprint), (classes_path, _) = plan(store, config).items()
    done = [store.find_done(path, fingerprint) for path in (evidence_path, classes_path)]
    if all(done) and done[1]:
        return Report(CLASSES.name, skipped=1, n_expected=done[1].n_made, n_made=done[1].n_made)
    survey = read_survey(store)
    folder = store.lake.model(find_model_id(store, config))
    hosts, n_folds = choose_hosts(survey, config.classify), int(read_card(folder)["folds"])
    if len(set(assign_folds(hosts["TARGETID"].to_numpy(), n_folds))) > 1:
        examples = plant_examples(store, config, folder, hosts)
        null = store.read(folder / models.NULL)
        classes, evidence = classify_survey(survey, examples, null, config, n_folds)
    else:
        classes, evidence = leave_unclassified(survey, config.classify)
    n = classes.num_rows
    store.write(evidence_path, evidence, EVIDENCE, fingerprint=fingerprint,
                n_expected=evidence.num_rows, n_made=evidence.num_rows)  # fmt: skip
    store.write(classes_path, classes, CLASSES, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(CLASSES.name, made=1, n_expected=n, n_made=n)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the files that the stage is to make, `evidence` first, and their fingerprint."""
    inputs = list(read_contents(store, "measure", MEASURED.name).values())
    inputs += [*calibrate.plan(store, config).values(), str(config.run.seed)]
    sections = [config.classify, config.score, config.calibrate]
    fingerprint = make_fingerprint(STAGE, REVISION, sections, inputs)
    return {store.lake.table(name): fingerprint for name in (EVIDENCE.name, CLASSES.name)}


def choose_hosts(survey: Survey, settings: ClassifySettings) -> pa.Table:
    """Return the keys of ordinary quasars in which phenomena are planted, drawn by TARGETID."""
    snr = survey.scores["snr"].to_numpy()[: survey.n_quasars]
    p_value = survey.tiers["p_value"].to_numpy()
    able = np.flatnonzero(survey.is_ordinary & (p_value > _ORDINARY) & (snr >= settings.min_snr))
    draw = hash_to_unit(survey.tiers["TARGETID"].to_numpy()[able], Stream.EXAMPLE_HOST)
    rows = able[np.argsort(draw, kind="stable")[: settings.hosts]]
    return survey.tiers.select(_KEY).take(pa.array(np.sort(rows)))


def classify_survey(
    survey: Survey, examples: Examples, null: pa.Table, config: Config, n_folds: int
) -> tuple[pa.Table, pa.Table]:
    """Classify the quasars of a survey.

    Parameters
    ----------
    survey : Survey
    examples : Examples
    null : pyarrow.Table
        Rows of `null`.
    config : Config
    n_folds : int
        No quasar is classified by what learnt from itself: one classifier for each fold.

    Returns
    -------
    classes, evidence : pyarrow.Table
        Rows of `classes` and `evidence`.
    """
    settings, n = config.classify, survey.n_quasars
    departures = find_departures(survey, survey.scores, survey.values, null, config)
    planted = find_departures(survey, examples.scores, examples.measured, null, config)
    state = find_states(survey, settings)
    folds = assign_folds(survey.tiers["TARGETID"].to_numpy(), n_folds)
    taxonomies = [
        _teach(survey, examples, departures, planted, settings, n_folds, fold)
        for fold in range(n_folds)
    ]
    probabilities = np.zeros((n, len(_KINDS)))
    for fold, taxonomy in enumerate(taxonomies):
        rows = np.flatnonzero(folds == fold)
        known = np.searchsorted(_KINDS, taxonomy.kinds)
        probabilities[np.ix_(rows, known)] = taxonomy.find_probabilities(departures[rows])
    is_classified = state == ClassState.CLASSIFIED.value
    better_z = find_better_redshifts(survey, settings)
    better_z[~is_classified] = np.nan
    probabilities = prefer_redshift(probabilities, ~np.isnan(better_z))
    layout = _lay_out(survey, departures[:n], is_classified, config)
    layout |= {"better_z": better_z, **_find_crowds(survey)}
    layout["joint_p_value"] = find_joint_p_values(
        survey, probabilities, is_classified, config.calibrate
    )
    classes = make_classes(survey.tiers.select(_KEY), probabilities, state, layout)
    is_told = is_classified & (
        pc.not_equal(survey.tiers["tier"], Tier.NONE.value).to_numpy()
        | (classes["anomaly_class"].to_numpy(zero_copy_only=False) != NORMAL)
    )
    evidence = _gather_evidence(
        survey, np.flatnonzero(is_told), taxonomies, folds, departures, probabilities, settings
    )
    return classes, evidence


def leave_unclassified(survey: Survey, settings: ClassifySettings) -> tuple[pa.Table, pa.Table]:
    """Return rows of `classes` for a survey too small to learn from, and no `evidence`."""
    state = find_states(survey, settings)
    state[state == ClassState.CLASSIFIED.value] = ClassState.NO_EXAMPLES.value
    empty = ("better_z", "joint_p_value", *_LAYOUT)
    nothing = {name: np.full(survey.n_quasars, np.nan) for name in empty}
    nothing |= _find_crowds(survey)
    probabilities = np.zeros((survey.n_quasars, len(_KINDS)))
    classes = make_classes(survey.tiers.select(_KEY), probabilities, state, nothing)
    return classes, arrow_schema(EVIDENCE).empty_table()


def find_states(survey: Survey, settings: ClassifySettings) -> NDArray[np.str_]:
    """Return for each quasar whether it can be classified, shape (n_quasars,)."""
    snr = survey.scores["snr"].to_numpy()[: survey.n_quasars]
    values = to_matrix(survey.measured["measured"].slice(0, survey.n_quasars))
    return np.select(
        [
            np.isfinite(values).sum(axis=1) < _MIN_MEASURED,
            ~(np.nan_to_num(snr) >= settings.min_snr),
        ],
        [ClassState.TOO_FEW_PIXELS.value, ClassState.NO_SIGNAL.value],
        default=ClassState.CLASSIFIED.value,
    )


def find_better_redshifts(survey: Survey, settings: ClassifySettings) -> NDArray[np.float64]:
    """Return the redshift at which an anomaly vanishes, NaN where none does, shape (n_quasars,)."""
    z, p_value = (
        pc.fill_null(survey.measured[name].slice(0, survey.n_quasars), np.nan).to_numpy()
        for name in ("rival_z", "rival_p_value")
    )
    return np.where(p_value > settings.vanish_p_value, z, np.nan)


def prefer_redshift(probabilities: NDArray, is_better: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give the wrong redshift at least nineteen twentieths where a better one has been found.

    Parameters
    ----------
    probabilities : ndarray, shape (n, number of kinds)
    is_better : ndarray of bool, shape (n,)
        Whether the anomaly vanishes at another redshift.
    """
    wrong = _KINDS.index(WRONG_Z)
    others = np.delete(np.arange(len(_KINDS)), wrong)
    limited = probabilities.copy()
    rest = probabilities[:, others].sum(axis=1)
    factor = np.where(is_better, np.minimum(1.0, _DOUBT / np.maximum(rest, 1e-30)), 1.0)
    limited[:, others] *= factor[:, None]
    limited[:, wrong] = np.maximum(1 - limited[:, others].sum(axis=1), 0)
    return limited


def find_joint_p_values(
    survey: Survey, probabilities: NDArray, is_classified: NDArray[np.bool_],
    settings: CalibrateSettings,
) -> NDArray[np.float64]:  # fmt: skip
    """Return how rare score and odds against normal together are, shape (n_quasars,).

    Among the classified core quasars; NaN for a quasar without a class.

    Parameters
    ----------
    survey : Survey
    probabilities : ndarray, shape (n_quasars, number of kinds)
    is_classified : ndarray of bool, shape (n_quasars,)
    settings : CalibrateSettings
    """
    joint = np.full(survey.n_quasars, np.nan)
    rows = np.flatnonzero(is_classified)
    if survey.is_core[rows].any():
        normal = _KINDS.index(NORMAL)
        likely = np.maximum(probabilities[rows], _NEVER)
        log_odds = np.log(np.delete(likely, normal, axis=1).sum(axis=1)) - np.log(likely[:, normal])
        joint[rows] = join_p_values(
            survey.tiers["p_value"].to_numpy()[rows], log_odds, survey.is_core[rows],
            settings.tail_fraction, settings.contamination,
        )  # fmt: skip
    return joint


def make_classes(
    keys: pa.Table, probabilities: NDArray, state: NDArray[np.str_], columns: dict[str, NDArray]
) -> pa.Table:  # fmt: skip
    """Fold the probabilities of kinds into classes and return rows of `classes`.

    Parameters
    ----------
    keys : pyarrow.Table
        SURVEY, PROGRAM, HEALPIX and TARGETID.
    probabilities : ndarray, shape (n, number of kinds)
    state : ndarray of str, shape (n,)
    columns : dict
        The other columns of `classes`; NaN is null.
    """
    belongs = np.array([[KIND_CLASSES[kind] == name for name in _CLASSES] for kind in _KINDS])
    by_class = np.minimum(probabilities @ belongs, 1)
    is_classified = state == ClassState.CLASSIFIED.value
    name = np.array(_CLASSES)[np.argmax(by_class, axis=1)]
    artefact, normal = (_CLASSES.index(c) for c in (AnomalyClass.ARTEFACT, AnomalyClass.NORMAL))
    of_anomaly = by_class[:, artefact] / np.maximum(1 - by_class[:, normal], 1e-12)
    faults = [_KINDS.index(kind) for kind in ArtefactKind.values()]
    fault = np.array(_KINDS)[faults][np.argmax(probabilities[:, faults], axis=1)]
    is_fault = is_classified & (name == AnomalyClass.ARTEFACT.value)
    columns = columns | {
        **{key: keys[key] for key in _KEY},
        "class_state": state,
        "artefact_probability": np.where(is_classified, np.clip(of_anomaly, 0, 1), np.nan),
        "anomaly_class": pa.array(name, mask=~is_classified),
        "class_probabilities": np.where(is_classified[:, None], by_class, np.nan),
        "artefact_kind": pa.array(fault, mask=~is_fault),
    }
    columns["class_probabilities"] = columns["class_probabilities"].astype(np.float32)
    cluster = columns["cluster"]
    columns["cluster"] = pa.array(np.nan_to_num(cluster).astype(np.int32), mask=np.isnan(cluster))
    return columns_to_table(CLASSES, columns)


def _teach(
    survey: Survey, examples: Examples, departures: NDArray, planted: NDArray,
    settings: ClassifySettings, n_folds: int, fold: int,
) -> Taxonomy:  # fmt: skip
    """Fit the taxonomy for one fold: to planted spectra, controls and normal quasars of others."""
    n = survey.n_quasars
    targetids = survey.tiers["TARGETID"].to_numpy()
    normal = np.flatnonzero(survey.is_ordinary & (assign_folds(targetids, n_folds) != fold))
    draw = hash_to_unit(targetids[normal], Stream.NORMAL_EXAMPLE)
    normal = normal[np.argsort(draw, kind="stable")[: settings.normals]]
    controls = survey.measured["control"].slice(n).to_numpy(zero_copy_only=False).astype(str)
    hosts = examples.scores["TARGETID"].to_numpy()
    mine = assign_folds(hosts, n_folds) != fold
    kinds = np.concatenate([np.full(len(normal), NORMAL), controls, examples.kinds[mine]])
    taught = np.concatenate([departures[normal], departures[n:], planted[mine]])
    classes = set(KIND_CLASSES.values()) - {NORMAL}
    share = settings.anomalous_share / len(classes)
    siblings = list(KIND_CLASSES.values())
    shares = {kind: share / siblings.count(name) for kind, name in KIND_CLASSES.items()}
    shares[NORMAL] = 1 - settings.anomalous_share
    return fit_taxonomy(taught, kinds, shares, NORMAL)


def _lay_out(
    survey: Survey, departures: NDArray, is_classified: NDArray[np.bool_], config: Config
) -> dict[str, NDArray]:
    """Return map and clusters of the classified quasars, NaN for all others."""
    settings, seed, n = config.classify, config.run.seed, survey.n_quasars
    found = {name: np.full(n, np.nan) for name in _LAYOUT}
    rows = np.flatnonzero(is_classified)
    if not len(rows):
        return found
    features = np.arcsinh(departures)
    plane = draw_map(features[rows], settings.map_anchors, seed)
    found["map_x"][rows], found["map_y"][rows] = plane.T
    is_strange = survey.tiers["p_value"].to_numpy()[rows] < settings.cluster_p_value
    strange = rows[is_strange]
    if len(strange) >= 2 * settings.cluster_size:
        axes = find_axes(features[strange], seed)
        cluster, stability = find_clusters(axes, settings.cluster_size, settings.bootstraps, seed)
        is_member = cluster > 0
        found["cluster"][strange] = np.where(is_member, cluster, np.nan)
        found["cluster_stability"][strange] = np.where(is_member, stability, np.nan)
    return found


def _find_crowds(survey: Survey) -> dict[str, NDArray]:
    """Return whether the spectra of a night and of a field are strange more often than others."""
    is_strange = survey.tiers["p_value"].to_numpy() < _STRANGE
    field = survey.tiers["HEALPIX"].to_numpy().astype(np.int64)
    return {
        "night_p_value": find_crowding(survey.night, is_strange),
        "field_p_value": find_crowding(field, is_strange),
    }


def _gather_evidence(
    survey: Survey, rows: NDArray[np.intp], taxonomies: list[Taxonomy], folds: NDArray,
    departures: NDArray, probabilities: NDArray, settings: ClassifySettings,
) -> pa.Table:  # fmt: skip
    """Return the most telling features of some quasars, as rows of `evidence`.

    They speak for the most probable kind of anomaly, also where the class is normal.
    """
    kinds = np.array(_KINDS)
    odd = np.flatnonzero(kinds != NORMAL)
    kind = kinds[odd][np.argmax(probabilities[rows][:, odd], axis=1)]
    terms = np.zeros((len(rows), len(FEATURES)))
    for fold, taxonomy in enumerate(taxonomies):
        mine = np.flatnonzero(folds[rows] == fold)
        terms[mine] = taxonomy.explain(departures[rows[mine]], kind[mine], NORMAL)
    value, error, wave = get_feature_values(survey, rows)
    telling = np.where(np.isnan(value), 0.0, np.abs(terms))
    best = np.argsort(-telling, axis=1, kind="stable")[:, : settings.evidence]
    row, column = np.repeat(np.arange(len(rows)), best.shape[1]), best.ravel()
    kept = telling[row, column] > 0
    row, column = row[kept], column[kept]
    keys = survey.tiers.select(_KEY).take(pa.array(rows[row]))
    columns = {
        **{name: keys[name] for name in _KEY},
        "anomaly_class": [KIND_CLASSES[name] for name in kind[row]],
        "feature": FEATURES[column],
        "feature_value": value[row, column],
        "feature_error": error[row, column],
        "feature_wave": wave[row, column],
        "departure": departures[rows[row], column],
        "contribution": terms[row, column],
    }
    return columns_to_table(EVIDENCE, columns)
