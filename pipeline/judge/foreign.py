"""Stage `grade` with a finished model: classes and tiers of foreign candidates."""

from functools import partial

import numpy as np
import pyarrow as pa

from catalog_schema.vocabulary import Tier
from catalog_schema.waist import ROW_KEY, Waist
from pipeline.judge.classifier import judge, leave_unexplained, read_classifier
from pipeline.judge.knowledge import get_knowledge
from pipeline.judge.null import locate
from pipeline.judge.science.domain import LOW, Domain, find_domain
from pipeline.judge.survey import read_survey
from pipeline.judge.tiers import grade_rows, to_numbers
from pipeline.lake.align import align
from pipeline.lake.store import columns_to_table, replace_columns
from pipeline.run import Run
from pipeline.stage import Job, Product, do_once


def grade_foreign(run: Run) -> Job:
    """Classify and grade foreign candidates by a finished model.

    Returns
    -------
    Job
        Makes `judged` and `tiers` of `scores`, `measurements`, `significance` and the model with
        its `null`, `norms` and `taxonomy`, a row for each scored member.
    """
    return do_once(partial(_judge, run))


def withhold_tiers(
    tiers: pa.Table, domain: Domain, waist: Waist
) -> tuple[pa.Table, tuple[str, ...]]:
    """Take the tiers away that the model's population cannot vouch for, and say why.

    Parameters
    ----------
    tiers : pyarrow.Table
        Rows of `tiers`.
    domain : Domain
        Of the same rows.
    waist : Waist

    Returns
    -------
    tiers : pyarrow.Table
    notes : tuple of str
    """
    share = f"{domain.n_low} of {domain.n} {waist.nouns} have p < {LOW}"
    if not domain.is_alike:
        note = (
            f"calibration does not hold: {share}; they are unlike the model's population, "
            "or were chosen as anomalies"
        )
    elif not domain.is_seen:
        note = f"calibration not verified: {share}, too few to see if the model's holds for them"
    else:
        note = f"calibration as expected: {share}"
    is_vouched = ~domain.is_outside & domain.is_seen & domain.is_alike
    notes = [note if domain.is_seen and domain.is_alike else f"{note}; no tier is given"]
    if domain.is_outside.any():
        notes.append(
            f"{domain.is_outside.sum()} {waist.nouns} are outside the {waist.alike} of the "
            "model's population; they have no tier"
        )
    given = np.where(is_vouched, tiers["tier"].to_numpy().astype(str), Tier.NONE.value)
    place = tiers.column_names.index("tier")
    field = tiers.schema.field("tier")
    return tiers.set_column(place, field, pa.array(given).cast(field.type)), tuple(notes)


def _judge(run: Run) -> Product:
    survey, kind = read_survey(run), run.kind
    # Negative controls are scored and measured, but not graded.
    n = survey.n_members
    scores, measured = survey.scores.slice(0, n), survey.measured.slice(0, n)
    null = run.read("null")
    judged = judge(read_classifier(run), null, scores, measured, get_knowledge(run))
    rows = columns_to_table(kind["judged"], judged | {name: scores[name] for name in ROW_KEY})
    tiers = grade_rows(rows, kind, run.config.grade)
    conditions = locate(null, kind.waist), locate(scores, kind.waist)
    domain = find_domain(*conditions, to_numbers(tiers["finding_p_value"]))
    tiers, notes = withhold_tiers(tiers, domain, kind.waist)
    is_found = tiers["tier"].to_numpy().astype(str) != Tier.NONE.value
    classes = leave_unexplained(rows["anomaly_class"], is_found)
    rows = replace_columns(rows, {"anomaly_class": classes})
    return Product((rows, tiers), notes=notes)


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
    rows, tiers = run.read("judged"), run.read("tiers")
    shards = run.list_shards("scores")
    label = [run.kind.label] if run.kind.label else []
    targets = run.read_shards("targets", shards, [*ROW_KEY, *label]).values()
    names = align(pa.concat_tables(targets), rows, what="targets")
    parts = (scores, survey.significance, rows, tiers, names)
    fields = {field.name: (field, part) for part in parts for field in part.schema}
    columns = [part[name] for name, (_, part) in fields.items()]
    told = {"calibration": "; ".join(notes)}
    schema = pa.schema([field for field, _ in fields.values()], metadata=told)
    return pa.table(columns, schema=schema)
