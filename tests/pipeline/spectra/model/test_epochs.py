"""One epoch: every window once, the step that the loss asks for, at the epoch's rate and weight."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from pipeline.settings.model import TrainSettings
from pipeline.spectra.model.epochs import Linear, evaluate, infer_linear, run_epoch
from pipeline.spectra.model.training_windows import Windows
from pipeline.spectra.science.pca import LinearBasis
from pipeline.spectra.science.vae import (
    ModelShape,
    SpectrumVAE,
    limit_influence,
    negative_elbo,
)

SHAPE = ModelShape(256, 128, 16, 4, 3, 5, 8, 0.05)
N = 11
SETTINGS = TrainSettings(
    latent=3, basis=5, batch_size=4, epochs=10, warmup_epochs=4, learning_rate=1e-2, beta=2.0
)


def change(**values: object) -> TrainSettings:
    return SETTINGS.model_copy(update=values)


def make_network() -> SpectrumVAE:
    torch.manual_seed(2)
    network = SpectrumVAE(SHAPE)
    components = 0.3 * torch.randn(SHAPE.basis, SHAPE.grid)
    network.start_from(LinearBasis(1 + torch.rand(SHAPE.grid), components))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def make_windows(n: int = N, seed: int = 1) -> Windows:
    g = torch.Generator().manual_seed(seed)
    flux = 1 + torch.randn(n, SHAPE.window, generator=g)
    weight = 5 * torch.rand(n, SHAPE.window, generator=g)
    weight[torch.rand(n, SHAPE.window, generator=g) < 0.2] = 0
    start = SHAPE.patch * torch.randint(0, 9, (n,), generator=g)
    return Windows(flux, weight, start, np.full(n, "train"), np.arange(n))


def make_generator(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def copy_weights(network: SpectrumVAE) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def run(
    network: SpectrumVAE,
    settings: TrainSettings = SETTINGS,
    epoch: int = 0,
    seed: int = 5,
    windows: Windows | None = None,
) -> None:
    """Run one epoch with plain gradient steps."""
    windows = windows or make_windows()
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    known = infer_linear(network, windows, settings)
    run_epoch(network, optimiser, windows, known, settings, epoch, make_generator(seed))


def draw_batches(windows: Windows, settings: TrainSettings, seed: int) -> Iterator[tuple]:
    """Yield rows and noise of every batch, as the generator draws them."""
    generator = make_generator(seed)
    for rows in torch.randperm(len(windows), generator=generator).split(settings.batch_size):
        yield rows, torch.randn(len(rows), settings.latent, generator=generator)


def step_by_hand(network: SpectrumVAE, settings: TrainSettings, beta: float, rate: float) -> None:
    """Follow the gradient of the mean limited loss, batch by batch."""
    windows = make_windows()
    for rows, noise in draw_batches(windows, settings, 5):
        parts = windows.flux[rows], windows.weight[rows], windows.start[rows]
        loss = limit_influence(negative_elbo(network, *parts, noise, beta)).mean()
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter.sub_(rate * gradient)


@pytest.mark.parametrize(
    ("epoch", "share"), [(0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0), (4, 1.0), (9, 1.0)]
)
def test_steps_are_those_of_the_annealed_loss(epoch: int, share: float) -> None:
    """The divergence counts in full from the last epoch of the warm-up on; a cosine slows down."""
    found, expected = make_network(), make_network()
    run(found, epoch=epoch)
    rate = 1e-2 * math.cos(0.5 * math.pi * epoch / 10) ** 2
    step_by_hand(expected, SETTINGS, 2.0 * share, rate)
    for one, two, start in zip(
        copy_weights(found), copy_weights(expected), copy_weights(make_network()), strict=True
    ):
        torch.testing.assert_close(one - start, two - start, rtol=2e-3, atol=2e-6)


@pytest.mark.parametrize("epoch", [0, 3, 5, 9])
def test_the_rate_is_that_of_the_epoch_for_every_group(epoch: int) -> None:
    network = make_network()
    halves = [[*network.parameters()][:4], [*network.parameters()][4:]]
    optimiser = torch.optim.SGD([{"params": half, "lr": 7.0} for half in halves])
    windows = make_windows()
    known = infer_linear(network, windows, SETTINGS)
    run_epoch(network, optimiser, windows, known, SETTINGS, epoch, make_generator())
    rates = [group["lr"] for group in optimiser.param_groups]
    assert rates == pytest.approx([1e-2 * (1 + math.cos(0.1 * math.pi * epoch)) / 2] * 2)
    assert min(rates) > 0


@pytest.mark.parametrize(("batch_size", "n_steps"), [(4, 3), (11, 1), (100, 1), (1, 11), (10, 2)])
def test_every_window_is_in_one_batch(batch_size: int, n_steps: int) -> None:
    settings, network = change(batch_size=batch_size), make_network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    windows = make_windows()
    known = infer_linear(network, windows, settings)
    run_epoch(network, optimiser, windows, known, settings, 0, make_generator())
    assert {int(state["step"]) for state in optimiser.state.values()} == {n_steps}


def measure_move(windows: Windows) -> float:
    """Return how far one step on all windows moves the weights."""
    network = make_network()
    before = copy_weights(network)
    run(network, change(batch_size=100), 4, windows=windows)
    pairs = zip(copy_weights(network), before, strict=True)
    return math.sqrt(sum(float(((one - two) ** 2).sum()) for one, two in pairs))


def test_a_step_is_never_longer_than_the_rate() -> None:
    """Bright spectra that nearly fit ask for one nine times as long."""
    plain, rate = make_windows(), 1e-2 * math.cos(0.2 * math.pi) ** 2
    with torch.no_grad():
        own = make_network().decode(torch.randn(N, 3, generator=make_generator()), plain.start)
    bright = Windows(
        1.05 * own, torch.full_like(own, 1e4), plain.start, plain.split, plain.targetid
    )
    assert measure_move(bright) == pytest.approx(rate, rel=1e-3)
    assert measure_move(plain) < 0.5 * rate


def test_the_generator_alone_decides_what_is_drawn() -> None:
    one, two, other = make_network(), make_network(), make_network()
    run(one)
    torch.manual_seed(77)
    run(two)
    run(other, seed=6)
    pairs = list(zip(copy_weights(one), copy_weights(two), copy_weights(other), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)


def test_training_lowers_the_loss() -> None:
    network, windows = make_network(), make_windows(60)
    settings = change(epochs=30, batch_size=16, beta=0.1)
    known = infer_linear(network, windows, settings)
    losses = [evaluate(network, windows, known, settings)]
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for epoch in range(12):
        run_epoch(network, optimiser, windows, known, settings, epoch, make_generator(epoch))
        losses.append(evaluate(network, windows, known, settings))
    assert losses[-1] < losses[4] < losses[0]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_linear_posterior_is_that_of_all_rows_at_once(batch_size: int) -> None:
    network, windows = make_network(), make_windows()
    found: Linear = infer_linear(network, windows, change(batch_size=batch_size))
    expected = network.infer_linear(windows.flux, windows.weight, windows.start)
    for one, two in zip(found, expected, strict=True):
        assert one.shape == (N, SHAPE.latent)
        assert not one.requires_grad
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_validation_loss_is_at_the_mean_and_in_full(batch_size: int) -> None:
    """Without noise and with the whole β: it is the same number in every epoch and batch."""
    network, windows = make_network(), make_windows()
    settings = change(batch_size=batch_size)
    known = infer_linear(network, windows, settings)
    with torch.no_grad():
        parts = windows.flux, windows.weight, windows.start
        bound = negative_elbo(network, *parts, torch.zeros(N, 3), 2.0)
    expected = float(limit_influence(bound).mean())
    found = evaluate(network, windows, known, settings)
    assert found == pytest.approx(expected, rel=1e-4)
    assert evaluate(network, windows, known, settings) == found
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_one_spectrum_that_does_not_fit_hardly_moves_the_validation_loss() -> None:
    network, windows = make_network(), make_windows(40)
    known = infer_linear(network, windows, SETTINGS)
    plain = evaluate(network, windows, known, SETTINGS)
    windows.flux[3] *= torch.tensor([-100.0, 100.0]).repeat(SHAPE.window // 2)
    spoilt = evaluate(network, windows, infer_linear(network, windows, SETTINGS), SETTINGS)
    assert plain < spoilt < plain + 1.5 * math.log(1e6) / 40
