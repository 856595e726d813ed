"""Stage `inject`: plant features in real spectra and grade what comes of it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import INJECTIONS, RESTFRAME, ROW_KEY, SCORES, TIERS
from catalog_schema.vocabulary import Parent, Tier
from pipeline.config import Config
from pipeline.flow.shards import Report, find_finished, finished_shards, read_rows, read_shards
from pipeline.judge import grade
from pipeline.judge.classifier import judge, read_classifier
from pipeline.judge.grade import read_limits
from pipeline.judge.science.grades import take_strictest
from pipeline.lake.store import (
    Store,
    columns_to_table,
    make_fingerprint,
    replace_columns,
    to_matrix,
)
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.spectra.model.models import NULL, load_model
from pipeline.spectra.model.tracking import record_recall
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.injection import SHAPES, Host, draw_feature
from pipeline.spectra.science.restframe import RestFrameGrid
from pipeline.spectra.stages.measure import measure_table, score_rows
from pipeline.spectra.stages.train import find_model_id

STAGE = "inject"
REVISION = 2


def inject(store: Store, config: Config) -> Report:
    """Plant every kind of feature at every strength in a sample of ungraded core quasars.

    The changed windows are scored, measured, classified and graded as the survey itself, by a
    classifier that has not learnt from their hosts.

    Parameters
    ----------
    store : Store
        Reads `restframe`, `scores`, `classes`, `tiers` and the model with its `null`, `norms` and
        `taxonomy`; writes `injections`.
    config : Config
        Reads ``inject``, ``score``, ``calibrate``, ``classify`` and ``run.seed``.

    Returns
    -------
    Report
        Of the dataset `injections`.
    """
    planned = plan(store, config)
    if finished := find_finished(store, INJECTIONS.name, planned):
        return finished
    [(path, fingerprint)] = planned.items()
    folder = store.lake.model(find_model_id(store, config))
    model, hosts = load_model(folder), _read_hosts(store, config)
    null, classifier = store.read(folder / NULL), read_classifier(store, folder)
    limits, parts = read_limits(store), []
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
    n = rows.num_rows
    store.write(path, rows, INJECTIONS, fingerprint=fingerprint, n_expected=n, n_made=n)
    record_recall(store, config, folder.name, rows)
    return Report(INJECTIONS.name, made=1, n_expected=n, n_made=n)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the file that the stage is to make and its fingerprint."""
    inputs = list(grade.plan(store, config).values())
    sections = [config.inject, config.score, config.calibrate, config.classify]
    fingerprint = make_fingerprint(STAGE, REVISION, sections, inputs)
    return {store.lake.table(INJECTIONS.name): fingerprint}


def plant(
    hosts: pa.Table, grid: RestFrameGrid, kind: str, strengths: tuple[float, ...], seed: int
) -> pa.Table:
    """Plant one feature in copies of every host, one for each strength.

    Parameters
    ----------
    hosts : pyarrow.Table
        Rows of `restframe`.
    grid : RestFrameGrid
    kind : str
        One of `science.injection.SHAPES`.
    strengths : tuple of float
    seed : int

    Returns
    -------
    pyarrow.Table
        Rows of `restframe` with ``injection`` and ``planted``; a feature that meets no good
        pixel is left out.
    """
    flux, weight = (to_matrix(hosts[name]) for name in ("rest_flux", "rest_weight"))
    starts, z = hosts["window_start"].to_numpy(), hosts["Z"].to_numpy()
    spans = get_sampling(hosts).spans
    rows, sizes, changed = [], [], []
    for row in range(hosts.num_rows):
        rest = grid.wave[starts[row] : starts[row] + grid.window]
        for number, strength in enumerate(strengths):
            rng = np.random.default_rng([seed, row, list(SHAPES).index(kind), number])
            host = Host(rest, rest * (1 + z[row]), flux[row], weight[row], spans)
            feature = draw_feature(kind, host, strength, rng)
            if feature.any():
                rows.append(row)
                sizes.append(strength)
                changed.append(flux[row] + feature)
    planted = hosts.take(pa.array(rows, pa.int64()))
    planted = replace_columns(planted, {"rest_flux": np.array(changed, np.float32)})
    planted = planted.append_column("injection", pa.array([kind] * len(rows), pa.string()))
    return planted.append_column("planted", pa.array(sizes, pa.float64()))


def _read_hosts(store: Store, config: Config) -> pa.Table:
    """Return windows of ungraded core quasars, drawn by TARGETID."""
    tiers = store.read(store.lake.table(TIERS.name), ["TARGETID", "tier"])
    ordinary = tiers.filter(pc.equal(tiers["tier"], Tier.NONE.value))["TARGETID"]
    shards = finished_shards(store, "score")
    scores = pa.concat_tables(
        read_shards(store, SCORES.name, shards, [*ROW_KEY, "parent"]).values()
    )
    is_core = pc.equal(scores["parent"], Parent.CORE.value)
    found = scores.filter(pc.and_(is_core, pc.is_in(scores["TARGETID"], ordinary.combine_chunks())))
    draw = hash_to_unit(found["TARGETID"].to_numpy(), Stream.INJECTION_HOST)
    drawn = found.take(pa.array(np.argsort(draw, kind="stable")[: config.inject.hosts]))
    # The windows of the drawn only: those of a whole survey do not fit into memory.
    return read_rows(store, RESTFRAME.name, drawn)
