"""Stage `score`: latents and residual statistics of every window under one model."""

from functools import partial
from pathlib import Path

from catalog_schema.tables import RESTFRAME
from pipeline.lake.store import read_dataset
from pipeline.run import Run
from pipeline.settings.model import ScoreSettings
from pipeline.spectra.model.scorer import score_windows
from pipeline.stage import Job, Product, Task


def score(run: Run) -> Job:
    """Score every window with the model.

    Gate: `outside_training_range` (too few pixels that the model has learnt).

    Returns
    -------
    Job
        Makes `scores` of `restframe` and the model.
    """
    config, rows = run.config, run.count_rows(RESTFRAME.name)
    tasks = tuple(
        Task(
            shard,
            rows[shard],
            (content, run.model_id),
            (str(run.find_path(RESTFRAME.name, shard)),),
        )
        for shard, content in run.list_contents(RESTFRAME.name).items()
    )
    return Job(tasks, partial(_score_shard, run.model, config.score, config.run.seed))


def _score_shard(folder: Path, settings: ScoreSettings, seed: int, task: Task) -> Product:
    return score_windows(folder, settings, seed, read_dataset(Path(task.arguments[0])))
