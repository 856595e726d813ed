"""Training: fit the members of the model; resume exactly where a killed run stopped."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from catalog_schema.vocabulary import Split
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.files import exists, replacing_folder
from pipeline.numerics import find_instruction_set, limit_threads
from pipeline.progress import track
from pipeline.science.draw import assign_folds
from pipeline.settings.model import TrainSettings
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.model.checkpoint import load_checkpoint, save_checkpoint
from pipeline.spectra.model.epochs import evaluate, infer_linear, run_epoch
from pipeline.spectra.model.models import CARD, Member, Model, TrainingRecord, save_model
from pipeline.spectra.model.training_windows import ScratchWindows, WindowSet
from pipeline.spectra.science.anomaly import fit_windows, join_fits, measure_excess
from pipeline.spectra.science.pca import fit_basis
from pipeline.spectra.science.restframe import find_noise_share
from pipeline.spectra.science.vae import ModelShape, SpectrumVAE, soften
from pipeline.spectra.surveys import find_sampling
from pipeline.workers import run_here, run_on_ray

# This many spectra determine the basis well enough.
_BASIS_SPECTRA = 8000
# As many of each member's unseen spectra tell the excess scatter.
_EXCESS_SPECTRA = 4000
# Rows whose support is counted at a time.
_COUNTED_ROWS = 1024
# What a worker takes beside its windows: torch and the other libraries.
_WORKER_BYTES = 600 * 2**20

Opening = Callable[[], AbstractContextManager[WindowSet]]
# Windows to learn from, and those that say when to stop.
Parts = tuple[WindowSet, WindowSet]


def fit_model(
    windows: WindowSet,
    config: Config,
    model_id: str,
    checkpoints: Sequence[Path],
    reopen: Opening | None = None,
) -> tuple[Model, list[TrainingRecord]]:
    """Train the members of every seed, which are independent of each other.

    Parameters
    ----------
    windows : WindowSet
        With the splits `train` and `validation` among them.
    config : Config
        Reads ``train``, ``run.seed``, ``run.workers`` and what decides the grid.
    model_id : str
    checkpoints : sequence of Path
        Where each member's state is kept after every epoch, seed by seed, and resumed from.
    reopen : callable, optional
        Opens the same windows on another machine, to which a scratch file cannot be handed; without
        it members that learn from one are trained here, one after the other.

    Raises
    ------
    UserError
        If a split is empty, or a member's training sample is smaller than ``train.basis``.
    """
    settings = config.train
    prepare_device(settings)
    instruction_set = find_instruction_set(settings.device)
    training, validation = parts = _split(windows)
    folds = assign_folds(training.targetid, settings.folds)
    if not len(validation) or len(np.unique(folds)) < 2:
        raise UserError(
            f"{len(training)} training and {len(validation)} validation spectra are too few; "
            "give more spectra or raise target.validation_fraction"
        )
    _require_spectra_for_basis(folds, settings)
    workers = config.run.workers if settings.device == "cpu" else 1
    open_parts: Callable[[], AbstractContextManager[Parts]] = partial(_hold, parts)
    on_scratch = isinstance(windows, ScratchWindows)
    if on_scratch:
        if reopen is None:
            workers = 1
        elif workers > 1:
            open_parts = partial(_reopen_parts, reopen)
    train_member = partial(_train_member, open_parts, config, checkpoints, instruction_set)
    numbers = range(len(checkpoints))
    if workers > 1:
        n_bytes = _WORKER_BYTES + 3 * (training.n_bytes + validation.n_bytes)
        found = run_on_ray(
            train_member,
            numbers,
            lambda _: None,
            workers,
            lambda _: n_bytes,
            spread=on_scratch,
        )
    else:
        found = run_here(train_member, numbers, lambda _: None)
    trained = dict(found)
    members, records = zip(*(trained[k] for k in numbers), strict=True)
    ensembles = tuple(zip(*[iter(members)] * settings.folds, strict=True))
    excess = _measure_excess(ensembles[0], training, folds, config)
    model = Model(model_id, ensembles, make_run_grid(config), find_sampling(config), excess)
    return model, list(records)


def _require_spectra_for_basis(folds: np.ndarray, settings: TrainSettings) -> None:
    """Refuse a basis with more components than a member has spectra to fit them to."""
    fewest = len(folds) - int(np.bincount(folds).max())
    if fewest < settings.basis:
        latent = f" and train.latent={fewest}" if settings.latent > fewest else ""
        raise UserError(
            f"a member of the model has {fewest} training spectra, fewer than train.basis = "
            f"{settings.basis}: give more spectra, or set train.basis={fewest}{latent} or less"
        )


def prepare_device(settings: TrainSettings) -> torch.device:
    """Make what is computed on the device reproducible, and return it.

    Raises
    ------
    UserError
        If there is no such device.
    """
    try:
        device = torch.empty(0, device=settings.device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"train.device {settings.device!r} cannot be used: {reason}") from None
    if device.type != "cpu":
        # The CPU kernels used here are deterministic without asking; cuBLAS needs a workspace.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return device


def _split(windows: WindowSet) -> Parts:
    return windows.part(Split.TRAIN), windows.part(Split.VALIDATION)


@contextmanager
def _hold(parts: Parts) -> Iterator[Parts]:
    yield parts


@contextmanager
def _reopen_parts(reopen: Opening) -> Iterator[Parts]:
    with reopen() as windows:
        yield _split(windows)


def _train_member(
    open_parts: Callable[[], AbstractContextManager[Parts]],
    config: Config,
    checkpoints: Sequence[Path],
    instruction_set: Mapping[str, str],
    number: int,
) -> tuple[int, tuple[Member, TrainingRecord]]:
    """Train a member without its fold; return its number with it."""
    require_same_instructions(instruction_set, find_instruction_set(config.train.device))
    with limit_threads(config.train.threads), open_parts() as (training, validation):
        return number, _fit_member(training, validation, config, checkpoints, number)


def require_same_instructions(wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Refuse a worker whose kernels would make other weights than the model's id promises.

    Parameters
    ----------
    wanted, found : mapping
        Of `find_instruction_set`, the driver's and the worker's.

    Raises
    ------
    UserError
        If they differ.
    """
    differing = [name for name in sorted({*wanted, *found}) if wanted.get(name) != found.get(name)]
    if differing:
        raise UserError(
            f"{socket.gethostname()} has another instruction set ({', '.join(differing)}) than the "
            "driver, so its weights would be others; train on nodes of one kind"
        )


