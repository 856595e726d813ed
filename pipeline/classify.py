"""Stage `classify`: what each spectrum is, with probabilities, evidence, map and clusters."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import (
    CHANGES,
    CLASSES,
    CONTROL_CLASSES,
    EVIDENCE,
    MEASURED,
    arrow_schema,
)
from catalog_schema.vocabulary import AnomalyClass, ArtefactKind, ClassState, ControlKind, Tier
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
from pipeline.science.emission import BROAD_LINES
from pipeline.science.families import draw_map, find_axes, find_clusters
from pipeline.science.taxonomy import Taxonomy, fit_taxonomy
from pipeline.shards import Report, read_contents
from pipeline.store import Store, columns_to_table, make_fingerprint, to_matrix
from pipeline.train import find_model_id

STAGE = "classify"
REVISION = 6

_KEY = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
_CLASSES = AnomalyClass.values()
_KINDS = tuple(sorted(KIND_CLASSES))
CHANGING_LOOK = AnomalyClass.CHANGING_LOOK.value
# Controls from which is learnt what is no quasar.
_TEACHERS = (ControlKind.STAR.value, ControlKind.GALAXY.value)
_TABLES = (EVIDENCE, CONTROL_CLASSES, CLASSES)
_LAYOUT = ("map_x", "map_y", "cluster", "cluster_stability")
# A p-value below which a spectrum counts as strange, where strange spectra are counted.
_STRANGE = 0.01
# A host's own p-value is at least this: it is no anomaly.
_ORDINARY = 0.1
# A spectrum of which less than this can be measured has hardly a pixel.
_MIN_MEASURED = 12
# What a vanished anomaly leaves to all kinds but the wrong redshift, and a changed line to all but
# the changing look.
_DOUBT = 0.05
_NEVER = 1e-30


class Classified(NamedTuple):
    """Rows of `evidence`, `control_classes` and `classes`."""

    evidence: pa.Table
    controls: pa.Table
    classes: pa.Table


def classify(store: Store, config: Config) -> Report:
    """Classify every scored quasar, and the negative controls as if they were quasars.

    Parameters
    ----------
    store : Store
        Reads `measurements`, `changes`, `scores`, `tiers`, `coadds`, `restframe` and the model
        with its `null`; writes `classes`, `control_classes` and `evidence`.
    config : Config
        Reads ``classify``, ``score``, ``calibrate`` and ``run.seed``.

    Returns
    -------
    Report
        Of the dataset `classes`.
    """
    planned = plan(store, config)
    done = [store.find_done(path, fingerprint) for path, fingerprint in planned.items()]
    if all(done) and done[-1]:
        return Report(CLASSES.name, skipped=1, n_expected=done[-1].n_made, n_made=done[-1].n_made)
    survey = read_survey(store)
    folder = store.lake.model(find_model_id(store, config))
    hosts, n_folds = choose_hosts(survey, config.classify), int(read_card(folder)["folds"])
    if len(set(assign_folds(hosts["TARGETID"].to_numpy(), n_folds))) > 1:
        examples = plant_examples(store, config, folder, hosts)
        null = store.read(folder / models.NULL)
        found = classify_survey(survey, examples, null, config, n_folds)
    else:
        found = leave_unclassified(survey, config.classify)
    for (path, fingerprint), table, rows in zip(planned.items(), _TABLES, found, strict=True):
        n = rows.num_rows
        store.write(path, rows, table, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(CLASSES.name, made=1, n_expected=n, n_made=n)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the files that the stage is to make, `classes` last, and their fingerprint."""
    inputs = list(read_contents(store, "measure", MEASURED.name).values())
    inputs += read_contents(store, "earlier", CHANGES.name).values()
    inputs += [*calibrate.plan(store, config).values(), str(config.run.seed)]
    sections = [config.classify, config.score, config.calibrate]
    fingerprint = make_fingerprint(STAGE, REVISION, sections, inputs)
    return {store.lake.table(table.name): fingerprint for table in _TABLES}


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
) -> Classified:
    """Classify the spectra of a survey.

    Parameters
    ----------
    survey : Survey
    examples : Examples
    null : pyarrow.Table
        Rows of `null`.
    config : Config
    n_folds : int
        Nothing is classified by what learnt from itself: one classifier for each fold.
    """
    settings, n = config.classify, survey.n_quasars
    departures = find_departures(survey, survey.scores, survey.values, null, config)
    planted = find_departures(survey, examples.scores, examples.measured, null, config)
    state = find_states(survey, settings)
    folds = assign_folds(survey.measured["TARGETID"].to_numpy(), n_folds)
    taxonomies = [
        _teach(survey, examples, departures, planted, settings, n_folds, fold)
        for fold in range(n_folds)
    ]
    probabilities = np.zeros((len(folds), len(_KINDS)))
    for fold, taxonomy in enumerate(taxonomies):
        rows = np.flatnonzero(folds == fold)
        known = np.searchsorted(_KINDS, taxonomy.kinds)
        probabilities[np.ix_(rows, known)] = taxonomy.find_probabilities(departures[rows])
    is_classified = state == ClassState.CLASSIFIED.value
    better_z = find_better_redshifts(survey, settings)
    better_z[~is_classified[:n]] = np.nan
    probabilities[:n] = prefer(probabilities[:n], WRONG_Z, ~np.isnan(better_z))
    # At another redshift other lines would have been compared.
    has_changed = is_classified[:n] & np.isnan(better_z)
    changes = survey.changes.filter(pa.array(has_changed[survey.changes["row"].to_numpy()]))
    before = probabilities.copy()
    is_changed = np.isin(np.arange(n), changes["row"].to_numpy())
    probabilities[:n] = prefer(probabilities[:n], CHANGING_LOOK, is_changed)
    p_values = _find_p_values(survey, null, config.calibrate)
    joint = find_joint_p_values(
        survey.is_core, p_values, probabilities, is_classified, config.calibrate
    )
    layout = _lay_out(survey, departures[:n], is_classified[:n], config)
    layout |= {"better_z": better_z, "joint_p_value": joint[:n], **_find_crowds(survey)}
    keys = survey.measured.select(_KEY)
    classes = make_classes(keys.slice(0, n), probabilities[:n], state[:n], layout)
    controls = make_control_classes(keys.slice(n), probabilities[n:], state[n:], joint[n:])
    is_told = is_classified[:n] & (
        pc.not_equal(survey.tiers["tier"], Tier.NONE.value).to_numpy()
        | (classes["anomaly_class"].to_numpy(zero_copy_only=False) != NORMAL)
    )
    evidence = _gather_evidence(
        survey, np.flatnonzero(is_told), taxonomies, folds, departures, probabilities, settings
    )
    told = describe_changes(changes, before, probabilities)
    return Classified(pa.concat_tables([evidence, told]), controls, classes)


