"""Stage `classify`: what each spectrum is, with probabilities, evidence, map and clusters."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.statistics import STRANGE_P_VALUE
from catalog_schema.tables import (
    CLASSES,
    EVIDENCE,
    JUDGED,
    NORMS,
    NULL,
    ROW_KEY,
    TAXONOMY,
    arrow_schema,
)
from catalog_schema.vocabulary import ClassState, ControlKind
from pipeline.config import Config
from pipeline.judge import classifier
from pipeline.judge.class_evidence import CHANGING_LOOK, describe_changes, gather_evidence
from pipeline.judge.classifier import compare, name_classes
from pipeline.judge.measured_survey import Survey, read_survey
from pipeline.judge.null import get_conditions
from pipeline.judge.science.crowding import find_crowding
from pipeline.judge.science.families import draw_map, find_axes, find_clusters
from pipeline.judge.science.grades import find_q_values
from pipeline.judge.science.taxonomy import Taxonomy, fit_taxonomy
from pipeline.lake.model_files import read_card
from pipeline.lake.store import columns_to_table, replace_columns
from pipeline.run import Run
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.settings.judge import ClassifySettings
from pipeline.spectra.examples import KIND_CLASSES, NORMAL, WRONG_Z, Examples, plant_examples
from pipeline.spectra.model.models import assign_folds
from pipeline.spectra.science.measurements import find_significance
from pipeline.stage import Job, Product, do_once

# Controls from which is learnt what is no quasar.
_TEACHERS = (ControlKind.STAR.value, ControlKind.GALAXY.value)
_LAYOUT = ("map_x", "map_y", "cluster", "cluster_stability")
# A host's own p-value is at least this: it is no anomaly.
_ORDINARY = 0.1


class Classified(NamedTuple):
    """Rows of `norms`, `taxonomy`, `evidence`, `judged` and `classes`."""

    norms: pa.Table
    taxonomy: pa.Table
    evidence: pa.Table
    controls: pa.Table
    classes: pa.Table


def classify(run: Run) -> Job:
    """Classify every scored quasar, and the negative controls as if they were quasars.

    Returns
    -------
    Job
        Makes `classes`, `judged` and `evidence` and, beside the model, the classifier as `norms`
        and `taxonomy`, of `measurements`, `changes`, `scores`, `significance`, `coadds`,
        `restframe` and the model with its `null`.
    """
    return do_once(partial(_classify, run))


def _classify(run: Run) -> Product:
    config, survey = run.config, read_survey(run)
    hosts, n_folds = choose_hosts(survey, config.classify), int(read_card(run.model)["folds"])
    null = run.read(NULL.name)
    if len(set(assign_folds(hosts["TARGETID"].to_numpy(), n_folds))) > 1:
        return Product(classify_survey(survey, plant_examples(run, hosts), null, config, n_folds))
    return Product(leave_unclassified(survey, null, config))


def choose_hosts(survey: Survey, settings: ClassifySettings) -> pa.Table:
    """Return the keys of ordinary quasars in which phenomena are planted, drawn by TARGETID."""
    snr = survey.scores["snr"].to_numpy()[: survey.n_quasars]
    p_value = survey.significance["p_value"].to_numpy()
    able = np.flatnonzero(survey.is_ordinary & (p_value > _ORDINARY) & (snr >= settings.min_snr))
    draw = hash_to_unit(survey.significance["TARGETID"].to_numpy()[able], Stream.EXAMPLE_HOST)
    rows = able[np.argsort(draw, kind="stable")[: settings.hosts]]
    return survey.significance.select(ROW_KEY).take(pa.array(np.sort(rows)))


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
    norms = make_norms(survey)
    departures, score, p_value = compare(norms, null, survey.scores, survey.values, config)
    planted, _, _ = compare(norms, null, examples.scores, examples.measured, config)
    taxonomies = tuple(
        _teach(survey, examples, departures, planted, settings, n_folds, fold)
        for fold in range(n_folds)
    )
    targetids = survey.measured["TARGETID"].to_numpy()
    probabilities = classifier.find_probabilities(taxonomies, departures, targetids)
    state = classifier.find_states(survey.scores, survey.values, settings)
    better_z = classifier.find_better_redshifts(survey.measured, state, settings)
    probabilities = classifier.prefer(probabilities, WRONG_Z, ~np.isnan(better_z))
    # At another redshift other lines would have been compared.
    can_change = (state == ClassState.CLASSIFIED.value) & np.isnan(better_z)
    changes = survey.changes.filter(pa.array(can_change[survey.changes["row"].to_numpy()]))
    before = probabilities
    has_changed = np.isin(np.arange(len(state)), changes["row"].to_numpy())
    probabilities = classifier.prefer(probabilities, CHANGING_LOOK, has_changed)
    log_odds = classifier.find_log_odds(probabilities, state)
    norms = replace_columns(norms, {"log_odds": log_odds[survey.is_core]})
    joint = classifier.join(norms, p_value, log_odds, config.calibrate)
    named = name_classes(probabilities, state, joint, better_z)
    judged = named | {"anomaly_score": score, "p_value": p_value}
    is_classified = state == ClassState.CLASSIFIED.value
    layout = _lay_out(survey, departures[:n], is_classified[:n], config)
    is_rare = find_q_values(joint[:n]) <= settings.ordinary_level
    is_odd = pc.fill_null(pc.not_equal(named["anomaly_class"][:n], NORMAL), False)
    is_odd = is_odd.to_numpy(zero_copy_only=False)
    told = np.flatnonzero(is_odd | is_rare)
    evidence = [
        gather_evidence(survey, told, taxonomies, departures, probabilities, settings),
        describe_changes(changes, before, probabilities),
    ]
    return Classified(
        norms,
        classifier.tabulate_taxonomies(taxonomies),
        pa.concat_tables(evidence),
        make_judged(survey, judged),
        make_classes(survey, judged, layout | _find_crowds(survey)),
    )


def leave_unclassified(survey: Survey, null: pa.Table, config: Config) -> Classified:
    """Return rows without classes for a survey too small to learn from, and no evidence."""
    judged = classifier.judge(None, null, survey.scores, survey.measured, config)
    columns = dict.fromkeys(_LAYOUT, np.full(survey.n_quasars, np.nan)) | _find_crowds(survey)
    return Classified(
        arrow_schema(NORMS).empty_table(),
        arrow_schema(TAXONOMY).empty_table(),
        arrow_schema(EVIDENCE).empty_table(),
        make_judged(survey, judged),
        make_classes(survey, judged, columns),
    )


def make_norms(survey: Survey) -> pa.Table:
    """Return rows of `norms`; their log odds are not known yet."""
    core = np.flatnonzero(survey.is_core)
    scores = survey.scores.take(pa.array(core))
    conditions = get_conditions(scores)
    columns = {
        **{name: scores[name] for name in (*ROW_KEY, "Z")},
        "log_snr": conditions.log_snr,
        "coverage": conditions.coverage,
        "is_ordinary": survey.is_ordinary[core],
        "significances": find_significance(survey.values)[core],
        "p_value": survey.significance["p_value"].take(pa.array(core)),
        "log_odds": np.full(len(core), np.nan),
    }
    return columns_to_table(NORMS, columns)


def make_classes(survey: Survey, judged: dict[str, Any], columns: dict[str, Any]) -> pa.Table:
    """Return rows of `classes`, of the quasars.

    Parameters
    ----------
    survey : Survey
    judged : dict
        As `classifier.judge` returns it, of all spectra.
    columns : dict
        The other columns of `classes`, of the quasars; NaN is null.
    """
    cluster = columns["cluster"]
    columns = columns | {
        **{name: each[: survey.n_quasars] for name, each in judged.items()},
        **{key: survey.significance[key] for key in ROW_KEY},
        "cluster": pa.array(np.nan_to_num(cluster).astype(np.int32), mask=np.isnan(cluster)),
    }
    return columns_to_table(CLASSES, columns)


def make_judged(survey: Survey, judged: dict[str, Any]) -> pa.Table:
    """Return rows of `judged`, of the controls; parameters as of `make_classes`."""
    n = survey.n_quasars
    columns = {name: each[n:] for name, each in judged.items()}
    keys = {key: survey.measured[key].slice(n) for key in ROW_KEY}
    return columns_to_table(JUDGED, columns | keys)


def _teach(
    survey: Survey,
    examples: Examples,
    departures: NDArray,
    planted: NDArray,
    settings: ClassifySettings,
    n_folds: int,
    fold: int,
) -> Taxonomy:
    """Fit the taxonomy for one fold: to planted spectra, controls and normal quasars of others."""
    n = survey.n_quasars
    targetids = survey.significance["TARGETID"].to_numpy()
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
    is_strange = survey.significance["p_value"].to_numpy()[rows] < settings.cluster_p_value
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
    is_strange = survey.significance["p_value"].to_numpy() < STRANGE_P_VALUE
    night, petal, fibre = survey.night, survey.petal, survey.fibre
    groups = {
        "night": night,
        "petal": np.where(night < 0, -1, 10 * night + petal),
        "fibre": fibre,
        "field": survey.significance["HEALPIX"].to_numpy().astype(np.int64),
    }
    places = {"NIGHT": night, "PETAL_LOC": petal, "FIBER": fibre}
    return {
        **{name: pa.array(values, mask=values < 0) for name, values in places.items()},
        **{f"{name}_p_value": find_crowding(of, is_strange) for name, of in groups.items()},
    }
