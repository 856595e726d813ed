"""Measures how many spectra per second are trained on and scored, beside Spender's network.

Usage: [QAD_BENCH_PYTHON=PYTHON] python benchmarks/throughput.py [--spectra 512] [--repeats 5]
       [--device cuda --spectra 1550000 --epochs 3]

On the CPU: seconds of one thread, and what a GPU could do at best, computed from the operators.
With ``--device cuda``: wall seconds of epochs over as many simulated windows, all of them in the
GPU's memory, and of their latents and reconstructions.
"""

import argparse
import time
from functools import partial
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import torch
from side_by_side import time_in_turns, time_peers
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from catalog_schema.desi import SAMPLING, WAVE_SIZE
from pipeline.config import Config
from pipeline.lake.layout import Shard
from pipeline.lake.store import to_matrix
from pipeline.science.draw import assign_folds
from pipeline.settings.model import ScoreSettings
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.model.epochs import infer_linear, run_epoch
from pipeline.spectra.model.models import Member, Model
from pipeline.spectra.model.scorer import Scorer
from pipeline.spectra.model.training import prepare_device
from pipeline.spectra.model.training_windows import Windows
from pipeline.spectra.science import encoder_input, products
from pipeline.spectra.science.coadd import Spectra
from pipeline.spectra.science.restframe import RestFrameGrid
from pipeline.spectra.science.vae import ModelShape, SpectrumVAE, limit_influence, negative_elbo
from pipeline.spectra.windows import make_windows

SHARD = Shard("main", "dark", 0)
_GPU_BATCH, _LIMIT_BATCH = 4096, 64
_DR1 = 1.55e6
# Data sheet of the H100 SXM: memory, and dense products in the number format of each work.
_H100_BYTES = 3.35e12
_H100_FLOPS = {"train, bfloat16": 989e12, "encode and decode, float32": 67e12}


def simulate_windows(n: int) -> pa.Table:
    """Return rows of `restframe` of smooth spectra with noise."""
    rng, config = np.random.default_rng(0), Config()
    z = rng.uniform(0.5, 3.5, n)
    tilt = rng.normal(0, 0.5, (n, 1)) * np.linspace(-1, 1, WAVE_SIZE)
    flux = (2 * np.exp(tilt) + rng.normal(size=(n, WAVE_SIZE))).astype(np.float32)
    ivar = (rng.random((n, WAVE_SIZE)) > 0.03).astype(np.float32)
    spectra = Spectra(np.arange(n), flux, ivar, np.zeros((n, WAVE_SIZE), np.int32))
    targets = pa.table(
        {
            "Z": z,
            "EBV": np.zeros(n, np.float32),
            "split": ["train"] * n,
            "parent": ["core"] * n,
            "control": pa.nulls(n, pa.string()),
        }
    )
    table = spectra_to_table(SHARD, spectra, SAMPLING)
    return make_windows(table, targets, config.preprocess, make_run_grid(config)).tables[0]


