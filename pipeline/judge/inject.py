"""Stage `inject`: plant features in real spectra and grade what comes of it."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import INJECTIONS, NULL, RESTFRAME, ROW_KEY, SCORES, TIERS
from catalog_schema.vocabulary import Parent, Tier
from pipeline.judge.classifier import judge, read_classifier
from pipeline.judge.science.grades import take_strictest
from pipeline.judge.tiers import read_limits
from pipeline.lake.store import columns_to_table
from pipeline.run import Run
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.spectra.measuring import measure_table, score_rows
from pipeline.spectra.model.models import load_model
from pipeline.spectra.model.tracking import record_recall
from pipeline.spectra.planting import plant
from pipeline.spectra.science.injection import SHAPES
from pipeline.stage import Job, Product, do_once


def inject(run: Run) -> Job:
    """Plant every kind of feature at every strength in a sample of ungraded core quasars.

    The changed windows are scored, measured, classified and graded as the survey itself, by a
    classifier that has not learnt from their hosts.

    Returns
    -------
    Job
        Makes `injections` of `restframe`, `scores`, `classes`, `tiers` and the model with its
        `null`, `norms` and `taxonomy`.
    """
    return do_once(partial(_inject, run))


def _inject(run: Run) -> Product:
    config, folder = run.config, run.model
    model, hosts = load_model(folder), _read_hosts(run)
    null, classifier = run.read(NULL.name), read_classifier(run)
    limits, parts = read_limits(run), []
    # Kind by kind: the copies of the windows are many times the sample.
    for kind in SHAPES:
        planted = plant(hosts, model.grid, kind, config.inject.strengths, config.run.seed)
        scores, kept = score_rows(folder, config, planted)
        planted = planted.take(pa.array(kept))
        # Rival redshifts are not tried: what is planted leaves the other lines in place.
        measured = measure_table(folder, config, planted, np.full(len(kept), np.nan))
        judged = judge(classifier, null, scores, measured, config)
        joint = np.asarray(judged["joint_p_value"], np.float64)
        columns = judged | {
            **{name: scores[name] for name in (*ROW_KEY, "Z", "snr")},
            **{name: planted[name] for name in ("injection", "planted")},
            "tier": take_strictest(joint, limits),
        }
        parts.append(columns_to_table(INJECTIONS, columns))
    rows = pa.concat_tables(parts)
    record_recall(run.store, config, folder.name, rows)
    return Product((rows,))


def _read_hosts(run: Run) -> pa.Table:
    """Return windows of ungraded core quasars, drawn by TARGETID."""
    tiers = run.read(TIERS.name, ["TARGETID", "tier"])
    ordinary = tiers.filter(pc.equal(tiers["tier"], Tier.NONE.value))["TARGETID"]
    shards = run.list_shards(SCORES.name)
    parts = run.read_shards(SCORES.name, shards, [*ROW_KEY, "parent"]).values()
    scores = pa.concat_tables(parts)
    is_core = pc.equal(scores["parent"], Parent.CORE.value)
    found = scores.filter(pc.and_(is_core, pc.is_in(scores["TARGETID"], ordinary.combine_chunks())))
    draw = hash_to_unit(found["TARGETID"].to_numpy(), Stream.INJECTION_HOST)
    drawn = found.take(pa.array(np.argsort(draw, kind="stable")[: run.config.inject.hosts]))
    # The windows of the drawn only: those of a whole survey do not fit into memory.
    return run.read_rows(RESTFRAME.name, drawn)