def _fit_member(
    training: WindowSet,
    validation: WindowSet,
    config: Config,
    checkpoints: Sequence[Path],
    number: int,
) -> tuple[Member, TrainingRecord]:
    settings, grid = config.train, make_run_grid(config)
    device = prepare_device(settings)
    folds = assign_folds(training.targetid, settings.folds)
    training = training.take(folds != number % settings.folds)
    seed = config.run.seed + number // settings.folds
    shape = ModelShape(
        grid.size,
        grid.window,
        settings.patch,
        settings.channels,
        settings.latent,
        settings.basis,
        settings.hidden,
        settings.model_error,
    )
    network = _start_network(shape, training, seed)
    is_learnt = _count_support(training, grid.size) >= settings.min_support
    training, validation = (part.hold_on(device) for part in (training, validation))
    record = _optimise(network, training, validation, settings, seed, checkpoints[number])
    with torch.no_grad():
        latents = [
            network.encode(*look).mean
            for _, look in training.read_batches(training.order, settings.batch_size)
        ]
    return Member(network.cpu(), is_learnt, torch.cat(latents).cpu()), record


def _measure_excess(
    members: Sequence[Member], training: WindowSet, folds: np.ndarray, config: Config
) -> Tensor:
    """Measure the scatter about the model of spectra that the fitting member has not seen."""
    fits, starts = [], []
    for k, member in enumerate(members):
        unseen = training.take(np.flatnonzero(folds == k)[:_EXCESS_SPECTRA])
        if len(unseen):
            look = unseen.look(unseen.order)
            fits.append(fit_windows(member.network, member.is_learnt, *look))
            starts.append(unseen.start.numpy())
    grid = make_run_grid(config)
    share = find_noise_share(grid, find_sampling(config).grid)
    return torch.from_numpy(
        measure_excess(join_fits(fits), share, np.concatenate(starts), grid.size)
    )


def _start_network(shape: ModelShape, training: WindowSet, seed: int) -> SpectrumVAE:
    torch.manual_seed(seed)
    network = SpectrumVAE(shape)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(training), generator=generator)[:_BASIS_SPECTRA]
    flux, weight, start = training.look(chosen)
    weight = soften(weight, shape.model_error)
    basis = fit_basis(flux, weight, start, shape.grid, shape.basis, generator)
    network.start_from(basis)
    return network


def _optimise(
    network: SpectrumVAE,
    training: WindowSet,
    validation: WindowSet,
    settings: TrainSettings,
    seed: int,
    checkpoint: Path,
) -> TrainingRecord:
    """Run the epochs; every random number is a function of seed and epoch, so resuming is exact."""
    device = torch.device(settings.device)
    network.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, fused=True)
    best = {name: value.clone() for name, value in network.state_dict().items()}
    known = [infer_linear(network, part, settings) for part in (training, validation)]
    # The linear start is a model too, and what is learnt has to be better.
    start = evaluate(network, validation, known[1], settings)
    record = TrainingRecord(start_loss=start, best_loss=start)
    if exists(checkpoint):
        saved = load_checkpoint(checkpoint, device)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        best, record = saved["best"], TrainingRecord(**saved["record"])
    epochs = range(record.epochs, settings.epochs)
    for epoch in track(epochs, "train", len(epochs)):
        if record.epochs_without_gain >= settings.patience:
            break
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        run_epoch(network, optimiser, training, known[0], settings, epoch, generator)
        loss = evaluate(network, validation, known[1], settings)
        is_annealed = epoch + 1 >= settings.warmup_epochs
        record = record.advance(loss, is_annealed)
        if record.losses[-1] == record.best_loss:
            best = {name: value.clone() for name, value in network.state_dict().items()}
        state = {
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "best": best,
            "record": vars(record),
        }
        save_checkpoint(checkpoint, state)
    network.load_state_dict(best)
    network.eval()
    return record


def _count_support(training: WindowSet, size: int) -> Tensor:
    """Count the training spectra that cover each pixel of the global grid, shape (size,)."""
    support = torch.zeros(size, dtype=torch.int32)
    for _, (_, weight, start) in training.read_batches(training.order, _COUNTED_ROWS):
        pixels = start[:, None] + torch.arange(weight.shape[1])
        support.scatter_add_(0, pixels.flatten(), (weight > 0).int().flatten())
    return support


def publish_model(
    folder: Path, model: Model, records: Sequence[TrainingRecord], config: Config
) -> None:
    """Write the model's folder, whole or not at all."""
    with replacing_folder(folder, last=CARD) as partial:
        save_model(partial, model, records, config)