def leave_unclassified(survey: Survey, settings: ClassifySettings) -> Classified:
    """Return rows without classes for a survey too small to learn from, and no evidence."""
    state, n = find_states(survey, settings), survey.n_quasars
    state[state == ClassState.CLASSIFIED.value] = ClassState.NO_EXAMPLES.value
    nothing = np.full(len(state), np.nan)
    layout = dict.fromkeys(("better_z", "joint_p_value", *_LAYOUT), nothing[:n])
    layout |= _find_crowds(survey)
    probabilities, keys = np.zeros((len(state), len(_KINDS))), survey.measured.select(_KEY)
    return Classified(
        arrow_schema(EVIDENCE).empty_table(),
        make_control_classes(keys.slice(n), probabilities[n:], state[n:], nothing[n:]),
        make_classes(keys.slice(0, n), probabilities[:n], state[:n], layout),
    )


def find_states(survey: Survey, settings: ClassifySettings) -> NDArray[np.str_]:
    """Return for each spectrum whether it can be classified, shape (n,)."""
    snr = survey.scores["snr"].to_numpy()
    values = to_matrix(survey.measured["measured"])
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


def prefer(probabilities: NDArray, kind: str, is_told: NDArray[np.bool_]) -> NDArray:
    """Give a kind at least nineteen twentieths where something beside the classifier tells it.

    Parameters
    ----------
    probabilities : ndarray, shape (n, number of kinds)
    kind : str
    is_told : ndarray of bool, shape (n,)
    """
    own = _KINDS.index(kind)
    others = np.delete(np.arange(len(_KINDS)), own)
    limited = probabilities.copy()
    rest = probabilities[:, others].sum(axis=1)
    factor = np.where(is_told, np.minimum(1.0, _DOUBT / np.maximum(rest, 1e-30)), 1.0)
    limited[:, others] *= factor[:, None]
    limited[:, own] = np.maximum(1 - limited[:, others].sum(axis=1), 0)
    return limited


