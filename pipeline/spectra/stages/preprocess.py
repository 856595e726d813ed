"""Stage `preprocess`: dereddened, normalised rest-frame windows, one Parquet file per shard."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import COADDS, KEY, RESTFRAME, TARGETS
from pipeline.config import Config, PreprocessSettings
from pipeline.flow.shards import (
    Product,
    Report,
    Task,
    finished_shards,
    read_shards,
    read_stamps,
    run_shards,
)
from pipeline.lake.store import Store, columns_to_table, digest_rows, make_fingerprint, to_matrix
from pipeline.spectra.sampled import attach_sampling, get_sampling
from pipeline.spectra.science.extinction import deredden, transmission
from pipeline.spectra.science.restframe import (
    RestFrameGrid,
    find_window_starts,
    make_grid,
    normalise,
    resample,
)
from pipeline.spectra.survey import find_sampling

STAGE = "preprocess"
REVISION = 3

# Rows worked on at a time: their arrays stay in the processor's cache and are used again.
_BLOCK_ROWS = 64
_OF_TARGET = ("split", "parent", "control")
_TARGET_COLUMNS = [*KEY, "Z", "EBV", *_OF_TARGET]
_CARRIED = (
    "SURVEY",
    "PROGRAM",
    "HEALPIX",
    "TARGETID",
    "snr",
    "snr_b",
    "snr_r",
    "snr_z",
    "coverage_b",
    "coverage_r",
    "coverage_z",
)


def preprocess(store: Store, config: Config) -> Report:
    """Deredden, shift to the rest frame, resample and normalise every extracted spectrum.

    Gates: `redshift_outside_grid`, `too_few_pixels` (fewer good pixels than the settings ask).

    Parameters
    ----------
    store : Store
        Reads `targets` and `coadds`, writes `restframe`.
    config : Config
        Reads ``preprocess``, ``run.workers``; the grid follows ``target.z_min`` and ``z_max``.

    Returns
    -------
    Report
        Of the dataset `restframe`.
    """
    return preprocess_on_grid(store, config, make_run_grid(config))


def preprocess_on_grid(store: Store, config: Config, grid: RestFrameGrid) -> Report:
    """Do what `preprocess` does on a given grid: a finished model brings its own."""
    work = partial(_preprocess_shard, store.root, config.preprocess, grid)
    return run_shards(store, STAGE, RESTFRAME, plan(store, config, grid), work, config.run.workers)


def plan(store: Store, config: Config, grid: RestFrameGrid | None = None) -> list[Task]:
    """Return one task per extracted shard."""
    grid = grid or make_run_grid(config)
    shards = finished_shards(store, "extract")
    targets = read_shards(store, TARGETS.name, shards, _TARGET_COLUMNS)
    coadds = read_shards(store, COADDS.name, shards, list(KEY))
    tasks = []
    for shard, stamp in read_stamps(store, COADDS.name, shards).items():
        path = store.lake.shard(COADDS.name, shard)
        rows = _match(targets[shard], coadds[shard])
        inputs = [stamp.content, digest_rows(rows), repr(grid)]
        fingerprint = make_fingerprint(STAGE, REVISION, [config.preprocess], inputs)
        tasks.append(Task(shard, fingerprint, stamp.n_made, (str(path), rows)))
    return tasks


def make_run_grid(config: Config) -> RestFrameGrid:
    """Return the global grid of a run: it depends on the settings only, not on the data."""
    target, settings = config.target, config.preprocess
    observed = find_sampling(config).grid
    return make_grid(observed, target.z_min, target.z_max, settings.log10_step, config.train.patch)


def make_windows(
    coadds: pa.Table, targets: pa.Table, settings: PreprocessSettings, grid: RestFrameGrid
) -> Product:
    """Turn spectra into rest-frame windows.

    Parameters
    ----------
    coadds : pyarrow.Table
        Rows of `coadds`, which say how they are sampled.
    targets : pyarrow.Table
        Z, EBV, split, parent and control of the same rows, in the same order.
    settings : PreprocessSettings
    grid : RestFrameGrid

    Returns
    -------
    Product
        Rows of `restframe` and the gates of the others.
    """
    firsts = range(0, max(coadds.num_rows, 1), _BLOCK_ROWS)
    blocks = [
        _make_block(
            coadds.slice(first, _BLOCK_ROWS), targets.slice(first, _BLOCK_ROWS), settings, grid
        )
        for first in firsts
    ]
    dropped = {gate: sum(block.dropped[gate] for block in blocks) for gate in blocks[0].dropped}
    windows = pa.concat_tables(block.data for block in blocks)
    return Product(attach_sampling(windows, get_sampling(coadds)), dropped)


def _preprocess_shard(
    root: Path, settings: PreprocessSettings, grid: RestFrameGrid, task: Task
) -> Product:
    path, rows = task.arguments
    coadds = Store(root).read(Path(path), [*_CARRIED, "flux", "ivar"])
    return make_windows(coadds, rows, settings, grid)


def _make_block(
    coadds: pa.Table, targets: pa.Table, settings: PreprocessSettings, grid: RestFrameGrid
) -> Product:
    z, observed = targets["Z"].to_numpy(), get_sampling(coadds).grid
    start, on_grid = find_window_starts(grid, observed, z)
    start = np.where(on_grid, start, 0).astype(np.int32)
    ebv = pc.fill_null(targets["EBV"], 0.0).to_numpy()
    passed = transmission(observed.wave, ebv, settings.r_v)
    flux, ivar = deredden(to_matrix(coadds["flux"]), to_matrix(coadds["ivar"]), passed)
    flux, weight = resample(flux, ivar, z, start, observed, grid)
    n_valid = np.count_nonzero(weight, axis=1).astype(np.int32)
    is_covered = n_valid >= settings.min_valid_fraction * (grid.window - grid.align)
    kept = on_grid & is_covered
    norm = normalise(flux, weight)[:, None]
    columns = {
        **{name: coadds[name].filter(kept) for name in _CARRIED},
        "Z": z[kept],
        **{name: targets[name].filter(kept) for name in _OF_TARGET},
        "n_valid": n_valid[kept],
        "norm": norm[kept, 0],
        "window_start": start[kept],
        "rest_flux": (flux / norm)[kept],
        "rest_weight": (weight * norm**2)[kept],
    }
    dropped = {
        "redshift_outside_grid": int((~on_grid).sum()),
        "too_few_pixels": int((on_grid & ~is_covered).sum()),
    }
    return Product(columns_to_table(RESTFRAME, columns, window=grid.window), dropped)


def _match(targets: pa.Table, coadds: pa.Table) -> pa.Table:
    """Return the target rows of the coadds, in the coadds' order."""
    order = coadds.append_column("order", pa.array(np.arange(coadds.num_rows)))
    joined = order.join(targets, KEY).sort_by("order")
    return joined.select(_TARGET_COLUMNS).combine_chunks()
