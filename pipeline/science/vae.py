"""The model: a 1-D convolutional variational autoencoder on rest-frame windows.

The encoder reads a window in patches and places them on the global rest-frame grid, so that a
spectral line is always in the same place whatever the redshift. The decoder writes the whole grid
and each spectrum looks at its own window. The likelihood is Gaussian with the pixel's own inverse
variance, softened by a fractional model error, and the spectrum's amplitude is fitted, not assumed.

The network starts at the exact solution of its linear special case, probabilistic PCA with missing
data, and learns corrections to it: few spectra suffice, and it cannot end up worse than PCA.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.science.pca import LinearBasis, infer_coefficients, rebin

# Pixels per bin in which the linear posterior is solved: fine enough for narrow lines.
_LINEAR_BIN = 4
_LOG_VARIANCE_RANGE = (-10.0, 4.0)
# Half a reduced chi-squared of 3: beyond it a spectrum is no example of a normal one.
_INFLUENCE_LIMIT = 1.5
# The fitted amplitude is drawn to 1 with the weight of a pixel at this signal-to-noise squared.
_AMPLITUDE_PRIOR = 0.1


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
        self.linear_mean: Tensor
        self.linear_components: Tensor
        wide = 2 * shape.channels
        self.embed = nn.Conv1d(2, shape.channels, shape.patch, stride=shape.patch)
        self.convolve = nn.Sequential(
            nn.GELU(approximate="tanh"),
            nn.Conv1d(shape.channels, wide, 5, stride=4, padding=2),
            nn.GELU(approximate="tanh"),
            nn.Conv1d(wide, wide, 5, stride=4, padding=2),
            nn.GELU(approximate="tanh"),
            nn.Flatten(1),
        )
        n_features = self.convolve(torch.zeros(1, shape.channels, shape.grid // shape.patch)).shape[
            1
        ]
        self.compress = nn.Sequential(
            nn.Linear(n_features + 2 * shape.latent, shape.hidden), nn.GELU(approximate="tanh")
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
        self.paint = nn.Linear(shape.basis, shape.grid)
        n_bins = shape.grid // _LINEAR_BIN
        self.register_buffer("linear_mean", torch.zeros(n_bins))
        self.register_buffer("linear_components", torch.zeros(shape.latent, n_bins))

    @property
    def linear_basis(self) -> LinearBasis:
        """Mean and components of unit prior variance from which the network started, in bins."""
        return LinearBasis(self.linear_mean, self.linear_components)

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

    def encode(self, flux: Tensor, ivar: Tensor, start: Tensor) -> Posterior:
        """Infer the latent.

        Parameters
        ----------
        flux, ivar : Tensor, shape (n, window)
            Normalised window; ivar = 0 marks a missing pixel, whose flux is not looked at.
        start : Tensor of int64, shape (n,)
            First pixel of the window on the global grid.
        """
        shape = self.shape
        flux = torch.where(ivar > 0, flux, 0.0)
        with torch.no_grad():
            weight = soften(ivar, shape.model_error)
            coefficients, variance = infer_coefficients(
                *rebin(flux, weight, _LINEAR_BIN), start // _LINEAR_BIN, self.linear_basis
            )
        trust = ivar / (ivar + 1)
        patches = self.embed(torch.stack([torch.asinh(flux) * trust, trust], 1))
        index = (start // shape.patch)[:, None] + torch.arange(patches.shape[2], device=flux.device)
        grid = flux.new_zeros(len(flux), shape.channels, shape.grid // shape.patch)
        grid = grid.scatter(2, index[:, None].expand_as(patches), patches)
        seen = torch.cat([self.convolve(grid), coefficients, variance], 1)
        shift, log_factor = self.to_posterior(self.compress(seen)).chunk(2, dim=1)
        log_variance = (variance.log() + log_factor).clamp(*_LOG_VARIANCE_RANGE)
        return Posterior(coefficients + shift, log_variance)

    def decode(self, latent: Tensor, start: Tensor) -> Tensor:
        """Return the model spectrum on each window, shape (n, window), before the amplitude."""
        spectrum = self.paint(self.to_basis(latent) + self.skip(latent))
        pixels = torch.arange(self.shape.window, device=latent.device)
        return spectrum.gather(1, start[:, None] + pixels)


def soften(ivar: Tensor, error: float | Tensor) -> Tensor:
    """Add an error of the model to the noise: 1 / (1 / ivar + error²), 0 where ivar is 0."""
    return ivar / (1 + error**2 * ivar)


def fit_amplitude(flux: Tensor, weight: Tensor, model: Tensor) -> Tensor:
    """Return the maximum-likelihood factor Σ w f m / Σ w m², shape (n, 1), drawn weakly to 1."""
    cross = (weight * flux * model).sum(1, keepdim=True)
    power = (weight * model * model).sum(1, keepdim=True)
    return (cross + _AMPLITUDE_PRIOR) / (power + _AMPLITUDE_PRIOR)


def negative_elbo(
    model: SpectrumVAE, flux: Tensor, ivar: Tensor, start: Tensor, noise: Tensor, beta: float
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

    Notes
    -----
    −log p = ½ Σ w (f − a m)², w the softened ivar, over valid pixels only (Kingma & Welling 2014).
    """
    posterior = model.encode(flux, ivar, start)
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
