"""Spectra as dereddened, normalised rest-frame windows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import RESTFRAME
from catalog_schema.waist import ROW_KEY
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.settings.spectra import PreprocessSettings
from pipeline.spectra.sampled import attach_sampling, get_sampling
from pipeline.spectra.science.extinction import deredden, transmission
from pipeline.spectra.science.restframe import (
    RestFrameGrid,
    find_window_starts,
    normalise,
    resample,
)
from pipeline.stage import Product

# Columns of `targets` and of `coadds` that the windows keep.
OF_TARGET = ("split", "parent", "control")
CARRIED = (
    *ROW_KEY,
    "snr",
    "snr_b",
    "snr_r",
    "snr_z",
    "coverage_b",
    "coverage_r",
    "coverage_z",
)
# Rows worked on at a time: their arrays stay in the processor's cache and are used again.
_BLOCK_ROWS = 64


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
    windows = pa.concat_tables(block.tables[0] for block in blocks)
    return Product((attach_sampling(windows, get_sampling(coadds)),), dropped)


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
        **{name: coadds[name].filter(kept) for name in CARRIED},
        "Z": z[kept],
        **{name: targets[name].filter(kept) for name in OF_TARGET},
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
    return Product((columns_to_table(RESTFRAME, columns, window=grid.window),), dropped)
