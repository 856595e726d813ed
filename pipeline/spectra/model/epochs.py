"""The optimisation of one network, epoch by epoch."""

import math

import torch
from torch import Tensor

from pipeline.settings.model import TrainSettings
from pipeline.spectra.model.training_windows import WindowSet
from pipeline.spectra.science.vae import SpectrumVAE, limit_influence, negative_elbo

Linear = tuple[Tensor, Tensor]


@torch.no_grad()
def infer_linear(network: SpectrumVAE, windows: WindowSet, settings: TrainSettings) -> Linear:
    """Return the linear posterior of every window, once: training does not change it."""
    batches = windows.read_batches(windows.order, settings.batch_size)
    parts = [network.infer_linear(*look) for _, look in batches]
    mean, variance = zip(*parts, strict=True)
    return torch.cat(mean), torch.cat(variance)


def run_epoch(
    network: SpectrumVAE,
    optimiser: torch.optim.Optimizer,
    training: WindowSet,
    known: Linear,
    settings: TrainSettings,
    epoch: int,
    generator: torch.Generator,
) -> None:
    """Take one step for every batch of the windows, in the order that the generator draws.

    Parameters
    ----------
    network : SpectrumVAE
    optimiser : torch.optim.Optimizer
    training : WindowSet
        On the network's device; on a GPU the products are bfloat16.
    known : pair of Tensor
        Of `infer_linear`.
    settings : TrainSettings
    epoch : int
        From 0; sets β and the learning rate.
    generator : torch.Generator
        On the CPU.
    """
    network.train()
    device = training.start.device
    beta = settings.beta * min(1.0, (epoch + 1) / settings.warmup_epochs)
    rate = 0.5 * settings.learning_rate * (1 + math.cos(math.pi * epoch / settings.epochs))
    for group in optimiser.param_groups:
        group["lr"] = rate
    order = training.draw_order(generator)
    for rows, look in training.read_batches(order, settings.batch_size):
        noise = torch.randn(len(rows), settings.latent, generator=generator).to(device)
        linear = known[0][rows], known[1][rows]
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu"):
            bound = negative_elbo(network, *look, noise, beta, linear)
        loss = limit_influence(bound).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()


@torch.no_grad()
def evaluate(
    network: SpectrumVAE, validation: WindowSet, known: Linear, settings: TrainSettings
) -> float:
    """Return the validation loss at full β and at the posterior mean: comparable over epochs."""
    network.eval()
    losses = []
    for rows, look in validation.read_batches(validation.order, settings.batch_size):
        noise = torch.zeros(len(rows), settings.latent, device=rows.device)
        linear = known[0][rows], known[1][rows]
        losses.append(negative_elbo(network, *look, noise, settings.beta, linear))
    return float(limit_influence(torch.cat(losses)).mean())
