"""The model: a 1-D convolutional variational autoencoder on rest-frame windows.

The encoder reads a window in patches and places them on the global rest-frame grid, so that a
spectral line is always in the same place whatever the redshift. The decoder writes the whole grid
and each spectrum looks at its own window. The likelihood is Gaussian with the pixel's own inverse
variance, softened by a fractional model error, and the spectrum's amplitude is fitted, not assumed.

The network starts at the exact solution of its linear special case, probabilistic PCA with missing
data, and learns corrections to it: few spectra suffice, and it cannot end up worse than PCA.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.spectra.science.encoder_input import bin_residual, make_patches, place, soften
from pipeline.spectra.science.pca import LinearBasis, invert_by_cholesky, solve_coefficients
from pipeline.spectra.science.products import Linear

# Pixels per bin in which the linear posterior is solved: fine enough for narrow lines.
_LINEAR_BIN = 4
# Each of two convolutions over the patches merges this many neighbours.
_MERGED = 4
_BLOCK = _MERGED**2
_LOG_VARIANCE_RANGE = (-10.0, 4.0)
# Half a reduced chi-squared of 3: beyond it a spectrum is no example of a normal one.
_INFLUENCE_LIMIT = 1.5
# The fitted amplitude is drawn to 1 with the weight of a pixel at this signal-to-noise squared.
AMPLITUDE_PRIOR = 0.1


@dataclass(frozen=True)
class ModelShape:
    """Sizes of the network.

    Attributes
    ----------
    grid, window : int
        Pixels of the global grid and of a window; both multiples of `patch`.
    patch, channels : int
        Pixels and channels of the patch embedding.
    latent, basis, hidden : int
        Dimensions of the latent, of the decoder's linear basis and of the hidden layers.
    model_error : float
        Fraction of the flux by which even the right model is off.
    """

    grid: int
    window: int
    patch: int
    channels: int
    latent: int
    basis: int
    hidden: int
    model_error: float


@dataclass(frozen=True)
class Posterior:
    """Gaussian over the latent: mean and log variance, shape (n, latent)."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Return mean + standard deviation × noise."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def divergence(self) -> Tensor:
        """Return the Kullback–Leibler divergence from the unit Gaussian in nats, shape (n,)."""
        mean, log_variance = self.mean, self.log_variance
        return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)


