"""Stage `preprocess`: dereddened, normalised rest-frame windows, one Parquet file per shard."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog_schema.tables import COADDS, TARGETS
from catalog_schema.waist import KEY
from pipeline.lake.align import align
from pipeline.lake.store import digest_rows, read_dataset, replace_columns
from pipeline.run import Run
from pipeline.settings.spectra import PreprocessSettings
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.model.models import load_model
from pipeline.spectra.science.restframe import RestFrameGrid, find_reach
from pipeline.spectra.surveys import recognise_survey
from pipeline.spectra.windows import CARRIED, OF_TARGET, make_windows
from pipeline.stage import Job, Product, Task

_TARGET_COLUMNS = [*KEY, "Z", "EBV", *OF_TARGET]


def preprocess(run: Run) -> Job:
    """Deredden, shift to the rest frame, resample and normalise every extracted spectrum.

    A parent sample in the observed frame is not shifted.

    Gates: `redshift_outside_grid`, `too_few_pixels` (fewer good pixels than the settings ask).

    Returns
    -------
    Job
        Makes `restframe` of `targets` and `coadds`, on the grid that the settings make or that a
        finished model brings.
    """
    config = run.config
    grid = load_model(run.given_model).grid if run.given_model else make_run_grid(config)
    contents, rows = run.list_contents(COADDS.name), run.count_rows(COADDS.name)
    targets = run.read_shards(TARGETS.name, contents, _TARGET_COLUMNS)
    if not config.target.parent.in_rest_frame:
        targets = {shard: _stay(rows) for shard, rows in targets.items()}
    coadds = run.read_shards(COADDS.name, contents, KEY)
    tasks = []
    for shard, content in contents.items():
        mine = align(targets[shard], coadds[shard], KEY, TARGETS.name)
        inputs = (content, digest_rows(mine), repr(grid))
        arguments = (str(run.find_path(COADDS.name, shard)), mine)
        tasks.append(Task(shard, rows[shard], inputs, arguments))
    work = partial(_preprocess_shard, config.preprocess, grid)
    return Job(tuple(tasks), work, _tell_reach(run, grid))


def _tell_reach(run: Run, grid: RestFrameGrid) -> tuple[str, ...]:
    """Say what a finished model's windows leave out of another survey's spectra."""
    survey = recognise_survey(run.config.run)
    # Loose spectra come on the model's own grid.
    if not run.given_model or not survey.has_catalogue:
        return ()
    observed, reach = survey.sampling.grid, find_reach(grid, survey.sampling.grid)
    if reach >= observed.ends[1]:
        return ()
    return (f"the model's windows end at {reach:.0f} Å observed: redder pixels are left out",)


def _stay(targets: pa.Table) -> pa.Table:
    """Return rows of `targets` as what they are in the observed frame: at redshift 0."""
    return replace_columns(targets, {"Z": np.zeros(targets.num_rows)})


def _preprocess_shard(settings: PreprocessSettings, grid: RestFrameGrid, task: Task) -> Product:
    path, rows = task.arguments
    coadds = read_dataset(Path(path), [*CARRIED, "flux", "ivar"])
    return make_windows(coadds, rows, settings, grid)
