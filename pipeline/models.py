"""Trained models on disk: weights, grid, sizes and the latents of the training sample."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake_files import opening, show
from pipeline.layout import MODEL_CARD
from pipeline.science.restframe import RestFrameGrid
from pipeline.science.vae import ModelShape, SpectrumVAE

WEIGHTS = "weights.safetensors"
CARD = MODEL_CARD
REFERENCE = "reference.safetensors"
NULL = "null.parquet"

_READ_FAULTS = (OSError, KeyError, TypeError, RuntimeError, ValueError, SafetensorError)


@dataclass(frozen=True)
class TrainingRecord:
    """How far the optimisation is: epochs run, best loss, epochs since, loss by epoch."""

    epochs: int = 0
    best_loss: float = float("inf")
    epochs_without_gain: int = 0
    losses: list[float] = field(default_factory=list)

    def advance(self, loss: float, counts: bool) -> "TrainingRecord":
        """Book an epoch; patience counts only once `counts` (β has reached its final value)."""
        is_best = loss < self.best_loss
        waited = self.epochs_without_gain + counts
        return replace(
            self,
            epochs=self.epochs + 1,
            best_loss=loss if is_best else self.best_loss,
            epochs_without_gain=0 if is_best else waited,
            losses=[*self.losses, loss],
        )


@dataclass(frozen=True)
class Model:
    """A network with what is needed to use it.

    Attributes
    ----------
    model_id : str
    network : SpectrumVAE
    grid : RestFrameGrid
    support : Tensor of int32, shape (grid.size,)
        Training spectra that cover each pixel.
    """

    model_id: str
    network: SpectrumVAE
    grid: RestFrameGrid
    support: Tensor


def save_model(
    folder: Path, model: Model, latents: Tensor, record: TrainingRecord, config: Config
) -> None:
    """Write a model into an existing folder.

    Parameters
    ----------
    folder : Path
    model : Model
    latents : Tensor, shape (n, latent)
        Latents of the training sample: the reference for isolation.
    record : TrainingRecord
    config : Config
        The settings that decide the model are kept in the card.
    """
    save_file(model.network.state_dict(), folder / WEIGHTS)
    save_file({"latents": latents, "support": model.support}, folder / REFERENCE)
    card = {
        "id": model.model_id,
        "grid": asdict(model.grid),
        "shape": asdict(model.network.shape),
        "settings": {
            section: getattr(config, section).model_dump(mode="json")
            for section in ("target", "extract", "preprocess", "train")
        },
        "seed": config.run.seed,
        "training": asdict(record),
        "n_training": len(latents),
    }
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n")


def load_model(folder: Path) -> Model:
    """Read a model.

    Raises
    ------
    UserError
        If the folder holds no whole model.
    """
    card = read_card(folder)
    try:
        shape, grid = ModelShape(**card["shape"]), RestFrameGrid(**card["grid"])
        network = SpectrumVAE(shape)
        network.load_state_dict(_load_tensors(folder / WEIGHTS))
        support = _load_tensors(folder / REFERENCE)["support"]
        return Model(card["id"], network.eval(), grid, support)
    except _READ_FAULTS as error:
        raise _damaged(folder, error) from None


def read_card(folder: Path) -> Mapping[str, Any]:
    """Return a model's card.

    Raises
    ------
    UserError
        If the folder is no model.
    """
    try:
        with opening(folder / CARD) as file:
            return dict(json.loads(file.read()))
    except (OSError, ValueError, TypeError):
        raise UserError(
            f"{show(folder)} is no model: it has no readable {CARD}; give an id or a folder"
        ) from None


def read_reference(folder: Path) -> Tensor:
    """Return the latents of the training sample, shape (n, latent).

    Raises
    ------
    UserError
        If the file is missing or damaged.
    """
    try:
        return _load_tensors(folder / REFERENCE)["latents"]
    except _READ_FAULTS as error:
        raise _damaged(folder, error) from None


def _load_tensors(path: Path) -> dict[str, Tensor]:
    with opening(path) as file:
        return load(file.read())


def _damaged(folder: Path, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError(f"model {show(folder)}: damaged ({reason}); delete it and train again")
