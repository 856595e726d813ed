"""Known phenomena planted in a survey's own spectra: what the classifier learns from."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from catalog_schema.lines import waves
from catalog_schema.parents import ParentSample
from catalog_schema.spectra import WRONG_Z
from catalog_schema.tables import RESTFRAME
from pipeline.judge.knowledge import Examples
from pipeline.lake.store import replace_columns, to_matrix
from pipeline.run import Run
from pipeline.science.measured import Measured
from pipeline.spectra.measuring import (
    fit_residuals,
    measure_windows,
    move_windows,
    score_rows,
)
from pipeline.spectra.model.models import Model, load_model
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.hosts import Host
from pipeline.spectra.science.phenomena import PHENOMENA
from pipeline.spectra.science.residuals import Residuals
from pipeline.spectra.science.rivals import confuse_lines

# Few hosts can show these: each that can is used so many times.
_TIMES = {"changing_look": 4, "dla": 3, "double_peaked": 2}
# Number of the random stream of wrong redshifts, after those of the first phenomena.
_MISPLACED = 23


def plant_examples(run: Run, hosts: pa.Table) -> Examples:
    """Plant every phenomenon in every host that can show it; score and measure the result.

    Parameters
    ----------
    run : Run
    hosts : pyarrow.Table
        SURVEY, PROGRAM, HEALPIX and TARGETID of ordinary spectra.
    """
    config, folder = run.config, run.model
    model = load_model(folder)
    windows = run.read_rows(RESTFRAME.name, hosts)
    spectra = fit_residuals(model, config, windows)
    kinds, scores, measured = [], [], []
    # Kind by kind: the copies of the windows are many times the sample.
    parent = config.target.parent
    for kind, planted in _plant(windows, spectra, model, parent, config.run.seed):
        scored, rows = score_rows(folder, config, planted)
        found = measure_windows(model, config, planted.take(pa.array(rows)))
        kinds += [kind] * len(rows)
        scores.append(scored)
        measured.append(found)
    joined = Measured(*(np.concatenate(parts) for parts in zip(*measured, strict=True)))
    return Examples(np.array(kinds), pa.concat_tables(scores).combine_chunks(), joined)


def _plant(
    windows: pa.Table, spectra: Residuals, model: Model, parent: ParentSample, seed: int
) -> Iterator[tuple[str, pa.Table]]:
    hosts = [_make_host(spectra, row) for row in range(len(spectra))]
    flux = to_matrix(windows["rest_flux"])
    for number, (kind, draw) in enumerate(PHENOMENA.items()):
        if kind not in parent.waist.examples:
            continue
        drawn = [
            (row, draw(host, np.random.default_rng([seed, number, row, again])))
            for row, host in enumerate(hosts)
            for again in range(_TIMES.get(kind, 1))
        ]
        rows = [row for row, change in drawn if change is not None]
        if rows:
            changed = flux[rows] + np.stack([change for _, change in drawn if change is not None])
            planted = windows.take(pa.array(rows))
            changed = np.where(to_matrix(planted["rest_weight"]) > 0, changed, 0)
            yield kind, replace_columns(planted, {"rest_flux": changed.astype(np.float32)})
    if WRONG_Z in parent.waist.examples:
        misplaced = _misplace(windows, model, parent.lines, seed)
        if misplaced.num_rows:
            yield WRONG_Z, misplaced


def _misplace(windows: pa.Table, model: Model, lines: tuple[str, ...], seed: int) -> pa.Table:
    """Return the hosts at redshifts at which one of their lines is taken for another."""
    grid, z = model.grid, windows["Z"].to_numpy()
    first, last = get_sampling(windows).grid.ends
    wrong = [
        confuse_lines(
            float(own),
            waves(*lines),
            (first + 200, last - 200),
            np.random.default_rng([seed, _MISPLACED, row]),
        )
        for row, own in enumerate(z)
    ]
    target = np.array([np.nan if value is None else value for value in wrong])
    shift = np.round(np.log10((1 + z) / (1 + np.nan_to_num(target))) / grid.log10_step)
    start = windows["window_start"].to_numpy() + shift
    is_on_grid = (start >= 0) & (start + grid.window <= grid.size)
    rows = np.flatnonzero(is_on_grid & ~np.isnan(target))
    return move_windows(windows.take(pa.array(rows)), shift[rows].astype(np.intp), model)


def _make_host(spectra: Residuals, row: int) -> Host:
    first = spectra.start[row]
    rest = spectra.grid.wave[first : first + spectra.flux.shape[1]]
    model = spectra.model[row].astype(np.float64)
    weight = spectra.noise_weight[row].astype(np.float64)
    spans = tuple(spectra.sampling.spans.values())
    return Host(rest, spectra.observed_wave[row], model, weight, float(spectra.z[row]), spans)