def describe_changes(changes: pa.Table, before: NDArray, after: NDArray) -> pa.Table:
    """Return the changes that made a changing look, as rows of `evidence`.

    Parameters
    ----------
    changes : pyarrow.Table
        Of `measured_survey.read_changes`.
    before, after : ndarray, shape (n, number of kinds)
        Probabilities without and with the changes.
    """
    rows, lines = changes["row"].to_numpy(), changes["changed_line"].to_pylist()
    gain = _find_log_odds(after[rows], CHANGING_LOOK) - _find_log_odds(before[rows], CHANGING_LOOK)
    columns = {
        **{name: changes[name] for name in _KEY},
        "anomaly_class": [AnomalyClass.CHANGING_LOOK.value] * len(rows),
        "feature": [f"{line}_change" for line in lines],
        "feature_value": changes["line_ratio"],
        "feature_error": changes["line_ratio_error"],
        "feature_wave": [BROAD_LINES[line] for line in lines],
        "compared_mjd": changes["earlier_mjd"],
        "departure": changes["line_change"],
        "contribution": gain,
    }
    return columns_to_table(EVIDENCE, columns)


def _find_log_odds(probabilities: NDArray, kind: str) -> NDArray[np.float64]:
    """Return the logarithm of the odds of a kind against normal, shape (n,)."""
    likely = np.log(np.maximum(probabilities, _NEVER))
    return likely[:, _KINDS.index(kind)] - likely[:, _KINDS.index(NORMAL)]


def find_joint_p_values(
    is_core: NDArray[np.bool_], p_values: NDArray, probabilities: NDArray,
    is_classified: NDArray[np.bool_], settings: CalibrateSettings,
) -> NDArray[np.float64]:  # fmt: skip
    """Return how rare score and odds against normal together are, shape (n,).

    Among the classified core quasars; NaN for what has no class.

    Parameters
    ----------
    is_core, is_classified : ndarray of bool, shape (n,)
    p_values : ndarray, shape (n,)
    probabilities : ndarray, shape (n, number of kinds)
    settings : CalibrateSettings
    """
    joint = np.full(len(p_values), np.nan)
    rows = np.flatnonzero(is_classified)
    if is_core[rows].any():
        normal = _KINDS.index(NORMAL)
        likely = np.maximum(probabilities[rows], _NEVER)
        log_odds = np.log(np.delete(likely, normal, axis=1).sum(axis=1)) - np.log(likely[:, normal])
        joint[rows] = join_p_values(
            p_values[rows], log_odds, is_core[rows], settings.tail_fraction, settings.contamination
        )
    return joint


