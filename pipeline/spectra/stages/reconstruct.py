"""Stage `reconstruct`: the model's flux, in the observed frame, of every spectrum to publish."""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import RECONSTRUCTIONS, RESTFRAME, SCORES, TARGETS, TIERS
from catalog_schema.waist import ROW_KEY
from pipeline.judge.publication import choose_published
from pipeline.lake.align import align
from pipeline.lake.rows import split_by_shard
from pipeline.lake.store import columns_to_table, digest_rows, read_dataset
from pipeline.run import Run
from pipeline.science.draw import assign_folds
from pipeline.settings.model import ScoreSettings
from pipeline.spectra.model.models import Model, load_model
from pipeline.spectra.model.reconstruction import to_observed_frame
from pipeline.spectra.sampled import attach_sampling, get_sampling
from pipeline.spectra.science.extinction import transmission
from pipeline.stage import Job, Product, Task


def reconstruct(run: Run) -> Job:
    """Reconstruct the graded spectra and a random sample of ungraded ones for comparison.

    Returns
    -------
    Job
        Makes `reconstructions` of `targets`, `restframe`, `tiers` and the model, a file for each
        scored shard; it may publish no row.
    """
    config = run.config
    shards, contents = run.list_shards(SCORES.name), run.list_contents(RESTFRAME.name)
    targets = run.read_shards(TARGETS.name, shards, [*ROW_KEY, "EBV"])
    chosen = choose_published(run.read(TIERS.name), config.reconstruct)
    placed = align(pa.concat_tables(targets.values()), chosen, what=TARGETS.name)
    chosen = chosen.append_column("EBV", placed["EBV"])
    wanted, nothing = split_by_shard(chosen), chosen.slice(0, 0)
    tasks = []
    for shard in shards:
        rows = wanted.get(shard, nothing)
        inputs = (contents[shard], run.model_id, digest_rows(rows))
        arguments = (str(run.find_path(RESTFRAME.name, shard)), rows)
        tasks.append(Task(shard, rows.num_rows, inputs, arguments))
    work = partial(_reconstruct_shard, run.model, config.score, config.preprocess.r_v)
    return Job(tuple(tasks), work)


def _reconstruct_shard(folder: Path, settings: ScoreSettings, r_v: float, task: Task) -> Product:
    path, rows = task.arguments
    windows = read_dataset(Path(path))
    windows = windows.filter(pc.is_in(windows["TARGETID"], rows["TARGETID"].combine_chunks()))
    windows = windows.sort_by("TARGETID")
    sampling = get_sampling(windows)
    flux = np.zeros((0, sampling.grid.size), np.float32)
    if windows.num_rows:
        model = _load(folder)
        folds = assign_folds(windows["TARGETID"].to_numpy(), len(model.members))
        ebv = pc.fill_null(align(rows, windows, what=TIERS.name)["EBV"], 0.0).to_numpy()
        passed = transmission(sampling.grid.wave, ebv, r_v)
        flux = to_observed_frame(model, settings, windows, folds) * passed
    columns = {**{name: windows[name] for name in ROW_KEY}, "model": flux}
    return Product((attach_sampling(columns_to_table(RECONSTRUCTIONS, columns), sampling),))


@lru_cache(maxsize=2)
def _load(folder: Path) -> Model:
    return load_model(folder)
