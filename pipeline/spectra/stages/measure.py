"""Stage `measure`: physical measurements of every scored spectrum, and its best rival redshift."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import NULL, RESTFRAME, SCORES, SIGNIFICANCE
from catalog_schema.waist import ROW_KEY
from pipeline.config import Config
from pipeline.lake.rows import split_by_shard
from pipeline.lake.store import digest_rows, read_dataset
from pipeline.run import Run
from pipeline.spectra.measuring import measure_table
from pipeline.stage import Job, Product, Task


def measure(run: Run) -> Job:
    """Measure every scored spectrum, negative controls included.

    Quasars that are strange are scored again at the redshifts where their lines fit best.

    Returns
    -------
    Job
        Makes `measurements` of `restframe`, `scores`, `significance` and the model with its `null`.
    """
    significance = run.read(SIGNIFICANCE.name, [*ROW_KEY, "p_value"])
    strange, nothing = split_by_shard(significance), significance.slice(0, 0)
    rows, windows = run.count_rows(SCORES.name), run.list_contents(RESTFRAME.name)
    population = run.find_content(NULL.name)
    tasks = []
    for shard, content in run.list_contents(SCORES.name).items():
        mine = strange.get(shard, nothing)
        inputs = (run.model_id, windows[shard], content, population, digest_rows(mine))
        paths = [str(run.find_path(name, shard)) for name in (RESTFRAME.name, SCORES.name)]
        tasks.append(Task(shard, rows[shard], inputs, (*paths, mine)))
    return Job(tuple(tasks), partial(_measure_shard, run.model, run.config))


def _measure_shard(folder: Path, config: Config, task: Task) -> Product:
    path, scores, graded = task.arguments
    scored = read_dataset(Path(scores), ["TARGETID"])["TARGETID"].combine_chunks()
    windows = read_dataset(Path(path))
    windows = windows.filter(pc.is_in(windows["TARGETID"], scored))
    p_value = _look_up(graded, windows["TARGETID"].to_numpy())
    return Product((measure_table(folder, config, windows, p_value),))


def _look_up(graded: pa.Table, targetids: NDArray) -> NDArray[np.float64]:
    known = dict(zip(graded["TARGETID"].to_pylist(), graded["p_value"].to_pylist(), strict=True))
    return np.array([known.get(int(targetid), np.nan) for targetid in targetids])
