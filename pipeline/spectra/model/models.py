"""Trained models on disk: members' weights, grid, sizes, latents of the training samples."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from catalog_schema.grids import Sampling
from pipeline.config import Config
from pipeline.errors import first_line
from pipeline.lake.layout import MODEL_CARD, MODEL_NORMS, MODEL_NULL, MODEL_TAXONOMY, MODEL_TRAITS
from pipeline.lake.model_files import damaged, read_card, read_model_file, write_card
from pipeline.numerics import find_instruction_set
from pipeline.spectra.science.restframe import RestFrameGrid
from pipeline.spectra.science.vae import ModelShape, SpectrumVAE

WEIGHTS = "weights-{}.safetensors"
CARD = MODEL_CARD
REFERENCE = "reference.safetensors"
NULL, NORMS, TAXONOMY, TRAITS = MODEL_NULL, MODEL_NORMS, MODEL_TAXONOMY, MODEL_TRAITS

_READ_FAULTS = (OSError, KeyError, TypeError, RuntimeError, ValueError, SafetensorError)


@dataclass(frozen=True)
class TrainingRecord:
    """How far the optimisation is: epochs run, loss before, best, epochs since, loss by epoch."""

    epochs: int = 0
    start_loss: float = float("inf")
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


@dataclass(frozen=True, eq=False)
class Member:
    """A network trained on all folds but one, which is the one that it scores.

    Attributes
    ----------
    network : SpectrumVAE
    is_learnt : Tensor of bool, shape (grid.size,)
        Pixels that enough training spectra cover.
    latents : Tensor, shape (n, latent)
        Latents of its training sample: the reference for isolation.
    """

    network: SpectrumVAE
    is_learnt: Tensor
    latents: Tensor


@dataclass(frozen=True)
class Model:
    """Members, one for each seed and fold, with what is needed to use them.

    Attributes
    ----------
    model_id : str
    ensembles : tuple of tuple of Member
        One ensemble for each seed; its member k has seen no spectrum of fold k.
    grid : RestFrameGrid
    sampling : Sampling
        Of the observed spectra that it was trained on.
    excess : Tensor, shape (grid.size / 16,)
        Fraction of the model by which normal spectra scatter about it beyond their noise.
    """

    model_id: str
    ensembles: tuple[tuple[Member, ...], ...]
    grid: RestFrameGrid
    sampling: Sampling
    excess: Tensor

    @property
    def members(self) -> tuple[Member, ...]:
        """The first seed's members, which make the published scores."""
        return self.ensembles[0]


def save_model(
    folder: Path, model: Model, records: Sequence[TrainingRecord], config: Config
) -> None:
    """Write a model into an existing folder.

    Parameters
    ----------
    folder : Path
    model : Model
    records : sequence of TrainingRecord
        Of each member, seed by seed.
    config : Config
        The settings that decide the model are kept in the card, with the instruction set.
    """
    reference = {"excess": model.excess}
    every = [member for members in model.ensembles for member in members]
    for k, member in enumerate(every):
        save_file(member.network.state_dict(), folder / WEIGHTS.format(k))
        reference |= {f"latents_{k}": member.latents, f"is_learnt_{k}": member.is_learnt}
    save_file(reference, folder / REFERENCE)
    card = {
        "id": model.model_id,
        "grid": asdict(model.grid),
        "sampling": model.sampling.to_json(),
        "shape": asdict(model.members[0].network.shape),
        "settings": {
            section: getattr(config, section).model_dump(mode="json")
            for section in ("target", "extract", "preprocess", "train")
        },
        "seed": config.run.seed,
        "instruction_set": find_instruction_set(config.train.device),
        "training": [asdict(record) for record in records],
        "folds": len(model.members),
        "n_training": [len(member.latents) for member in every],
    }
    write_card(folder, card)


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
        reference = _load_tensors(folder, card, REFERENCE)
        members = []
        for k in range(len(card["training"])):
            network = SpectrumVAE(shape)
            network.load_state_dict(_load_tensors(folder, card, WEIGHTS.format(k)))
            members.append(
                Member(network.eval(), reference[f"is_learnt_{k}"], reference[f"latents_{k}"])
            )
        ensembles = tuple(zip(*[iter(members)] * card["folds"], strict=True))
        sampling = Sampling.from_json(card["sampling"])
        return Model(card["id"], ensembles, grid, sampling, reference["excess"])
    except _READ_FAULTS as error:
        raise damaged(folder, first_line(error)) from None


def _load_tensors(folder: Path, card: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    return load(read_model_file(folder, card, name))
