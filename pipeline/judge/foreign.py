"""Stage `grade` with a finished model: classes and tiers of foreign spectra."""

from functools import partial

import numpy as np
import pyarrow as pa

from catalog_schema.tables import JUDGED, NULL, ROW_KEY, SCORES, TARGETS, TIERS
from catalog_schema.vocabulary import Tier
from pipeline.judge.classifier import judge, read_classifier
from pipeline.judge.measured_survey import read_survey
from pipeline.judge.null import get_conditions, read_conditions
from pipeline.judge.science.domain import LOW, Domain, find_domain
from pipeline.judge.tiers import grade_rows, to_p_values
from pipeline.lake.align import align
from pipeline.lake.store import columns_to_table
from pipeline.run import Run
from pipeline.stage import Job, Product, do_once


def grade_foreign(run: Run) -> Job:
    """Classify and grade foreign spectra by a finished model.

    Returns
    -------
    Job
        Makes `judged` and `tiers` of `scores`, `measurements`, `significance` and the model with
        its `null`, `norms` and `taxonomy`, a row for each scored quasar.
    """
    return do_once(partial(_judge, run))


def withhold_tiers(tiers: pa.Table, domain: Domain) -> tuple[pa.Table, tuple[str, ...]]:
    """Take the tiers away that the model's population cannot vouch for, and say why.

    Parameters
    ----------
    tiers : pyarrow.Table
        Rows of `tiers`.
    domain : Domain
        Of the same rows.

    Returns
    -------
    tiers : pyarrow.Table
    notes : tuple of str
    """
    share = f"{domain.n_low} of {domain.n} spectra have p < {LOW}"
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
            f"{domain.is_outside.sum()} spectra are outside the SNR, redshift and coverage of the "
            "model's population; they have no tier"
        )
    given = np.where(is_vouched, tiers["tier"].to_numpy().astype(str), Tier.NONE.value)
    place = tiers.column_names.index("tier")
    field = tiers.schema.field("tier")
    return tiers.set_column(place, field, pa.array(given).cast(field.type)), tuple(notes)


def _judge(run: Run) -> Product:
    survey, config = read_survey(run), run.config
    # Negative controls are scored and measured, but not graded.
    n = survey.n_quasars
    scores, measured = survey.scores.slice(0, n), survey.measured.slice(0, n)
    null = run.read(NULL.name)
    judged = judge(read_classifier(run), null, scores, measured, config)
    rows = columns_to_table(JUDGED, judged | {name: scores[name] for name in ROW_KEY})
    tiers = grade_rows(rows, config.grade)
    domain = find_domain(read_conditions(null), get_conditions(scores), to_p_values(rows))
    tiers, notes = withhold_tiers(tiers, domain)
    return Product((rows, tiers), notes=notes)


def lay_out(run: Run, notes: tuple[str, ...]) -> pa.Table:
    """Return all that is known of each scored quasar as one table.

    Parameters
    ----------
    run : Run
    notes : tuple of str
        How far the calibration holds; they become the table's metadata.
    """
    survey = read_survey(run)
    scores = survey.scores.slice(0, survey.n_quasars)
    rows, tiers = run.read(JUDGED.name), run.read(TIERS.name)
    shards = run.list_shards(SCORES.name)
    targets = run.read_shards(TARGETS.name, shards, [*ROW_KEY, "DESINAME"]).values()
    names = align(pa.concat_tables(targets), rows, what=TARGETS.name)
    parts = (scores, survey.significance, rows, tiers, names)
    fields = {field.name: (field, part) for part in parts for field in part.schema}
    columns = [part[name] for name, (_, part) in fields.items()]
    told = {"calibration": "; ".join(notes)}
    schema = pa.schema([field for field, _ in fields.values()], metadata=told)
    return pa.table(columns, schema=schema)
