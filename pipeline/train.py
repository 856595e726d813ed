"""Stage `train`: fit the variational autoencoder; resume exactly where a killed run stopped."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import torch
from torch import Tensor

from catalog_schema.tables import RESTFRAME
from catalog_schema.vocabulary import Parent, Split
from pipeline.config import Config, TrainSettings
from pipeline.errors import UserError
from pipeline.lake_files import exists, opening, remove, replacing, replacing_folder
from pipeline.models import CARD, Model, TrainingRecord, save_model
from pipeline.preprocess import make_run_grid, to_matrix
from pipeline.progress import track
from pipeline.science.pca import fit_basis
from pipeline.science.vae import ModelShape, SpectrumVAE, limit_influence, negative_elbo, soften
from pipeline.shards import Report, finished_shards, read_contents
from pipeline.store import Store, digest, make_fingerprint

STAGE = "train"
REVISION = 2

_BASIS_ITERATIONS = 8
# The basis is a starting point: this many spectra determine it well enough.
_BASIS_SPECTRA = 3000


@dataclass(frozen=True)
class Windows:
    """Rest-frame windows resident in memory: flux, ivar (n, m), start (n,), split (n,)."""

    flux: Tensor
    ivar: Tensor
    start: Tensor
    split: np.ndarray

    def part(self, split: Split) -> "Windows":
        """Return the windows of one split."""
        chosen = torch.from_numpy(np.flatnonzero(self.split == split.value))
        return Windows(
            self.flux[chosen], self.ivar[chosen], self.start[chosen], self.split[chosen.numpy()]
        )

    def __len__(self) -> int:
        return len(self.start)


def train(store: Store, config: Config) -> Report:
    """Train the model on the `train` split and keep the weights that are best on `validation`.

    Parameters
    ----------
    store : Store
        Reads `restframe`, writes ``models/<id>/``.
    config : Config
        Reads ``train`` and ``run.seed``.

    Returns
    -------
    Report
        `dataset` is the model's id, the digest of settings and data.

    Raises
    ------
    UserError
        If a split is empty.
    """
    model_id = find_model_id(store, config)
    folder = store.lake.model(model_id)
    if exists(folder / CARD):
        return Report(model_id, skipped=1)
    settings, seed = config.train, config.run.seed
    torch.set_num_threads(settings.threads)
    if settings.device != "cpu":
        # The CPU kernels used here are deterministic without asking.
        torch.use_deterministic_algorithms(True)
    windows = load_windows(store)
    training, validation = (windows.part(split) for split in (Split.TRAIN, Split.VALIDATION))
    if not len(training) or not len(validation):
        raise UserError(
            f"{store.root}: {len(training)} training and {len(validation)} validation spectra; "
            "give more spectra or raise target.validation_fraction"
        )
    grid = make_run_grid(config)
    shape = ModelShape(
        grid.size, grid.window, settings.patch, settings.channels, settings.latent,
        settings.basis, settings.hidden, settings.model_error,
    )  # fmt: skip
    network = _start_network(shape, training, seed)
    record = _optimise(
        network, training, validation, settings, seed, store.lake.checkpoint(model_id)
    )
    _publish(folder, Model(model_id, network, grid, _count_support(training, grid.size)),
             training, record, config)  # fmt: skip
    remove(store.lake.checkpoint(model_id))
    return Report(model_id, made=1, n_expected=len(windows), n_made=len(windows))


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the model's folder, which exists when it is done, and its id."""
    model_id = find_model_id(store, config)
    return {store.lake.model(model_id): model_id}


def find_model_id(store: Store, config: Config) -> str:
    """Return the id of the model that the settings and the data define."""
    contents = read_contents(store, "preprocess", RESTFRAME.name)
    inputs = [f"{shard} {content}" for shard, content in contents.items()]
    seed = digest(config.run.seed)
    return make_fingerprint(STAGE, REVISION, [config.train], [*inputs, seed])[:12]


def load_windows(store: Store) -> Windows:
    """Read every rest-frame window of the core parent into memory, shards in order."""
    columns = ["parent", "split", "window_start", "rest_flux", "rest_ivar"]
    is_core = pc.field("parent") == Parent.CORE.value
    paths = [store.lake.shard(RESTFRAME.name, s) for s in finished_shards(store, "preprocess")]
    core = (store.read(path, columns).filter(is_core) for path in paths)
    tables = [table for table in core if table.num_rows]
    if not tables:
        raise UserError(f"{store.root}: no rest-frame spectrum to train on; see `qad status`")
    flux, ivar = (
        torch.from_numpy(np.concatenate([to_matrix(table[name]) for table in tables]))
        for name in ("rest_flux", "rest_ivar")
    )
    start = np.concatenate([table["window_start"].to_numpy() for table in tables])
    split = np.concatenate([table["split"].to_numpy() for table in tables])
    return Windows(flux, ivar, torch.from_numpy(start.astype(np.int64)), split.astype(str))