def make_network(grid: RestFrameGrid) -> SpectrumVAE:
    """Return an untrained network of the survey's sizes."""
    train = Config().train
    torch.manual_seed(0)
    network = SpectrumVAE(
        ModelShape(
            grid.size,
            grid.window,
            train.patch,
            train.channels,
            train.latent,
            train.basis,
            train.hidden,
            train.model_error,
        )
    )
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
    member = Member(
        make_network(grid).eval(),
        torch.ones(grid.size, dtype=torch.bool),
        torch.randn(4000, train.latent),
    )
    excess = torch.full((grid.size // 16,), 0.05)
    model = Model("", ((member,) * train.folds,), grid, SAMPLING, excess)
    scorer = Scorer(model, ScoreSettings(), 0, SAMPLING)
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
        print(
            f"{name:34}{1e6 * seconds / n_peer:12.1f}{n_peer / seconds:12.0f}"
            f"   ours is {seconds / n_peer / own:.0f} times as fast"
        )


def report_gpu(n: int, epochs: int, device: str) -> None:
    """Print wall seconds of the trainer's own epochs and of a pass of reconstructions."""
    settings = Config().train.model_copy(update={"device": device, "batch_size": _GPU_BATCH})
    place, grid = prepare_device(settings), make_run_grid(Config())
    generator = torch.Generator(device).manual_seed(0)
    flux = torch.empty(n, grid.window, dtype=torch.float16, device=device)
    for rows in flux.split(_GPU_BATCH):
        rows.copy_(1 + 0.5 * torch.randn(rows.shape, generator=generator, device=device))
    last = (grid.size - grid.window) // grid.align
    start = grid.align * torch.randint(0, last, (n,), generator=generator, device=device)
    windows = Windows(flux, torch.full_like(flux, 4.0), start, np.empty(n), np.empty(n))
    network = make_network(grid).to(place)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    held = (flux.nbytes + windows.weight.nbytes) / 1e9
    print(f"{torch.cuda.get_device_name()}: {n} windows of {grid.window} pixels, {held:.0f} GB")
    begin = _wait()
    known = infer_linear(network, windows, settings)
    print(f"linear posterior, once   {_wait() - begin:8.2f} s")
    # The first one also starts the libraries.
    for epoch in range(epochs):
        begin = _wait()
        run_epoch(network, optimiser, windows, known, settings, epoch, torch.Generator())
        seconds = _wait() - begin
        print(f"epoch {epoch}                  {seconds:8.2f} s   {n / seconds:12.0f} spectra/s")
    begin = _wait()
    with torch.no_grad():
        for _, look in windows.read_batches(torch.arange(n, device=device), _GPU_BATCH):
            network.decode(network.encode(*look).mean, look[2])
    seconds = _wait() - begin
    print(f"encode and decode        {seconds:8.2f} s   {n / seconds:12.0f} spectra/s")


class ByteCounter(TorchDispatchMode):
    """Counts the bytes that operators read and write, each going to memory and back."""

    n_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        """Run an operator and count it, unless it only looks at the same memory otherwise."""
        done = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [t for t in tree_leaves((args, kwargs, done)) if isinstance(t, Tensor)]
            self.n_bytes += sum(tensor.nbytes for tensor in tensors)
        return done


def report_limit() -> None:
    """Print what a GPU of given bandwidth and speed could do at best: computed, not measured."""
    grid, settings = make_run_grid(Config()), Config().train
    network, n = make_network(grid), _LIMIT_BATCH
    flux, weight = torch.randn(2, n, grid.window)
    start = torch.zeros(n, dtype=torch.int64)
    known = network.infer_linear(flux, weight.abs(), start)
    noise = torch.zeros(n, settings.latent)

    def train() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = negative_elbo(network, flux, weight.abs(), start, noise, 1.0, known)
        limit_influence(loss).mean().backward()

    @torch.no_grad()
    def score() -> None:
        network.decode(network.encode(flux, weight.abs(), start).mean, start)

    for name, work in (("train, bfloat16", train), ("encode and decode, float32", score)):
        # What the CPU has in place of the operators a GPU does not.
        with (
            patch.object(encoder_input, "_is_plain", return_value=False),
            patch.object(products, "_is_served", return_value=False),
            FlopCounterMode(display=False) as flops,
            ByteCounter() as moved,
        ):
            work()
        count = flops.get_total_flops() / n
        print(
            f"{name}: {count / 1e6:.1f} MFLOP, {moved.n_bytes / n / 1e6:.2f} MB moved, "
            f"{2 * 2 * grid.window / 1e6:.3f} MB held, per spectrum"
        )
        print(
            f"  {_DR1 / 1e6:.2f} M: {_DR1 * moved.n_bytes / n / _H100_BYTES:.2f} s at 3.35 TB/s, "
            f"{_DR1 * count / _H100_FLOPS[name]:.2f} s of products"
        )


def _wait() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.device == "cpu":
        report_limit()
        report_cpu(options.spectra, options.repeats)
    else:
        report_gpu(options.spectra, options.epochs, options.device)


if __name__ == "__main__":
    main()
