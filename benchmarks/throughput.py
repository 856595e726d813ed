"""Measures how many spectra per second are trained on and scored, beside Spender's network.

Usage: [QAD_BENCH_PYTHON=PYTHON] python benchmarks/throughput.py [--spectra 512] [--repeats 5]
       [--device cuda --spectra 1550000 --epochs 2]

On the CPU: seconds of one thread. With ``--device cuda``: wall seconds of epochs over as many
simulated windows, all of them in the GPU's memory, and of their latents and reconstructions.
"""

import argparse
import time
from functools import partial

import numpy as np
import pyarrow as pa
import torch
from side_by_side import time_in_turns, time_peers
from torch import Tensor

from catalog_schema.desi import WAVE_SIZE
from pipeline.config import Config, ScoreSettings
from pipeline.extract import spectra_to_table
from pipeline.layout import Shard
from pipeline.models import Member, Model, assign_folds
from pipeline.preprocess import make_run_grid, make_windows
from pipeline.science.coadd import Spectra
from pipeline.science.restframe import RestFrameGrid
from pipeline.science.vae import ModelShape, SpectrumVAE, limit_influence, negative_elbo
from pipeline.score import Scorer
from pipeline.store import to_matrix

SHARD = Shard("main", "dark", 0)


def simulate_windows(n: int) -> pa.Table:
    """Return rows of `restframe` of smooth spectra with noise."""
    rng, config = np.random.default_rng(0), Config()
    z = rng.uniform(0.5, 3.5, n)
    tilt = rng.normal(0, 0.5, (n, 1)) * np.linspace(-1, 1, WAVE_SIZE)
    flux = (2 * np.exp(tilt) + rng.normal(size=(n, WAVE_SIZE))).astype(np.float32)
    ivar = (rng.random((n, WAVE_SIZE)) > 0.03).astype(np.float32)
    spectra = Spectra(np.arange(n), flux, ivar, np.zeros((n, WAVE_SIZE), np.int32))
    targets = pa.table({
        "Z": z, "EBV": np.zeros(n, np.float32), "split": ["train"] * n, "parent": ["core"] * n,
        "control": pa.nulls(n, pa.string()),
    })  # fmt: skip
    table = spectra_to_table(SHARD, spectra)
    return make_windows(table, targets, config.preprocess, make_run_grid(config)).data


def make_network(grid: RestFrameGrid) -> SpectrumVAE:
    """Return an untrained network of the survey's sizes."""
    train = Config().train
    torch.manual_seed(0)
    network = SpectrumVAE(
        ModelShape(grid.size, grid.window, train.patch, train.channels, train.latent, train.basis,
                   train.hidden, train.model_error)
    )  # fmt: skip
    network.linear_components.normal_()
    return network


def make_step(network: SpectrumVAE, rate: float = 1e-4):  # type: ignore[no-untyped-def]
    """Return a function that trains on one batch whose linear posterior is known."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, fused=True)

    def step(flux: Tensor, weight: Tensor, start: Tensor, linear: tuple[Tensor, Tensor]) -> None:
        noise = torch.randn(len(start), network.shape.latent, device=flux.device)
        loss = limit_influence(
            negative_elbo(network, flux, weight, start, noise, 1.0, linear)
        ).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    return step


def report_cpu(n: int, repeats: int) -> None:
    """Print spectra per second of one core."""
    torch.set_num_threads(1)
    windows, grid = simulate_windows(n), make_run_grid(Config())
    flux, weight = (torch.from_numpy(to_matrix(windows[k])) for k in ("rest_flux", "rest_weight"))
    start = torch.from_numpy(windows["window_start"].to_numpy().astype(np.int64))
    network, batch = make_network(grid), Config().train.batch_size
    parts = list(zip(flux.split(batch), weight.split(batch), start.split(batch), strict=True))
    known = [network.infer_linear(*part) for part in parts]
    step, train = make_step(network), Config().train
    member = Member(make_network(grid).eval(), torch.ones(grid.size, dtype=torch.bool),
                    torch.randn(4000, train.latent))  # fmt: skip
    excess = torch.full((grid.size // 16,), 0.05)
    scorer = Scorer(Model("", ((member,) * train.folds,), grid, excess), ScoreSettings(), 0)
    folds = assign_folds(windows["TARGETID"].to_numpy(), train.folds)

    def reconstruct() -> None:
        with torch.no_grad():
            for part in parts:
                member.network.decode(member.network.encode(*part).mean, part[2])

    works = {
        "train": lambda: [step(*part, linear) for part, linear in zip(parts, known, strict=True)],
        "encode and decode": reconstruct,
        "score: fit and all statistics": partial(scorer.measure, windows, folds),
    }
    ours = time_in_turns(works, repeats)
    print(f"{'one thread':34}{'us/spectrum':>12}{'spectra/s':>12}")
    for name, seconds in ours.items():
        print(f"{name:34}{1e6 * seconds / len(start):12.1f}{len(start) / seconds:12.0f}")
    n_peer = 16
    peers = time_peers("network", 2, flux=flux[:n_peer].numpy(), weight=weight[:n_peer].numpy())
    for name, seconds in peers.items():
        own = ours["train" if "train" in name else "encode and decode"] / len(start)
        print(f"{name:34}{1e6 * seconds / n_peer:12.1f}{n_peer / seconds:12.0f}"
              f"   ours is {seconds / n_peer / own:.0f} times as fast")  # fmt: skip


def report_gpu(n: int, epochs: int, device: str) -> None:
    """Print wall seconds of epochs and of a pass of reconstructions, windows kept as float16."""
    grid, batch = make_run_grid(Config()), 4096
    generator = torch.Generator(device).manual_seed(0)
    flux = torch.empty(n, grid.window, dtype=torch.float16, device=device)
    for rows in flux.split(batch):
        rows.copy_(1 + 0.5 * torch.randn(rows.shape, generator=generator, device=device))
    weight = torch.full_like(flux, 4.0)
    last = (grid.size - grid.window) // grid.align
    start = grid.align * torch.randint(0, last, (n,), generator=generator, device=device)
    network = make_network(grid).to(device)
    step = make_step(network)
    held = (flux.nbytes + weight.nbytes) / 1e9
    print(f"{torch.cuda.get_device_name()}: {n} windows of {grid.window} pixels, {held:.0f} GB")

    def look(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return flux[rows].float(), weight[rows].float(), start[rows]

    begin = _wait()
    parts = [network.infer_linear(*look(rows)) for rows in torch.arange(n).split(batch)]
    mean, variance = (torch.cat(values) for values in zip(*parts, strict=True))
    print(f"linear posterior, once   {_wait() - begin:8.2f} s")
    for epoch in range(epochs):
        begin = _wait()
        for rows in torch.randperm(n, generator=generator, device=device).split(batch):
            with torch.autocast("cuda", torch.bfloat16):
                step(*look(rows), (mean[rows], variance[rows]))
        seconds = _wait() - begin
        print(f"epoch {epoch}                  {seconds:8.2f} s   {n / seconds:12.0f} spectra/s")
    begin = _wait()
    with torch.no_grad():
        for rows in torch.arange(n, device=device).split(batch):
            part = look(rows)
            network.decode(network.encode(*part, (mean[rows], variance[rows])).mean, part[2])
    seconds = _wait() - begin
    print(f"encode and decode        {seconds:8.2f} s   {n / seconds:12.0f} spectra/s")


def _wait() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.device == "cpu":
        report_cpu(options.spectra, options.repeats)
    else:
        report_gpu(options.spectra, options.epochs, options.device)


if __name__ == "__main__":
    main()
