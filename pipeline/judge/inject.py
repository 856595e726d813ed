"""Stage `inject`: plant features in ordinary members and grade what comes of it."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.column import arrow_schema
from catalog_schema.vocabulary import Parent, Tier
from catalog_schema.waist import ROW_KEY
from pipeline.judge.classifier import judge, read_classifier
from pipeline.judge.knowledge import get_knowledge
from pipeline.judge.null import read_population
from pipeline.judge.tiers import grade_others, read_limits
from pipeline.lake.store import columns_to_table
from pipeline.run import Run
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.stage import Job, Product, do_once


def inject(run: Run) -> Job:
    """Plant every kind of feature at every strength in a sample of ungraded core members.

    What is planted is scored, measured, classified and graded as the survey itself, by a
    classifier that has not learnt from its host.

    Returns
    -------
    Job
        Makes `injections` of `scores`, `tiers` and the model with its `null`, `norms` and
        `taxonomy`.
    """
    return do_once(partial(_inject, run))


def _inject(run: Run) -> Product:
    knowledge, table = get_knowledge(run), run.kind["injections"]
    population, classifier = read_population(run), read_classifier(run)
    limits, parts = read_limits(run), [arrow_schema(table).empty_table()]
    carried = run.kind.waist.carried_names
    for planted in knowledge.plant_features(_choose_hosts(run)):
        scores = planted.scores
        judged = judge(classifier, population, scores, planted.measured, knowledge)
        columns = judged | {
            **{name: scores[name] for name in (*ROW_KEY, *carried)},
            "injection": [planted.injection] * scores.num_rows,
            "planted": planted.strengths,
            **grade_others(judged, limits, run.kind.waist),
        }
        parts.append(columns_to_table(table, columns))
    rows = pa.concat_tables(parts)
    knowledge.record_recall(rows)
    return Product((rows,))


def _choose_hosts(run: Run) -> pa.Table:
    """Return the keys of ungraded core members, drawn by TARGETID."""
    tiers = run.read("tiers", ["TARGETID", "tier"])
    ordinary = tiers.filter(pc.equal(tiers["tier"], Tier.NONE.value))["TARGETID"]
    parts = run.read_shards("scores", run.list_shards("scores"), [*ROW_KEY, "parent"]).values()
    scores = pa.concat_tables(parts)
    is_core = pc.equal(scores["parent"], Parent.CORE.value)
    found = scores.filter(pc.and_(is_core, pc.is_in(scores["TARGETID"], ordinary.combine_chunks())))
    draw = hash_to_unit(found["TARGETID"].to_numpy(), Stream.INJECTION_HOST)
    return found.take(pa.array(np.argsort(draw, kind="stable")[: run.config.inject.hosts]))
