"""Stage `train`: the model, one member for each seed and fold."""

from functools import partial

from catalog_schema.tables import RESTFRAME
from pipeline.errors import UserError
from pipeline.lake.files import remove
from pipeline.lake.store import Store, digest
from pipeline.numerics import find_instruction_set
from pipeline.run import Run
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.model.tracking import measuring_energy, record_training
from pipeline.spectra.model.training import fit_model, publish_model
from pipeline.spectra.model.training_windows import needs_scratch, open_windows
from pipeline.stage import Job, Product, do_once


def train(run: Run) -> Job:
    """Train one member for each seed and fold, and keep the weights best on `validation`.

    A member learns from the `train` split without its fold, so that every spectrum has a member
    that never saw it and its score is that of an unknown one.

    Returns
    -------
    Job
        Makes ``models/<id>/`` of `restframe`; the id is the digest of settings, data and the
        instruction set.

    Raises
    ------
    UserError
        If a split or a member's training sample is too small, or a library for tracking is
        missing.
    """
    config = run.config
    instruction_set = digest(find_instruction_set(config.train.device))
    n_rows = sum(run.count_rows(RESTFRAME.name).values())
    on_scratch = needs_scratch(n_rows, make_run_grid(config).window, config.train.memory_limit)
    # From there the windows come as float16 and in another order: other weights, another model.
    inputs = (instruction_set, "windows on scratch") if on_scratch else (instruction_set,)
    return do_once(partial(_train, run, on_scratch), *inputs)


def _train(run: Run, on_scratch: bool) -> Product:
    store, config = run.store, run.config
    shards = run.list_shards(RESTFRAME.name)
    paths = [run.find_path(RESTFRAME.name, shard) for shard in shards]
    # Of a plain store, for it may travel to a worker.
    reopen = partial(open_windows, Store(store.root, store.lake.url), paths, on_scratch=on_scratch)
    n_members = config.train.seeds * config.train.folds
    checkpoints = [store.lake.checkpoint(f"{run.model_id}-{k}") for k in range(n_members)]
    with reopen() as windows, measuring_energy(config.tracking) as used:
        n_windows = len(windows)
        try:
            model, records = fit_model(windows, config, run.model_id, checkpoints, reopen)
        except UserError as error:
            raise UserError(f"{store.root}: {error}") from None
    publish_model(run.model, model, records, config)
    for checkpoint in checkpoints:
        remove(checkpoint)
    record_training(store, config, run.model, used)
    return Product(n_expected=n_windows, n_made=n_windows)
