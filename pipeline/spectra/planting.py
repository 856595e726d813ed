"""Features planted in copies of windows."""

import numpy as np
import pyarrow as pa

from pipeline.lake.store import replace_columns, to_matrix
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.injection import SHAPES, Host, draw_feature
from pipeline.spectra.science.restframe import RestFrameGrid


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
        Rows of `restframe` with their strength as ``planted``; a feature that meets no good pixel
        is left out.
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
    return planted.append_column("planted", pa.array(sizes, pa.float64()))
