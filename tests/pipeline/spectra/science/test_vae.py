"""The network: what it must not look at, where it starts, and how hard an outlier pulls."""

import pytest
import torch

from pipeline.spectra.science.pca import LinearBasis, infer_coefficients, rebin
from pipeline.spectra.science.vae import (
    ModelShape,
    Posterior,
    SpectrumVAE,
    fit_amplitude,
    limit_influence,
    negative_elbo,
    soften,
)

SHAPE = ModelShape(
    grid=256, window=128, patch=16, channels=4, latent=3, basis=5, hidden=8, model_error=0.05
)
N = 6


def make_basis(seed: int = 0) -> LinearBasis:
    g = torch.Generator().manual_seed(seed)
    return LinearBasis(
        1 + torch.rand(SHAPE.grid, generator=g),
        torch.randn(SHAPE.basis, SHAPE.grid, generator=g) * 0.3,
    )


def make_network(trained: bool = True) -> SpectrumVAE:
    """Return a network at its start, or one whose every weight was moved."""
    torch.manual_seed(2)
    network = SpectrumVAE(SHAPE)
    network.start_from(make_basis())
    if trained:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def make_windows(seed: int = 1):
    g = torch.Generator().manual_seed(seed)
    flux = 1 + torch.randn(N, SHAPE.window, generator=g)
    ivar = 5 * torch.rand(N, SHAPE.window, generator=g)
    ivar[torch.rand(N, SHAPE.window, generator=g) < 0.2] = 0
    start = SHAPE.patch * torch.randint(
        0, (SHAPE.grid - SHAPE.window) // SHAPE.patch + 1, (N,), generator=g
    )
    return flux, ivar, start


@pytest.mark.parametrize("value", [0.0, -3.0, 1e4, 1e30, float("nan"), float("inf")])
@torch.no_grad()
def test_flux_of_missing_pixels_is_not_looked_at(value: float) -> None:
    network, (flux, ivar, start) = make_network(), make_windows()
    expected = network.encode(flux, ivar, start)
    found = network.encode(torch.where(ivar == 0, torch.tensor(value), flux), ivar, start)
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.log_variance, expected.log_variance)


@torch.no_grad()
def test_loss_does_not_see_missing_pixels() -> None:
    network, (flux, ivar, start) = make_network(), make_windows()
    noise = torch.zeros(N, SHAPE.latent)
    wild = torch.where(ivar == 0, torch.tensor(1e4), flux)
    torch.testing.assert_close(
        negative_elbo(network, wild, ivar, start, noise, 1.0),
        negative_elbo(network, flux, ivar, start, noise, 1.0),
    )


@torch.no_grad()
def test_start_is_the_linear_solution() -> None:
    network, (flux, ivar, start) = make_network(trained=False), make_windows()
    basis = make_basis()
    leading = LinearBasis(basis.mean, basis.components[: SHAPE.latent])
    weight = soften(ivar, SHAPE.model_error)
    # The posterior is solved in bins of 4 pixels; the decoder writes single ones.
    binned = LinearBasis(
        basis.mean.reshape(-1, 4).mean(1),
        leading.components.reshape(SHAPE.latent, -1, 4).mean(2),
    )
    torch.testing.assert_close(network.linear_basis.components, binned.components)
    torch.testing.assert_close(network.linear_basis.mean, binned.mean)
    mean, variance = infer_coefficients(*rebin(flux, weight, 4), start // 4, binned)
    posterior = network.encode(flux, ivar, start)
    torch.testing.assert_close(posterior.mean, mean)
    torch.testing.assert_close(posterior.log_variance, variance.log())
    index = start[:, None] + torch.arange(SHAPE.window)
    expected = (basis.mean + mean @ leading.components).gather(1, index)
    torch.testing.assert_close(network.decode(posterior.mean, start), expected)


@torch.no_grad()
def test_decoder_writes_one_grid_and_windows_look_at_it() -> None:
    network = make_network()
    latent = torch.randn(1, SHAPE.latent, generator=torch.Generator().manual_seed(0))
    low = network.decode(latent, torch.tensor([16]))
    high = network.decode(latent, torch.tensor([48]))
    torch.testing.assert_close(low[:, 32:], high[:, :-32])
    assert not torch.allclose(low, high)


@torch.no_grad()
def test_a_line_is_in_the_same_place_whatever_the_window() -> None:
    """The same pixels of the grid, seen through two windows, give the same latent."""
    network = make_network()
    g = torch.Generator().manual_seed(3)
    grid_flux, grid_ivar = torch.rand(2, 1, SHAPE.grid, generator=g)
    grid_ivar[:, :64] = grid_ivar[:, 160:] = 0
    seen = [
        network.encode(
            grid_flux[:, s : s + SHAPE.window],
            grid_ivar[:, s : s + SHAPE.window],
            torch.tensor([s]),
        ).mean
        for s in (32, 48, 64)
    ]
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=1e-3)
    torch.testing.assert_close(seen[0], seen[2], rtol=0, atol=1e-3)
    moved = network.encode(grid_flux[:, 32:160], grid_ivar[:, 32:160], torch.tensor([48])).mean
    assert not torch.allclose(moved, seen[0], atol=0.1)


