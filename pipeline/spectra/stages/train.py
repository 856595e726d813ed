"""Stage `train`: the model, one member for each seed and fold."""

from functools import partial

from catalog_schema.tables import RESTFRAME
from pipeline.errors import UserError
from pipeline.lake.files import remove
from pipeline.lake.store import digest
from pipeline.numerics import find_instruction_set
from pipeline.run import Run
from pipeline.spectra.model.tracking import measuring_energy, record_training
from pipeline.spectra.model.training import fit_model, publish_model
from pipeline.spectra.model.training_windows import load_windows
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
    instruction_set = digest(find_instruction_set(run.config.train.device))
    return do_once(partial(_train, run), instruction_set)


def _train(run: Run) -> Product:
    store, config = run.store, run.config
    shards = run.list_shards(RESTFRAME.name)
    windows = load_windows(store, [run.find_path(RESTFRAME.name, shard) for shard in shards])
    n_members = config.train.seeds * config.train.folds
    checkpoints = [store.lake.checkpoint(f"{run.model_id}-{k}") for k in range(n_members)]
    with measuring_energy(config.tracking) as used:
        try:
            model, records = fit_model(windows, config, run.model_id, checkpoints)
        except UserError as error:
            raise UserError(f"{store.root}: {error}") from None
    publish_model(run.model, model, records, config)
    for checkpoint in checkpoints:
        remove(checkpoint)
    record_training(store, config, run.model, used)
    return Product(n_expected=len(windows), n_made=len(windows))
