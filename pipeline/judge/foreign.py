"""Stage `grade` with a finished model: classes and tiers of foreign candidates."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.vocabulary import Tier
from catalog_schema.waist import ROW_KEY, Waist
from pipeline.errors import UserError
from pipeline.judge.classifier import judge, read_classifier, rename_found
from pipeline.judge.knowledge import get_knowledge
from pipeline.judge.null import Population, locate
from pipeline.judge.science.domain import LOW, Difference, Domain, Labels, Sample, find_domain
from pipeline.judge.survey import read_survey
from pipeline.judge.tiers import grade_rows, list_candidates, to_numbers
from pipeline.lake.align import align
from pipeline.lake.store import columns_to_table, replace_columns, to_matrix
from pipeline.run import Run
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.stage import Job, Product, do_once

# More would tell no smaller difference than matters.
_MOST_MEMBERS = 20_000


def grade_foreign(run: Run) -> Job:
    """Classify and grade foreign candidates by a finished model.

    Returns
    -------
    Job
        Makes `judged`, `domain` and `tiers` of `scores`, `measurements`, `significance` and the
        model with its `null`, `norms`, `taxonomy` and `traits`, a row for each scored member.

    Raises
    ------
    UserError
        If the model does not say how its population was observed.
    """
    if not run.find_content("traits"):
        path = run.find_path("traits")
        raise UserError(
            f"model {path.parent} has no {path.name}; run `qad run` on its own data again"
        )
    return do_once(partial(_judge, run))


def withhold_tiers(tiers: pa.Table, domain: Domain) -> pa.Table:
    """Take tiers and q-values away where the model's population does not vouch for them.

    Parameters
    ----------
    tiers : pyarrow.Table
        Rows of `tiers`.
    domain : Domain
        Of the same rows.
    """
    is_vouched = domain.reasons == ""
    given = np.where(is_vouched, tiers["tier"].to_numpy().astype(str), Tier.NONE.value)
    q_values = np.where(is_vouched, to_numbers(tiers["q_value"]), np.nan)
    return replace_columns(tiers, {"tier": given, "q_value": q_values})


def describe_domain(domain: Domain, waist: Waist) -> tuple[str, ...]:
    """Return how far the calibration holds, with figures, one sentence or more each."""
    share = f"{domain.n_low} of {domain.n} {waist.nouns} have p < {LOW}"
    if domain.mismatches:
        unlike = ", ".join(map(_tell_difference, domain.mismatches))
        note = f"calibration does not hold: unlike the model's population in {unlike}; {share}"
    elif not domain.is_alike:
        note = (
            f"calibration does not hold: {share}; they are unlike the model's population, "
            "or were chosen as anomalies"
        )
    elif not domain.is_seen:
        note = f"calibration not verified: {share}, too few to see if the model's holds for them"
    else:
        note = f"calibration as expected: {share}"
    notes = [f"{note}; no tier is given" if domain.reason else note]
    names, counts = np.unique(domain.odd[domain.odd != ""], return_counts=True)
    if len(names):
        odd = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
        notes.append(
            f"{counts.sum()} {waist.nouns} are outside the model's population ({odd}); "
            "they have no tier"
        )
    if domain.differences:
        conditions, others = (
            ", ".join(f"{each.name} {each.distance:.2f}" for each in found)
            for found in (domain.ranges, domain.differences)
        )
        notes.append(
            f"Kolmogorov-Smirnov distance from the population: {conditions}; "
            f"at like {waist.alike}: {others}"
        )
    return tuple(notes)


def _tell_difference(difference: Difference) -> str:
    return (
        f"{difference.name} (distance {difference.distance:.2f}, median "
        f"{difference.shift:+.1f} sigma, p {difference.p_value:.0e})"
    )


def _judge(run: Run) -> Product:
    survey, kind = read_survey(run), run.kind
    # Negative controls are scored and measured, but not graded.
    n = survey.n_members
    scores, measured = survey.scores.slice(0, n), survey.measured.slice(0, n)
    null, knowledge = run.read("null"), get_knowledge(run)
    population = Population.from_rows(null, kind.waist, run.config.calibrate)
    judged = judge(read_classifier(run), population, scores, measured, knowledge)
    keys = {name: scores[name] for name in ROW_KEY}
    tiers = grade_rows(pa.table(keys | _pick_graded(judged)), kind, run.config.grade)
    domain = find_domain(
        _draw_members(run, null),
        _to_sample(scores, survey.significance, knowledge.read_traits(scores), kind.waist),
        to_numbers(tiers["finding_p_value"]),
        Labels(
            kind.waist.condition_names,
            tuple(kind.waist.traits),
            tuple(statistic.reason for statistic in kind.waist.statistics),
        ),
        run.config.calibrate.neighbours,
    )

    def find(anomaly_class: pa.Array) -> NDArray[np.bool_]:
        listed = list_candidates(anomaly_class, judged["p_value"], judged["joint_p_value"])
        return (listed.q_values <= run.config.grade.bronze) & (domain.reasons == "")

    judged |= rename_found(judged, find, kind.waist)
    tiers = grade_rows(pa.table(keys | _pick_graded(judged)), kind, run.config.grade)
    rows = columns_to_table(kind["judged"], judged | keys)
    told = {
        **{name: scores[name] for name in ROW_KEY},
        "condition_distance": domain.condition_distance,
        "trait_distance": domain.trait_distance,
        "domain_reason": pa.array(domain.reasons, mask=domain.reasons == ""),
    }
    notes = describe_domain(domain, kind.waist)
    tables = (rows, columns_to_table(kind["domain"], told), withhold_tiers(tiers, domain))
    return Product(tables, notes=notes)


def _pick_graded(judged: dict[str, Any]) -> dict[str, Any]:
    return {name: judged[name] for name in ("anomaly_class", "p_value", "joint_p_value")}


def _draw_members(run: Run, null: pa.Table) -> Sample:
    """Return members of the model's population, drawn by TARGETID where there are many."""
    draw = hash_to_unit(null["TARGETID"].to_numpy(), Stream.DOMAIN)
    members = null.take(pa.array(np.sort(np.argsort(draw, kind="stable")[:_MOST_MEMBERS])))
    waist = run.kind.waist
    traits = np.full((members.num_rows, len(waist.traits)), np.nan)
    if waist.traits:
        traits = to_matrix(align(run.read("traits"), members, what="traits")["traits"])
    return _to_sample(members, members, traits, waist)