@torch.no_grad()
def test_company_in_the_batch_does_not_matter() -> None:
    network, (flux, ivar, start) = make_network(), make_windows()
    together = network.encode(flux, ivar, start).mean
    alone = torch.cat(
        [network.encode(flux[i : i + 1], ivar[i : i + 1], start[i : i + 1]).mean for i in range(N)]
    )
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_amplitude_of_a_multiple_is_exact() -> None:
    model = 1 + torch.rand(4, 50, generator=torch.Generator().manual_seed(0))
    weight = torch.full_like(model, 1e4)
    factors = torch.tensor([[0.5], [1.0], [2.0], [10.0]])
    torch.testing.assert_close(
        fit_amplitude(factors * model, weight, model), factors, rtol=1e-5, atol=0
    )


def test_amplitude_minimises_the_misfit() -> None:
    g = torch.Generator().manual_seed(1)
    flux, weight, model = torch.rand(3, 5, 80, generator=g) * torch.tensor(3.0)
    weight *= 1e4
    best = fit_amplitude(flux, weight, model)

    def misfit(amplitude: torch.Tensor) -> torch.Tensor:
        return (weight * (flux - amplitude * model) ** 2).double().sum(1)

    assert (misfit(best) <= misfit(best * 1.01)).all()
    assert (misfit(best) <= misfit(best * 0.99)).all()


def test_amplitude_without_information_is_one() -> None:
    flux, model = torch.rand(2, 3, 20)
    torch.testing.assert_close(fit_amplitude(flux, torch.zeros(3, 20), model), torch.ones(3, 1))


def test_softened_noise() -> None:
    ivar = torch.tensor([0.0, 1.0, 1e9])
    expected = torch.tensor([0.0, 1 / (1 + 0.0025), 1 / (1e-9 + 0.0025)])
    torch.testing.assert_close(soften(ivar, 0.05), expected)
    torch.testing.assert_close(soften(ivar, 0.0), ivar)


def test_divergence_from_the_prior() -> None:
    prior = Posterior(torch.zeros(2, 3), torch.zeros(2, 3))
    torch.testing.assert_close(prior.divergence(), torch.zeros(2))
    moved = Posterior(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, -1.0]]))
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(moved.mean, (0.5 * moved.log_variance).exp()),
        torch.distributions.Normal(0.0, 1.0),
    ).sum(1)
    torch.testing.assert_close(moved.divergence(), expected)
    torch.testing.assert_close(moved.sample(torch.zeros(1, 2)), moved.mean)


def test_influence_is_limited() -> None:
    loss = torch.tensor([-1.0, 0.0, 1.0, 1.499, 1.501, 15.0, 1e6], requires_grad=True)
    limited = limit_influence(loss)
    limited.sum().backward()
    assert loss.grad is not None
    torch.testing.assert_close(limited[:4], loss[:4])
    torch.testing.assert_close(loss.grad[:4], torch.ones(4))
    torch.testing.assert_close(loss.grad[4:], 1.5 / loss.detach()[4:])
    assert (limited.diff() > 0).all()
    assert limited[-1] < 25


def test_beta_weighs_the_divergence() -> None:
    network, windows = make_network(), make_windows()
    noise = torch.zeros(N, SHAPE.latent)
    with torch.no_grad():
        zero, one, two = (negative_elbo(network, *windows, noise, b) for b in (0.0, 1.0, 2.0))
        divergence = network.encode(*windows).divergence()
    torch.testing.assert_close(two - one, one - zero)
    torch.testing.assert_close(
        (one - zero) * (windows[1] > 0).sum(1), divergence, rtol=1e-3, atol=1e-3
    )


@torch.no_grad()
def test_spectrum_without_a_pixel_is_finite() -> None:
    network, (flux, ivar, start) = make_network(), make_windows()
    loss = negative_elbo(network, flux, ivar * 0, start, torch.zeros(N, SHAPE.latent), 1.0)
    assert torch.isfinite(loss).all()
