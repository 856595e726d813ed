"""Stage `classify`: what each candidate is, with probabilities, evidence, map and clusters."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.kind import Kind
from catalog_schema.vocabulary import ClassState
from catalog_schema.waist import NORMAL, Waist
from pipeline.config import Config
from pipeline.judge import classifier
from pipeline.judge.class_evidence import describe_sign, gather_evidence
from pipeline.judge.class_rows import (
    LAYOUT,
    Classified,
    find_crowds,
    leave_unclassified,
    make_classes,
    make_judged,
    make_norms,
    make_traits,
)
from pipeline.judge.classifier import (
    compare,
    find_log_odds,
    name_classes,
    prefer,
    rename_found,
)
from pipeline.judge.knowledge import Examples, Knowledge, Sign, get_knowledge
from pipeline.judge.null import Population, read_population
from pipeline.judge.science.families import draw_map, find_axes, find_clusters
from pipeline.judge.science.taxonomy import Taxonomy, fit_taxonomy
from pipeline.judge.survey import Survey, read_survey
from pipeline.judge.tiers import list_candidates, to_numbers
from pipeline.lake.model_files import read_card
from pipeline.lake.store import replace_columns
from pipeline.run import Run
from pipeline.science.draw import Stream, assign_folds, hash_to_unit
from pipeline.settings.judge import ClassifySettings
from pipeline.stage import Job, Product, do_once

# A host's own p-value is at least this: it is no anomaly.
_ORDINARY = 0.1


def classify(run: Run) -> Job:
    """Classify every scored member, and the negative controls as if they were members.

    Returns
    -------
    Job
        Makes `classes`, `judged` and `evidence` and, beside the model, the classifier as `norms`
        and `taxonomy`, and as `traits` how the core members were observed, of `scores`,
        `significance`, the model's `null` and what the kind of data knows; classes are learnt
        where the kind has examples and the survey hosts for them.
    """
    return do_once(partial(_classify, run))


def _classify(run: Run) -> Product:
    survey, knowledge = read_survey(run), get_knowledge(run)
    population, n_folds = read_population(run), int(read_card(run.model)["folds"])
    hosts = _choose_hosts(survey, knowledge)
    examples = None
    if len(set(assign_folds(hosts["TARGETID"].to_numpy(), n_folds))) > 1:
        examples = knowledge.plant_examples(hosts)
    if examples is None:
        return Product(leave_unclassified(survey, population, run.kind, knowledge))
    return Product(_classify_survey(survey, examples, population, run.kind, knowledge, n_folds))


def _choose_hosts(survey: Survey, knowledge: Knowledge) -> pa.Table:
    """Return the keys of ordinary members in which phenomena are planted, drawn by TARGETID."""
    n = survey.n_members
    state = knowledge.find_states(survey.scores, survey.values)[:n]
    p_value = survey.significance["p_value"].to_numpy()
    is_able = survey.is_ordinary & (p_value > _ORDINARY) & (state == ClassState.CLASSIFIED.value)
    able = np.flatnonzero(is_able)
    draw = hash_to_unit(survey.significance["TARGETID"].to_numpy()[able], Stream.EXAMPLE_HOST)
    rows = able[np.argsort(draw, kind="stable")[: knowledge.config.classify.hosts]]
    return survey.members.take(pa.array(np.sort(rows)))


def _classify_survey(
    survey: Survey,
    examples: Examples,
    population: Population,
    kind: Kind,
    knowledge: Knowledge,
    n_folds: int,
) -> Classified:
    """Classify the candidates of a survey.

    Nothing is classified by what learnt from itself: there is one classifier for each fold.
    """
    waist, config, n = kind.waist, knowledge.config, survey.n_members
    settings, is_member = config.classify, np.arange(survey.scores.num_rows) < survey.n_members
    norms = make_norms(survey, kind)
    departures, score, p_value = compare(norms, population, survey.scores, survey.values)
    planted, _, _ = compare(norms, population, examples.scores, examples.measured)
    taxonomies = tuple(
        _teach(survey, examples, departures, planted, settings, n_folds, fold)
        for fold in range(n_folds)
    )
    targetids = survey.measured["TARGETID"].to_numpy()
    probabilities = classifier.find_probabilities(taxonomies, departures, targetids, waist)
    state = knowledge.find_states(survey.scores, survey.values)
    found = knowledge.find_signs(survey.measured, state)
    is_open = is_member & (state == ClassState.CLASSIFIED.value)
    for sign in found.signs:
        is_open[sign.rows] = False
    signs = (*found.signs, *knowledge.read_signs(survey.members, is_open[:n]))
    for sign in found.missing:
        probabilities = classifier.doubt(probabilities, sign.kind, sign.rows, waist)
    probabilities, told = _heed_signs(probabilities, signs, survey, kind)
    log_odds = find_log_odds(probabilities, state, waist)
    norms = replace_columns(norms, {"log_odds": log_odds[survey.is_core]})
    joint = classifier.join(norms, survey.scores, p_value, log_odds, config.calibrate)
    named = name_classes(probabilities, state, joint, waist)
    is_found = partial(_find_members, survey, joint, settings.ordinary_level)
    named |= rename_found(named, is_found, waist)
    judged = named | {"anomaly_score": score, "p_value": p_value, **found.told}
    layout = _lay_out(survey, departures[:n], state[:n] == ClassState.CLASSIFIED.value, config)
    is_odd = pc.fill_null(pc.not_equal(named["anomaly_class"][:n], NORMAL), False)
    rows = np.flatnonzero(is_odd.to_numpy(zero_copy_only=False))
    finds = knowledge.locate_statistics(survey.members.take(pa.array(rows)))
    evidence = gather_evidence(
        survey, kind, rows, taxonomies, departures, probabilities, finds, settings.evidence
    )
    return Classified(
        norms,
        classifier.tabulate_taxonomies(taxonomies, kind),
        make_traits(survey, kind, knowledge),
        pa.concat_tables([evidence, *told]),
        make_judged(survey, kind, judged),
        make_classes(survey, kind, judged, layout | find_crowds(survey, knowledge)),
    )


def _find_members(
    survey: Survey, joint_p_value: NDArray, level: float, anomaly_class: pa.Array
) -> NDArray[np.bool_]:
    """Tell which candidates are members found at a level, as `grade` lists them, shape (n,).

    No level of a tier is above this one.
    """
    n, p_value = survey.n_members, to_numbers(survey.significance["p_value"])
    listed = list_candidates(anomaly_class[:n], p_value, joint_p_value[:n])
    return np.pad(listed.q_values <= level, (0, len(joint_p_value) - n))


def _heed_signs(
    probabilities: NDArray, signs: tuple[Sign, ...], survey: Survey, kind: Kind
) -> tuple[NDArray[np.float64], list[pa.Table]]:
    """Return the probabilities with the signs, and what these add as rows of `evidence`."""
    told = []
    for sign in signs:
        before = probabilities
        probabilities = prefer(before, sign.kind, sign.rows, kind.waist)
        if sign.evidence:
            told.append(describe_sign(sign, survey.members, kind, before, probabilities))
    return probabilities, told


def _teach(
    survey: Survey,
    examples: Examples,
    departures: NDArray,
    planted: NDArray,
    settings: ClassifySettings,
    n_folds: int,
    fold: int,
) -> Taxonomy:
    """Fit the taxonomy for one fold: to planted rows, controls and normal members of others."""
    n, waist = survey.n_members, survey.waist
    targetids = survey.significance["TARGETID"].to_numpy()
    normal = np.flatnonzero(survey.is_ordinary & (assign_folds(targetids, n_folds) != fold))
    draw = hash_to_unit(targetids[normal], Stream.NORMAL_EXAMPLE)
    normal = normal[np.argsort(draw, kind="stable")[: settings.normals]]
    controls = survey.measured.select(["control", "TARGETID"]).slice(n)
    is_other = assign_folds(controls["TARGETID"].to_numpy(), n_folds) != fold
    teachers = pa.array(waist.teachers, pa.string())
    is_teacher = pc.is_in(controls["control"], teachers).to_numpy() & is_other
    control = controls["control"].to_numpy(zero_copy_only=False).astype(str)[is_teacher]
    hosts = examples.scores["TARGETID"].to_numpy()
    mine = assign_folds(hosts, n_folds) != fold
    kinds = np.concatenate([np.full(len(normal), NORMAL), control, examples.kinds[mine]])
    taught = np.concatenate([departures[normal], departures[n:][is_teacher], planted[mine]])
    return fit_taxonomy(taught, kinds, _share_out(waist, settings.anomalous_share), NORMAL)


def _share_out(waist: Waist, anomalous: float) -> dict[str, float]:
    """Return the share of every kind of example: anomalous ones have equal shares.

    A class has as many shares as it has kinds: what takes more forms is met more often.
    """
    anomalies = [kind for kind, name in waist.examples.items() if name != NORMAL]
    return dict.fromkeys(anomalies, anomalous / len(anomalies)) | {NORMAL: 1 - anomalous}


def _lay_out(
    survey: Survey, departures: NDArray, is_classified: NDArray[np.bool_], config: Config
) -> dict[str, NDArray]:
    """Return map and clusters of the classified members, NaN for all others."""
    settings, seed, n = config.classify, config.run.seed, survey.n_members
    found = {name: np.full(n, np.nan) for name in LAYOUT}
    rows = np.flatnonzero(is_classified)
    if not len(rows):
        return found
    features = departures[rows]
    np.arcsinh(features, out=features)
    plane = draw_map(features, settings.map_anchors, seed)
    found["map_x"][rows], found["map_y"][rows] = plane.T
    chosen = choose_strange(survey.significance["p_value"].to_numpy()[rows], settings)
    strange = rows[chosen]
    if len(strange) >= 2 * settings.cluster_size:
        axes = find_axes(features[chosen], seed)
        cluster, stability = find_clusters(axes, settings.cluster_size, settings.bootstraps, seed)
        is_grouped = cluster > 0
        found["cluster"][strange] = np.where(is_grouped, cluster, np.nan)
        found["cluster_stability"][strange] = np.where(is_grouped, stability, np.nan)
    return found


def choose_strange(p_values: NDArray, settings: ClassifySettings) -> NDArray[np.intp]:
    """Return the rows among which clusters are sought, in order.

    Parameters
    ----------
    p_values : ndarray, shape (n,)
    settings : ClassifySettings
        At most its `cluster_candidates` smallest p-values, all below its `cluster_p_value`.
    """
    smallest = np.argsort(p_values, kind="stable")[: settings.cluster_candidates]
    return np.sort(smallest[p_values[smallest] < settings.cluster_p_value])