def _to_sample(rows: pa.Table, significance: pa.Table, traits: NDArray, waist: Waist) -> Sample:
    """Return candidates, rows of `scores` or `null` with those that hold departures."""
    return Sample(
        locate(rows, waist),
        traits.astype(np.float64),
        to_matrix(significance["departures"]).astype(np.float64),
        rows["TARGETID"].to_numpy(),
    )


def lay_out(run: Run, notes: tuple[str, ...]) -> pa.Table:
    """Return all that is known of each scored member as one table.

    Parameters
    ----------
    run : Run
    notes : tuple of str
        How far the calibration holds; they become the table's metadata.
    """
    survey = read_survey(run)
    scores = survey.scores.slice(0, survey.n_members)
    rows, domain, tiers = run.read("judged"), run.read("domain"), run.read("tiers")
    shards = run.list_shards("scores")
    label = [run.kind.label] if run.kind.label else []
    targets = run.read_shards("targets", shards, [*ROW_KEY, *label]).values()
    names = align(pa.concat_tables(targets), rows, what="targets")
    parts = (scores, survey.significance, rows, domain, tiers, names)
    fields = {field.name: (field, part) for part in parts for field in part.schema}
    columns = [part[name] for name, (_, part) in fields.items()]
    told = {"calibration": "; ".join(notes)}
    schema = pa.schema([field for field, _ in fields.values()], metadata=told)
    return pa.table(columns, schema=schema)