def make_classes(
    keys: pa.Table, probabilities: NDArray, state: NDArray[np.str_], columns: dict[str, Any]
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
    by_class, name = _fold(probabilities)
    is_classified = state == ClassState.CLASSIFIED.value
    artefact, normal = (_CLASSES.index(c) for c in (AnomalyClass.ARTEFACT, AnomalyClass.NORMAL))
    of_anomaly = by_class[:, artefact] / np.maximum(1 - by_class[:, normal], 1e-12)
    faults = [_KINDS.index(kind) for kind in ArtefactKind.values()]
    fault = np.array(_KINDS)[faults][np.argmax(probabilities[:, faults], axis=1)]
    is_fault = is_classified & (name == AnomalyClass.ARTEFACT.value)
    columns = columns | {
        **_name_classes(keys, probabilities, state),
        "artefact_probability": np.where(is_classified, np.clip(of_anomaly, 0, 1), np.nan),
        "artefact_kind": pa.array(fault, mask=~is_fault),
    }
    cluster = columns["cluster"]
    columns["cluster"] = pa.array(np.nan_to_num(cluster).astype(np.int32), mask=np.isnan(cluster))
    return columns_to_table(CLASSES, columns)


def make_control_classes(
    keys: pa.Table, probabilities: NDArray, state: NDArray[np.str_], joint_p_value: NDArray
) -> pa.Table:
    """Return rows of `control_classes`; parameters as of `make_classes`."""
    columns = _name_classes(keys, probabilities, state) | {"joint_p_value": joint_p_value}
    return columns_to_table(CONTROL_CLASSES, columns)


def _fold(probabilities: NDArray) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return the probability of each class and the name of the most probable one."""
    belongs = np.array([[KIND_CLASSES[kind] == name for name in _CLASSES] for kind in _KINDS])
    by_class = np.minimum(probabilities @ belongs, 1)
    return by_class, np.array(_CLASSES)[np.argmax(by_class, axis=1)]


def _name_classes(
    keys: pa.Table, probabilities: NDArray, state: NDArray[np.str_]
) -> dict[str, Any]:
    by_class, name = _fold(probabilities)
    is_classified = state == ClassState.CLASSIFIED.value
    told = np.where(is_classified[:, None], by_class, np.nan)
    return {
        **{key: keys[key] for key in _KEY},
        "class_state": state,
        "anomaly_class": pa.array(name, mask=~is_classified),
        "class_probabilities": told.astype(np.float32),
    }


def _find_p_values(
    survey: Survey, null: pa.Table, settings: CalibrateSettings
) -> NDArray[np.float64]:
    """Return the p-values of the scores of quasars and controls, shape (n,)."""
    of_quasars = survey.tiers["p_value"].to_numpy()
    controls = survey.scores.slice(survey.n_quasars)
    if not controls.num_rows:
        return of_quasars
    return np.concatenate([of_quasars, calibrate.compare(controls, null, settings)[2]])


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
    controls = survey.measured.select(["control", "TARGETID"]).slice(n)
    is_other = assign_folds(controls["TARGETID"].to_numpy(), n_folds) != fold
    is_teacher = pc.is_in(controls["control"], pa.array(_TEACHERS)).to_numpy() & is_other
    control = controls["control"].to_numpy(zero_copy_only=False).astype(str)[is_teacher]
    hosts = examples.scores["TARGETID"].to_numpy()
    mine = assign_folds(hosts, n_folds) != fold
    kinds = np.concatenate([np.full(len(normal), NORMAL), control, examples.kinds[mine]])
    taught = np.concatenate([departures[normal], departures[n:][is_teacher], planted[mine]])
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


def _find_crowds(survey: Survey) -> dict[str, Any]:
    """Return where each spectrum was taken, and whether others from there are strange as well."""
    is_strange = survey.tiers["p_value"].to_numpy() < _STRANGE
    night, petal, fibre = survey.night, survey.petal, survey.fibre
    groups = {
        "night": night,
        "petal": np.where(night < 0, -1, 10 * night + petal),
        "fibre": fibre,
        "field": survey.tiers["HEALPIX"].to_numpy().astype(np.int64),
    }
    places = {"NIGHT": night, "PETAL_LOC": petal, "FIBER": fibre}
    return {
        **{name: pa.array(values, mask=values < 0) for name, values in places.items()},
        **{f"{name}_p_value": find_crowding(of, is_strange) for name, of in groups.items()},
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
        "compared_mjd": pa.nulls(len(row)),
        "departure": departures[rows[row], column],
        "contribution": terms[row, column],
    }
    return columns_to_table(EVIDENCE, columns)
