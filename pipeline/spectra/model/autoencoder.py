"""A plain autoencoder of observed spectra: the baseline beside the calibrated model.

It knows neither redshift nor noise: a pixel is seen (ivar > 0) or it is not. What it scores is a
mean squared error, which follows signal-to-noise and coverage as much as strangeness, and says
nothing of significance; for p-values see `pipeline.spectra.model.calibrated.CalibratedModel`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from catalog_schema.grids import Sampling
from pipeline.errors import UserError, first_line
from pipeline.lake.files import replacing
from pipeline.lake.store import to_matrix
from pipeline.numerics import limit_threads
from pipeline.spectra.loose.tiles import Tiles, read_tiles
from pipeline.spectra.science.median import median_of_good

_METADATA = "qad.autoencoder"
_LEARNING_RATE = 1e-3
# A median of fewer errors than this is no level to divide by.
_FEWEST_ERRORS = 3.0
# Variance of the median over that of the mean of Gaussian values.
_MEDIAN_ERROR = 1.2533
_BLOCK = 1024


@dataclass(frozen=True)
class Training:
    """How a training went.

    Attributes
    ----------
    losses : tuple of float
        Mean squared error of each epoch, in units of the spectra's medians squared.
    n_spectra : int
        Spectra that were learnt from.
    dropped : dict
        Spectra of the files that were not, by reason.
    """

    losses: tuple[float, ...]
    n_spectra: int
    dropped: dict[str, int] = field(default_factory=dict)


class QSOAutoencoder:
    """An autoencoder of fully connected layers on median-normalised, observed spectra.

    A spectrum is divided by the median of its good pixels (ivar > 0). A pixel that is not good
    enters as that median and weighs nothing in the loss and in the score. A spectrum whose median
    is below three of its errors has no level to divide by: it is not learnt from, and encoded,
    reconstructed and scored as NaN.

    Parameters
    ----------
    input_dim : int
        Pixels of a spectrum.
    encoding_dim : int
        Numbers that it is encoded in.
    hidden_layers : sequence of int
        Sizes of the encoder's layers between; the decoder has them in reverse.
    seed : int
        Of the initial weights and the order of the spectra.
    device : str
        Of torch.

    Raises
    ------
    UserError
        If a size is not positive, or there is no such device.

    Examples
    --------
    >>> model = QSOAutoencoder(6626, 10, (256, 64))           # doctest: +SKIP
    >>> model.train("tiles/", batch_size=64, epochs=20)       # doctest: +SKIP
    >>> model.score(flux, ivar)                               # doctest: +SKIP
    """

    def __init__(
        self,
        input_dim: int,
        encoding_dim: int,
        hidden_layers: Sequence[int] = (256, 64),
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        sizes = (input_dim, *hidden_layers, encoding_dim)
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            raise UserError(
                f"input_dim {input_dim}, hidden_layers {list(hidden_layers)}, encoding_dim "
                f"{encoding_dim}: each must be a positive whole number"
            )
        self.input_dim, self.encoding_dim = input_dim, encoding_dim
        self.hidden_layers, self.seed = tuple(hidden_layers), seed
        self.sampling: Sampling | None = None
        self._device = _find_device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._encoder = _make_layers(sizes).to(self._device)
            self._decoder = _make_layers(sizes[::-1]).to(self._device)

    @limit_threads()
    def train(
        self, data_path: str | Path | Sequence[str | Path], batch_size: int = 64, epochs: int = 20
    ) -> Training:
        """Learn from files that `extract_qso_tile_to_parquet` has written.

        Called again, the training goes on from the weights that there are.

        Parameters
        ----------
        data_path : str, Path or sequence of them
            Parquet files, or folders that hold such, at any depth. All spectra are in memory.
        batch_size, epochs : int

        Raises
        ------
        UserError
            If there is no spectrum to learn from, or its pixels are not the model's.
        DataError
            If a file is damaged.
        """
        if batch_size < 1 or epochs < 1:
            raise UserError(f"batch_size {batch_size} and epochs {epochs} must be at least 1")
        tiles = read_tiles(data_path)
        self._check_pixels(tiles)
        flux, weight, level = _normalise(
            to_matrix(tiles.rows["flux"]), to_matrix(tiles.rows["ivar"])
        )
        is_bright = np.isfinite(level)
        n_used = int(is_bright.sum())
        if not n_used:
            raise UserError(
                f"{tiles.origin}: none of {len(level)} spectra has a median of {_FEWEST_ERRORS:g} "
                "errors or more to be divided by"
            )
        x, w = torch.from_numpy(flux[is_bright]), torch.from_numpy(weight[is_bright])
        losses = self._optimise(x, w, batch_size, epochs)
        self.sampling = tiles.sampling
        n_faint = len(level) - n_used
        return Training(tuple(losses), n_used, {"no_signal": n_faint} if n_faint else {})

    def encode(self, flux: NDArray, ivar: NDArray) -> NDArray[np.float32]:
        """Return the encoding of spectra, shape (n, encoding_dim); parameters as of `score`."""
        x, _, level = self._prepare(flux, ivar)
        codes = self._apply(x, self._encoder)
        return np.where(np.isfinite(level)[:, None], codes, np.float32(np.nan))

    def reconstruct(self, flux: NDArray, ivar: NDArray) -> NDArray[np.float32]:
        """Return the spectra rebuilt, shape (n, input_dim), in the unit that they are given in.

        Also where they have no good pixel. Parameters as of `score`.
        """
        x, _, level = self._prepare(flux, ivar)
        rebuilt = self._apply(x, self._encoder, self._decoder)
        return ((rebuilt + 1) * level[:, None]).astype(np.float32)

    def score(self, flux: NDArray, ivar: NDArray) -> NDArray[np.float32]:
        """Return the mean squared error of the reconstruction, shape (n,).

        Over the good pixels, in units of the median squared. It is not calibrated: noise enters as
        it is, so that of two ordinary spectra the fainter one has the larger error.

        Parameters
        ----------
        flux, ivar : ndarray, shape (n, input_dim)
            Observed frame, on the pixels of the training; ivar = 0 or a value that is not finite
            marks a bad pixel.

        Raises
        ------
        UserError
            If the shapes are wrong.
        """
        x, weight, level = self._prepare(flux, ivar)
        error = weight * (self._apply(x, self._encoder, self._decoder) - x) ** 2
        score = error.sum(axis=1) / np.maximum(weight.sum(axis=1), 1)
        return np.where(np.isfinite(level), score, np.nan).astype(np.float32)

    def save(self, path: str | Path) -> Path:
        """Write weights, sizes and the pixels' wavelengths as one safetensors file."""
        sampling = self.sampling.to_json() if self.sampling else None
        about = {
            "input_dim": self.input_dim,
            "encoding_dim": self.encoding_dim,
            "hidden_layers": self.hidden_layers,
            "seed": self.seed,
            "sampling": sampling,
        }
        weights = {name: value.detach().cpu() for name, value in self._name_weights().items()}
        with replacing(Path(path)) as partial:
            save_file(weights, partial, {_METADATA: json.dumps(about)})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> "QSOAutoencoder":
        """Read a model that `save` has written.

        Raises
        ------
        UserError
            If there is none, or it is damaged.
        """
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {})[_METADATA])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            sampling = about.pop("sampling")
            model = cls(**about, device=device)
            model._take_weights(weights)
            model.sampling = Sampling.from_json(sampling) if sampling else None
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; give one that `save` has written") from None
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"{path}: not an autoencoder that `save` has written, or damaged "
                f"({first_line(error)})"
            ) from None
        return model

    def _name_weights(self) -> dict[str, Tensor]:
        parts = {"encoder": self._encoder, "decoder": self._decoder}
        return {f"{p}.{k}": v for p, part in parts.items() for k, v in part.state_dict().items()}

    def _take_weights(self, weights: dict[str, Tensor]) -> None:
        for name, part in (("encoder.", self._encoder), ("decoder.", self._decoder)):
            mine = {k.removeprefix(name): v for k, v in weights.items() if k.startswith(name)}
            part.load_state_dict(mine)

    def _optimise(self, x: Tensor, weight: Tensor, batch_size: int, epochs: int) -> list[float]:
        parameters = [*self._encoder.parameters(), *self._decoder.parameters()]
        optimiser = torch.optim.Adam(parameters, _LEARNING_RATE)
        generator = torch.Generator().manual_seed(self.seed)
        losses = []
        for _ in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(x), generator=generator).split(batch_size):
                seen, w = x[rows].to(self._device), weight[rows].to(self._device)
                rebuilt = self._decoder(self._encoder(seen))
                loss = ((w * (rebuilt - seen) ** 2).sum(1) / w.sum(1)).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total += float(loss.detach()) * len(rows)
            losses.append(total / len(x))
        return losses

    def _check_pixels(self, tiles: Tiles) -> None:
        grid = tiles.sampling.grid
        if grid.size != self.input_dim:
            raise UserError(
                f"{tiles.origin}: spectra of {grid.size} pixels ({grid}), and input_dim is "
                f"{self.input_dim}"
            )
        if self.sampling and self.sampling.grid != grid:
            raise UserError(
                f"{tiles.origin}: the spectra are on {grid}, and those learnt from before on "
                f"{self.sampling.grid}"
            )

    def _prepare(
        self, flux: NDArray, ivar: NDArray
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        flux, ivar = np.atleast_2d(flux), np.atleast_2d(ivar)
        if flux.shape != ivar.shape or flux.shape[1] != self.input_dim:
            raise UserError(
                f"flux {flux.shape} and ivar {ivar.shape} must both be (n, {self.input_dim})"
            )
        return _normalise(flux, ivar)

    @limit_threads()
    @torch.no_grad()
    def _apply(self, x: NDArray[np.float32], *layers: nn.Module) -> NDArray[np.float32]:
        network, parts = nn.Sequential(*layers), []
        for block in torch.from_numpy(x).split(_BLOCK):
            parts.append(network(block.to(self._device)).cpu().numpy())
        return np.concatenate(parts)


def _normalise(
    flux: NDArray, ivar: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return flux over its level less 1, the weight of each pixel, and the level; NaN for none."""
    is_good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    values = np.where(is_good, flux, 0).astype(np.float32)
    total = np.where(is_good, ivar, 0).sum(axis=1, dtype=float)
    error = _MEDIAN_ERROR / np.sqrt(np.maximum(total, np.finfo(float).tiny))
    level = median_of_good(values, is_good).astype(np.float32)
    level = np.where(level > _FEWEST_ERRORS * error, level, np.float32(np.nan))
    scaled = values / np.where(np.isfinite(level), level, 1)[:, None] - 1
    return np.where(is_good, scaled, 0).astype(np.float32), is_good.astype(np.float32), level


def _make_layers(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[Any] = []
    for size, following in pairwise(sizes):
        layers += [nn.Linear(size, following), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _find_device(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {name!r} cannot be used: {first_line(error)}") from None
