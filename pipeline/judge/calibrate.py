"""Stage `calibrate`: what the raw statistics mean for a candidate like this one, as p-values."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.kind import Kind
from catalog_schema.vocabulary import Parent
from pipeline.judge.null import compare, make_null, rank, weigh
from pipeline.judge.scores import read_compared
from pipeline.lake.store import replace_columns, to_matrix
from pipeline.run import Run
from pipeline.settings.judge import CalibrateSettings
from pipeline.stage import Job, Product, do_once


def calibrate(run: Run) -> Job:
    """Calibrate every score against the core sample of the run, negative controls left out.

    Returns
    -------
    Job
        Makes `significance` and, beside the model, the population as `null`, of `scores`; a
        finished model brings its own population.
    """
    return do_once(partial(_calibrate, run))


def _calibrate(run: Run) -> Product:
    scores, settings = read_compared(run, "seed_statistics"), run.config.calibrate
    members = scores.filter(pc.field("parent") != Parent.CONTROL.value)
    core = scores.filter(pc.field("parent") == Parent.CORE.value)
    null = make_null(core, run.kind, settings)
    rows = weigh(members, null, run.kind, settings)
    return Product((null, _add_rank_range(rows, members, core, run.kind, settings)))


def _add_rank_range(
    rows: pa.Table, members: pa.Table, core: pa.Table, kind: Kind, settings: CalibrateSettings
) -> pa.Table:
    """Fill in the smallest and the largest rank that the seeds' models give each member."""
    if "seed_statistics" not in members.column_names:
        return rows
    size = len(kind.waist.statistics)
    seeds = members.schema.field("seed_statistics").type.list_size // size
    if seeds < 2:
        return rows
    ranks = [rows["score_rank"].to_numpy()]
    for first in range(size, seeds * size, size):
        ours, null = (_take_seed(rows, slice(first, first + size)) for rows in (members, core))
        scored = compare(ours, make_null(null, kind, settings), kind.waist, settings)
        ranks.append(rank(scored.score))
    extremes = {"score_rank_low": np.min(ranks, axis=0), "score_rank_high": np.max(ranks, axis=0)}
    return replace_columns(rows, extremes)


def _take_seed(scores: pa.Table, columns: slice) -> pa.Table:
    """Return scores with the statistics of another seed."""
    return replace_columns(scores, {"statistics": to_matrix(scores["seed_statistics"])[:, columns]})