def _start_network(shape: ModelShape, training: Windows, seed: int) -> SpectrumVAE:
    torch.manual_seed(seed)
    network = SpectrumVAE(shape)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(training), generator=generator)[:_BASIS_SPECTRA]
    weight = soften(training.ivar[chosen], shape.model_error)
    basis = fit_basis(
        training.flux[chosen], weight, training.start[chosen], shape.grid, shape.basis,
        _BASIS_ITERATIONS, generator,
    )  # fmt: skip
    network.start_from(basis)
    return network


def _optimise(
    network: SpectrumVAE, training: Windows, validation: Windows, settings: TrainSettings,
    seed: int, checkpoint: Path,
) -> TrainingRecord:  # fmt: skip
    """Run the epochs; every random number is a function of seed and epoch, so resuming is exact."""
    device = torch.device(settings.device)
    network.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    best = {name: value.clone() for name, value in network.state_dict().items()}
    record = TrainingRecord()
    if exists(checkpoint):
        with opening(checkpoint) as file:
            saved = torch.load(BytesIO(file.read()), weights_only=True, map_location=device)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        best, record = saved["best"], TrainingRecord(**saved["record"])
    epochs = range(record.epochs, settings.epochs)
    for epoch in track(epochs, STAGE, len(epochs)):
        if record.epochs_without_gain >= settings.patience:
            break
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        _run_epoch(network, optimiser, training, settings, epoch, generator, device)
        loss = _evaluate(network, validation, settings, device)
        is_annealed = epoch + 1 >= settings.warmup_epochs
        record = record.advance(loss, is_annealed)
        if record.losses[-1] == record.best_loss:
            best = {name: value.clone() for name, value in network.state_dict().items()}
        state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(),
                 "best": best, "record": vars(record)}  # fmt: skip
        with replacing(checkpoint) as partial:
            torch.save(state, partial)
    network.load_state_dict(best)
    network.to("cpu").eval()
    return record


def _run_epoch(
    network: SpectrumVAE, optimiser: torch.optim.Optimizer, training: Windows,
    settings: TrainSettings, epoch: int, generator: torch.Generator, device: torch.device,
) -> None:  # fmt: skip
    network.train()
    beta = settings.beta * min(1.0, (epoch + 1) / settings.warmup_epochs)
    rate = 0.5 * settings.learning_rate * (1 + math.cos(math.pi * epoch / settings.epochs))
    for group in optimiser.param_groups:
        group["lr"] = rate
    order = torch.randperm(len(training), generator=generator)
    for batch in order.split(settings.batch_size):
        noise = torch.randn(len(batch), settings.latent, generator=generator)
        flux, ivar, start = _to(device, training, batch)
        bound = negative_elbo(network, flux, ivar, start, noise.to(device), beta)
        loss = limit_influence(bound).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()


@torch.no_grad()
def _evaluate(
    network: SpectrumVAE, validation: Windows, settings: TrainSettings, device: torch.device
) -> float:
    """Return the validation loss at full β and at the posterior mean: comparable over epochs."""
    network.eval()
    losses = []
    for batch in torch.arange(len(validation)).split(settings.batch_size):
        noise = torch.zeros(len(batch), settings.latent, device=device)
        flux, ivar, start = _to(device, validation, batch)
        losses.append(negative_elbo(network, flux, ivar, start, noise, settings.beta))
    return float(limit_influence(torch.cat(losses)).mean())


def _to(device: torch.device, windows: Windows, batch: Tensor) -> Iterator[Tensor]:
    return (values[batch].to(device) for values in (windows.flux, windows.ivar, windows.start))


def _count_support(training: Windows, size: int) -> Tensor:
    """Count the training spectra that cover each pixel of the global grid, shape (size,)."""
    support = torch.zeros(size, dtype=torch.int32)
    pixels = torch.arange(training.flux.shape[1])
    for start, ivar in zip(training.start, training.ivar, strict=True):
        support[start + pixels] += (ivar > 0).int()
    return support


@torch.no_grad()
def _publish(
    folder: Path, model: Model, training: Windows, record: TrainingRecord, config: Config
) -> None:
    """Write the model's folder and move it into place."""
    latents = [
        model.network.encode(*_to(torch.device("cpu"), training, batch)).mean
        for batch in torch.arange(len(training)).split(config.train.batch_size)
    ]
    with replacing_folder(folder, last=CARD) as partial:
        save_model(partial, model, torch.cat(latents), record, config)
