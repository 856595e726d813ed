"""Search for settings of `[train]` that find more planted features in spectra never trained on."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog_schema.kinds import SPECTRA
from catalog_schema.tables import RESTFRAME
from catalog_schema.vocabulary import Parent, Split
from pipeline.config import Config
from pipeline.errors import QadError, UserError, first_line, needing
from pipeline.judge.null import Population, make_null
from pipeline.lake.files import replacing
from pipeline.lake.layout import Lake
from pipeline.lake.store import Store
from pipeline.numerics import limit_threads
from pipeline.run import Run
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.model.scorer import score_windows
from pipeline.spectra.model.training import fit_model, publish_model
from pipeline.spectra.model.training_windows import needs_scratch, open_windows
from pipeline.spectra.planting import plant
from pipeline.workers import call_from, connect, sharing_ray

# The kinds of `science.injection` that the mock survey's planted families lack: what chooses the
# settings does not judge them.
KINDS = ("narrow_absorption", "broad_emission")
FALSE_POSITIVES = 0.01
_LATENTS = (6, 32)


def tune(run: Run, n_trials: int) -> pa.Table:
    """Try settings, chosen by Optuna's sampler from the outcomes so far, and keep what was found.

    Parameters
    ----------
    run : Run
        Reads `restframe`, writes ``trials.parquet``. What is not searched of its settings stays as
        it is; one seed is trained. With ``run.workers`` of 1 the trials are a function of
        ``run.seed``, with more also of the order in which they end.
    n_trials : int

    Returns
    -------
    pyarrow.Table
        A row for each trial, best first: its settings, and the recall at one per cent of false
        positives, over all of `KINDS` and of each.

    Raises
    ------
    UserError
        If Optuna is not installed or there are too few spectra.
    QadError
        If a trial fails.
    """
    store, config = run.store, run.config
    # Ray's account of a folder that goes with the search tells nobody anything.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    with needing("tune"):
        from ray import tune as ray_tune
        from ray.tune.search.optuna import OptunaSearch

        search = OptunaSearch(seed=config.run.seed)
    basis = config.train.basis
    space = {
        "latent": ray_tune.randint(min(_LATENTS[0], basis), min(_LATENTS[1], basis) + 1),
        "hidden": ray_tune.choice([64, 128, 256]),
        "channels": ray_tune.choice([16, 32, 64]),
        "learning_rate": ray_tune.loguniform(5e-4, 1e-2),
        "beta": ray_tune.loguniform(0.1, 4.0),
        "model_error": ray_tune.uniform(0.01, 0.1),
    }

    # Nothing of the store travels to a trial, which Ray runs in a folder of its own.
    shards = run.list_shards(RESTFRAME.name)
    paths = [run.find_path(RESTFRAME.name, shard) for shard in shards]
    measure = partial(measure_recall, store.lake, paths, config)
    folder = Path.cwd()

    def run_trial(settings: dict[str, Any]) -> dict[str, float]:
        return call_from(folder, measure, settings)

    with sharing_ray(), tempfile.TemporaryDirectory() as scratch:
        connect(config.run.workers)
        tuner = ray_tune.Tuner(
            run_trial,
            param_space=space,
            tune_config=ray_tune.TuneConfig(
                metric="recall",
                mode="max",
                num_samples=n_trials,
                search_alg=search,
                max_concurrent_trials=config.run.workers,
            ),
            run_config=ray_tune.RunConfig(storage_path=scratch, verbose=0),
        )
        results = tuner.fit()
        if failed := results.errors:
            raise _explain(failed[0], f"{len(failed)} of {n_trials} trials failed")
        names = ("recall", *KINDS)
        tried = [(results[k].config or {}, results[k].metrics or {}) for k in range(n_trials)]
        rows = [settings | {name: found[name] for name in names} for settings, found in tried]
    trials = pa.Table.from_pylist(rows).sort_by([("recall", "descending")])
    with replacing(store.lake.trials) as temporary:
        pq.write_table(trials, temporary)
    return trials


@limit_threads()
def measure_recall(
    lake: Lake, paths: Sequence[Path], config: Config, settings: Mapping[str, Any]
) -> dict[str, float]:
    """Train with some settings and count which features are found in validation spectra.

    Found is what scores higher than all but one per cent of the validation spectra themselves,
    anomalies among them included, which makes the recall a little too small for all settings.

    Parameters
    ----------
    lake : Lake
    paths : sequence of Path
        Its windows, files of `restframe`.
    config : Config
        Reads ``inject`` for number of hosts and strengths.
    settings : mapping
        Of ``[train]``, in place of the configuration's.

    Returns
    -------
    dict
        ``recall``, and that of each of `KINDS`.

    Raises
    ------
    UserError
        If there are too few spectra.
    """
    store, seed = Store(lake.root, lake.url), config.run.seed
    train = config.train.model_copy(update={**settings, "seeds": 1})
    # Trials run beside each other, the members of one do not.
    run = config.run.model_copy(update={"workers": 1})
    config = config.model_copy(update={"train": train, "run": run})
    rows = _read_validation(store, paths)
    n_rows = sum(store.verify(path, with_rows=False).n_made for path in paths)
    on_scratch = needs_scratch(n_rows, make_run_grid(config).window, train.memory_limit)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "model")
        checkpoints = [Path(scratch, str(k)) for k in range(train.folds)]
        with open_windows(store, paths, on_scratch=on_scratch) as windows:
            model, records = fit_model(windows, config, "trial", checkpoints)
        publish_model(folder, model, records, config)
        own = score_windows(folder, config.score, seed, rows).tables[0]
        null = make_null(own, SPECTRA, config.calibrate)
        population = Population.from_rows(null, SPECTRA.waist, config.calibrate)
        threshold = np.quantile(null["anomaly_score"].to_numpy(), 1 - FALSE_POSITIVES)
        hosts = rows.filter(pc.is_in(rows["TARGETID"], own["TARGETID"].combine_chunks()))
        hosts, found = hosts.slice(0, config.inject.hosts), {}
        for kind in KINDS:
            planted = plant(hosts, model.grid, kind, config.inject.strengths, seed)
            scores = score_windows(folder, config.score, seed, planted).tables[0]
            score = population.compare(scores).score
            found[kind] = float((score > threshold).mean())
    return {"recall": float(np.mean(list(found.values()))), **found}


def describe_best(trials: pa.Table) -> list[str]:
    """Return the settings of the first trial as lines of TOML."""
    [best] = trials.slice(0, 1).drop_columns(["recall", *KINDS]).to_pylist()
    return ["[train]", *(f"{name} = {value:.4g}" for name, value in best.items())]


def _explain(error: Exception, what: str) -> QadError:
    """Return the cause of a failed trial, which Ray wraps in tracebacks, as one line."""
    cause = getattr(error, "cause", error)
    if isinstance(cause, QadError):
        return cause
    return QadError(f"{what}: {type(cause).__name__}: {first_line(cause)}")


def _read_validation(store: Store, paths: Sequence[Path]) -> pa.Table:
    is_core = pc.field("parent") == Parent.CORE.value
    chosen = is_core & (pc.field("split") == Split.VALIDATION.value)
    tables = list(store.map(lambda path: store.read(path).filter(chosen), paths))
    if not any(table.num_rows for table in tables):
        raise UserError(f"{store.root}: no validation spectrum to plant features in")
    return pa.concat_tables(tables).combine_chunks()
