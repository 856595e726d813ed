"""A small model that nobody trained, and windows of what it draws: scored within milliseconds."""

import numpy as np
import pyarrow as pa
import torch

from catalog_schema.desi import SAMPLING
from catalog_schema.tables import RESTFRAME
from pipeline.lake.store import columns_to_table
from pipeline.spectra.model.models import Member, Model
from pipeline.spectra.sampled import attach_sampling
from pipeline.spectra.science.anomaly import EXCESS_BIN
from pipeline.spectra.science.pca import LinearBasis
from pipeline.spectra.science.restframe import RestFrameGrid
from pipeline.spectra.science.vae import ModelShape, SpectrumVAE

SIZE, WINDOW = 768, 512
SHAPE = ModelShape(SIZE, WINDOW, 16, 4, 3, 5, 8, model_error=0.05)
GRID = RestFrameGrid(3.3, 1e-3, SIZE, WINDOW, 16)
NOISE = 0.2


def make_network(seed: int = 0, moved: float = 0.02) -> SpectrumVAE:
    """Return a network whose basis and every weight follow the seed."""
    torch.manual_seed(seed)
    network = SpectrumVAE(SHAPE)
    pixels = torch.linspace(0, 1, SIZE)
    waves = [torch.sin((5 + seed) * (k + 1) * pixels) * 0.3 for k in range(SHAPE.basis)]
    network.start_from(LinearBasis(2 + pixels, torch.stack(waves)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(moved * torch.randn_like(parameter))
    return network.eval()


def make_member(seed: int = 0) -> Member:
    """Return a member that has learnt all pixels but a run of its own."""
    generator = torch.Generator().manual_seed(seed)
    is_learnt = torch.full((SIZE,), True)
    is_learnt[300 + 20 * seed : 310 + 20 * seed] = False
    return Member(make_network(seed), is_learnt, torch.randn(60, SHAPE.latent, generator=generator))


def make_model(n_seeds: int = 2, n_folds: int = 2, excess: float = 0.03) -> Model:
    """Return a model of members that all differ."""
    members = [make_member(k) for k in range(n_seeds * n_folds)]
    ensembles = tuple(
        tuple(members[first : first + n_folds]) for first in range(0, len(members), n_folds)
    )
    scatter = torch.full((SIZE // EXCESS_BIN,), excess)
    return Model("toy", ensembles, GRID, SAMPLING, scatter)


def make_windows(n: int, seed: int = 0) -> pa.Table:
    """Return rows of `restframe`: spectra of the first network, with noise and lost pixels."""
    g = torch.Generator().manual_seed(seed)
    start = 16 * torch.randint(0, (SIZE - WINDOW) // 16 + 1, (n,), generator=g)
    with torch.no_grad():
        flux = make_network().decode(torch.randn(n, SHAPE.latent, generator=g), start)
    flux = flux + NOISE * torch.randn(flux.shape, generator=g)
    weight = torch.full_like(flux, NOISE**-2)
    weight[torch.rand(flux.shape, generator=g) < 0.1] = 0
    return lay_out(torch.where(weight > 0, flux, 0.0).numpy(), weight.numpy(), start.numpy())


def lay_out(flux: np.ndarray, weight: np.ndarray, start: np.ndarray) -> pa.Table:
    """Return windows as rows of `restframe`, each with conditions and a norm of its own."""
    n = len(flux)
    row = np.arange(n)
    arms = {f"{name}_{arm}": np.full(n, 0.5) for name in ("snr", "coverage") for arm in "brz"}
    columns = arms | {
        "SURVEY": ["main"] * n,
        "PROGRAM": ["dark"] * n,
        "HEALPIX": row // 3,
        "TARGETID": 39_627_000_000_000_000 + 7 * row,
        "Z": 0.8 + 0.4 * row / max(n, 1),
        "split": ["test"] * n,
        "parent": ["core"] * n,
        "control": pa.nulls(n, pa.string()),
        "snr": 3.0 + row,
        "n_valid": np.count_nonzero(weight, axis=1),
        "norm": 1.0 + 0.1 * row,
        "window_start": start,
        "rest_flux": flux,
        "rest_weight": weight,
    }
    return attach_sampling(columns_to_table(RESTFRAME, columns, window=WINDOW), SAMPLING)