class SpectrumVAE(nn.Module):
    """Encoder and decoder; see the module's description.

    Parameters
    ----------
    shape : ModelShape
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self._basis: tuple[tuple[int, int], LinearBasis] | None = None
        self.linear_mean: Tensor
        self.linear_components: Tensor
        channels = shape.channels
        # Convolutions whose kernel is their stride, written as the matrix products that they are:
        # several times faster on CPU. Without a constant term what is missing stays 0.
        self.embed = Linear(2 * shape.patch, channels, bias=False)
        self.merge = Linear(_MERGED * channels, 2 * channels, bias=False)
        self.merge_again = Linear(_MERGED * 2 * channels, 2 * channels, bias=False)
        self.activate = nn.ReLU(inplace=True)
        n_features = _count_blocks(shape.grid // shape.patch) * 2 * channels
        self.compress = nn.Sequential(
            Linear(n_features + 2 * shape.latent, shape.hidden), nn.GELU(approximate="tanh")
        )
        self.to_posterior = nn.Linear(shape.hidden, 2 * shape.latent)
        self.to_basis = nn.Sequential(
            nn.Linear(shape.latent, shape.hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(shape.hidden, shape.hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(shape.hidden, shape.basis),
        )
        self.skip = nn.Linear(shape.latent, shape.basis, bias=False)
        self.paint = Linear(shape.basis, shape.grid)
        n_bins = shape.grid // _LINEAR_BIN
        self.register_buffer("linear_mean", torch.zeros(n_bins))
        self.register_buffer("linear_components", torch.zeros(shape.latent, n_bins))

    @property
    def linear_basis(self) -> LinearBasis:
        """Mean and components of unit prior variance from which the network started, in bins."""
        # Whoever writes into a tensor raises its version: then what was derived from it is stale.
        version = id(self.linear_components), self.linear_components._version
        if self._basis is None or self._basis[0] != version:
            self._basis = version, LinearBasis(self.linear_mean, self.linear_components)
        return self._basis[1]

    @torch.no_grad()
    def start_from(self, basis: LinearBasis) -> None:
        """Make the network the linear model of a basis of `shape.basis` components."""
        components = basis.components[: self.shape.latent]
        self.linear_mean.copy_(basis.mean.reshape(-1, _LINEAR_BIN).mean(1))
        self.linear_components.copy_(components.reshape(len(components), -1, _LINEAR_BIN).mean(2))
        self.paint.weight.copy_(basis.components.T)
        self.paint.bias.copy_(basis.mean)
        self.skip.weight.copy_(torch.eye(self.shape.basis, self.shape.latent))
        for parameter in (*self.to_posterior.parameters(), *self.to_basis[-1].parameters()):
            nn.init.zeros_(parameter)

    @torch.no_grad()
    def infer_linear(
        self,
        flux: Tensor,
        ivar: Tensor,
        start: Tensor,
        invert: Callable[[Tensor], Tensor] = invert_by_cholesky,
    ) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the linear model's posterior, each of shape (n, latent).

        Parameters
        ----------
        flux, ivar : Tensor, shape (n, window)
        start : Tensor of int64, shape (n,)
        invert : callable
            See `infer_coefficients`.
        """
        basis = self.linear_basis
        weight, pull = bin_residual(
            flux, ivar, start, basis.mean, self.shape.model_error, _LINEAR_BIN
        )
        return solve_coefficients(weight, pull, basis, invert)

    def encode(
        self,
        flux: Tensor,
        ivar: Tensor,
        start: Tensor,
        linear: tuple[Tensor, Tensor] | None = None,
    ) -> Posterior:
        """Infer the latent.

        Parameters
        ----------
        flux, ivar : Tensor, shape (n, window)
            Normalised window; ivar = 0 marks a missing pixel, whose flux is not looked at.
        start : Tensor of int64, shape (n,)
            First pixel of the window on the global grid.
        linear : pair of Tensor, optional
            What `infer_linear` returns: training does not change it.
        """
        coefficients, variance = linear or self.infer_linear(flux, ivar, start)
        features = self._convolve(flux, ivar, start // self.shape.patch)
        seen = torch.cat([features, coefficients, variance], 1)
        shift, log_factor = self.to_posterior(self.compress(seen)).chunk(2, dim=1)
        log_variance = (variance.log() + log_factor).clamp(*_LOG_VARIANCE_RANGE)
        return Posterior(coefficients + shift, log_variance)

    def _convolve(self, flux: Tensor, ivar: Tensor, first: Tensor) -> Tensor:
        """Return the features of blocks of patches of the global grid, shape (n, features)."""
        n, patch = flux.shape[0], self.shape.patch
        # Blocks begin at fixed places of the grid; a window begins anywhere in one. Pixels are
        # moved rather than the patches made of them, which have a gradient.
        n_patches = _count_blocks(flux.shape[1] // patch) * _BLOCK
        placed = make_patches(flux, ivar, first % _BLOCK, patch, n_patches)
        grid = self.activate(self.embed(placed))
        merged = self.activate(self.merge(grid.reshape(n, -1, _MERGED * grid.shape[2])))
        blocks = self.activate(self.merge_again(merged.reshape(n, -1, _MERGED * merged.shape[2])))
        n_blocks = _count_blocks(self.shape.grid // patch)
        return place(blocks, first // _BLOCK, n_blocks).flatten(1)

    def decode(self, latent: Tensor, start: Tensor) -> Tensor:
        """Return the model spectrum on each window, shape (n, window), before the amplitude."""
        pixels = torch.arange(self.shape.window, device=latent.device)
        return self.decode_grid(latent).gather(1, start[:, None] + pixels)

    def decode_grid(self, latent: Tensor) -> Tensor:
        """Return the model spectrum on the whole grid, shape (n, grid), before the amplitude."""
        return self.paint(self.to_basis(latent) + self.skip(latent))


def _count_blocks(n_patches: int) -> int:
    """Return how many blocks a run of patches may touch, wherever it begins."""
    return (n_patches + _BLOCK - 2) // _BLOCK + 1


def fit_amplitude(flux: Tensor, weight: Tensor, model: Tensor) -> Tensor:
    """Return the maximum-likelihood factor Σ w f m / Σ w m², shape (n, 1), drawn weakly to 1."""
    weighted = weight * model
    cross = (weighted * flux).sum(1, keepdim=True)
    power = (weighted * model).sum(1, keepdim=True)
    return (cross + AMPLITUDE_PRIOR) / (power + AMPLITUDE_PRIOR)


def negative_elbo(
    model: SpectrumVAE,
    flux: Tensor,
    ivar: Tensor,
    start: Tensor,
    noise: Tensor,
    beta: float,
    linear: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Return the β-weighted negative evidence lower bound per valid pixel, shape (n,).

    Parameters
    ----------
    model : SpectrumVAE
    flux, ivar : Tensor, shape (n, window)
    start : Tensor of int64, shape (n,)
    noise : Tensor, shape (n, latent)
        Unit Gaussian draws; zeros give the bound at the posterior mean.
    beta : float
        Weight of the divergence (Higgins et al. 2017); annealed from 0 by the trainer.
    linear : pair of Tensor, optional
        What `SpectrumVAE.infer_linear` returns, where it is known.

    Notes
    -----
    −log p = ½ Σ w (f − a m)², w the softened ivar, over valid pixels only (Kingma & Welling 2014).
    """
    posterior = model.encode(flux, ivar, start, linear)
    weight = soften(ivar, model.shape.model_error)
    spectrum = model.decode(posterior.sample(noise), start)
    amplitude = fit_amplitude(flux, weight, spectrum)
    misfit = 0.5 * (weight * (flux - amplitude * spectrum) ** 2).sum(1)
    n_valid = (ivar > 0).sum(1).clamp(min=1)
    return (misfit + beta * posterior.divergence()) / n_valid


def limit_influence(loss: Tensor) -> Tensor:
    """Let the loss of a spectrum that does not fit grow only logarithmically.

    Equal to the loss below the limit; above it an anomaly in the training set pulls with a bounded
    gradient, so the model does not learn to reconstruct it.
    """
    limit = _INFLUENCE_LIMIT
    excess = (loss / limit).clamp(min=1)
    return torch.where(loss > limit, limit * (1 + excess.log()), loss)
