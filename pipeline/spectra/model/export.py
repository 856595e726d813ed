"""The networks of a model as ONNX files, to be used without this project."""

import json
import warnings
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import UserError, needing
from pipeline.lake.files import replacing_folder
from pipeline.spectra.model.models import Member, load_model
from pipeline.spectra.science.vae import fit_amplitude, soften

MEMBER = "member-{}.onnx"
_INPUTS = ("flux", "weight", "start")
_OUTPUTS = ("latent", "latent_spread", "reconstruction")
_OPSET = 18


def export_model(folder: Path, to: Path) -> list[Path]:
    """Write every member of a model as an ONNX file.

    Inputs are ``flux`` and ``weight`` (n, window), float32, and ``start`` (n,), int64, as in
    `restframe`; outputs ``latent`` and ``latent_spread`` (n, latent), mean and standard deviation,
    and ``reconstruction`` (n, window) in units of the window's norm. n is free. The metadata tell
    model, seed, fold and grid.

    Parameters
    ----------
    folder : Path
        Of the model.
    to : Path
        New folder.

    Returns
    -------
    list of Path
        Seed by seed, fold by fold.

    Raises
    ------
    UserError
        If `folder` holds no model, `to` exists, or onnx is not installed.
    """
    with needing("export"):
        import onnx
    if to.exists():
        raise UserError(f"{to} exists; choose another folder with --to")
    model = load_model(folder)
    members = [
        (member, {"seed": seed, "fold": fold})
        for seed, ensemble in enumerate(model.ensembles)
        for fold, member in enumerate(ensemble)
    ]
    with replacing_folder(to, last=MEMBER.format(len(members) - 1)) as partial:
        for number, (member, place) in enumerate(members):
            path = partial / MEMBER.format(number)
            _export(Fitter(member).eval(), path)
            network = onnx.load(path)
            about = {
                "model_id": model.model_id,
                **place,
                "folds": len(model.members),
                **asdict(model.grid),
            }
            onnx.helper.set_model_props(network, {k: json.dumps(v) for k, v in about.items()})
            onnx.save(network, path)
    return [to / MEMBER.format(number) for number in range(len(members))]


class Fitter(nn.Module):
    """What `science.anomaly.fit_windows` does, in operators that ONNX has.

    Parameters
    ----------
    member : Member
    """

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.network = member.network
        self.is_learnt: Tensor
        self.register_buffer("is_learnt", member.is_learnt)

    def forward(self, flux: Tensor, weight: Tensor, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return latent mean and standard deviation (n, latent), reconstruction (n, window)."""
        network = self.network
        pixels = start[:, None] + torch.arange(network.shape.window)
        trusted = torch.where(self.is_learnt[pixels], weight, 0.0)
        flux = torch.where(trusted > 0, flux, 0.0)
        linear = network.infer_linear(flux, trusted, start, invert_in_blocks)
        posterior = network.encode(flux, trusted, start, linear)
        spectrum = network.decode(posterior.mean, start)
        amplitude = fit_amplitude(flux, soften(trusted, network.shape.model_error), spectrum)
        return posterior.mean, torch.exp(0.5 * posterior.log_variance), amplitude * spectrum


def invert_in_blocks(matrices: Tensor) -> Tensor:
    """Invert symmetric positive definite matrices, shape (n, k, k), by products alone.

    ONNX has no Cholesky decomposition. The Schur complements of halves, down to single numbers,
    give the inverse without iterating, and positive definite matrices need no pivoting; in double
    precision, for products lose more digits than the decomposition does.
    """
    return _invert(matrices.double()).to(matrices.dtype)


def _invert(matrices: Tensor) -> Tensor:
    size = matrices.shape[2]
    if size == 1:
        return matrices.reciprocal()
    half = size // 2
    first, cross = _invert(matrices[:, :half, :half]), matrices[:, :half, half:]
    scaled = first @ cross
    last = _invert(matrices[:, half:, half:] - cross.transpose(1, 2) @ scaled)
    corner = -scaled @ last
    upper = torch.cat([first - corner @ scaled.transpose(1, 2), corner], 2)
    return torch.cat([upper, torch.cat([corner.transpose(1, 2), last], 2)], 1)


def _export(fitter: Fitter, path: Path) -> None:
    shape = fitter.network.shape
    example = (torch.ones(2, shape.window), torch.ones(2, shape.window), torch.zeros(2).long())
    with warnings.catch_warnings():
        # The exporter by tracing, unlike its successor, needs no further library.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            fitter,
            example,
            path,
            input_names=_INPUTS,
            output_names=_OUTPUTS,
            dynamo=False,
            opset_version=_OPSET,
            dynamic_axes={name: {0: "n"} for name in (*_INPUTS, *_OUTPUTS)},
        )
