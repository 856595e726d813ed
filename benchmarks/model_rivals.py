"""Rivals of the present model, fitted and measured by the pipeline's own code.

A rival is a set of members, as the model is, and a way to fit them. A weighted PCA is the network
before its training: it starts at mean, components and posterior of its linear special case.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from catalog_schema.lines import LINES
from catalog_schema.statistics import STATISTICS
from pipeline.config import Config
from pipeline.lake.store import to_matrix
from pipeline.science.draw import assign_folds
from pipeline.spectra.model.models import Member
from pipeline.spectra.model.training import fit_model
from pipeline.spectra.model.training_windows import Windows
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.anomaly import (
    Fit,
    add_excess,
    fit_windows,
    join_fits,
    measure_excess,
    measure_statistics,
)
from pipeline.spectra.science.hypotheses import Hypotheses
from pipeline.spectra.science.isolation import Isolation
from pipeline.spectra.science.restframe import RestFrameGrid, find_noise_share
from pipeline.spectra.science.ripples import Ripples

# Absorbed is what lies so many sigma below the model, fewer in the forest than redward of it, in
# boxes of so many pixels (276 km/s): limits of SpenderQ (Hahn et al. 2025, arXiv:2506.18986), whose
# boxes are of 4 Å.
_BOX, _IN_FOREST, _REDWARD = 4, 2.0, 3.0
# Turns of a fit, and of learning.
_MASKINGS, _ROUNDS = 3, 3
_FLOW_PATIENCE, _FLOW_BATCH, _FLOW_RATE = 20, 128, 1e-3
# Share of the latents that say when a flow has learnt enough.
_HELD_OUT = 0.15
_NAMES = [statistic.name for statistic in STATISTICS]


@dataclass(frozen=True, eq=False)
class Rival:
    """A model that may take the place of the present one.

    Attributes
    ----------
    members : tuple of Member
        Member k has learnt from no object of fold k.
    grid : RestFrameGrid
    is_masked : bool
        Whether what looks absorbed is left out of a fit, though not out of its residual.
    """

    members: tuple[Member, ...]
    grid: RestFrameGrid
    is_masked: bool = False

    def fit_by(self, k: int, windows: Windows) -> Fit:
        """Fit windows by one member."""
        member = self.members[k]
        flux, weight, start = windows.look(windows.order)

        def fit(kept: torch.Tensor) -> Fit:
            return fit_windows(member.network, member.is_learnt, flux, kept, start)

        first = found = fit(weight)
        if not self.is_masked:
            return first
        for _ in range(_MASKINGS):
            absorbed = torch.from_numpy(self._find_absorbed(found, start.numpy()))
            found = fit(torch.where(absorbed, 0.0, weight))
            residual = np.where(first.is_used, flux.numpy() - found.model, np.float32(0))
            found = replace(found, residual=residual, weight=first.weight)
        return found

    def fit_unseen(self, windows: Windows, size: int = 256) -> Iterator[tuple[int, NDArray, Fit]]:
        """Fit windows in batches, each by the member that has not seen the object.

        Yields
        ------
        k : int
            Number of the member.
        rows : ndarray of int
        fit : Fit
            Of these rows.
        """
        folds = assign_folds(windows.targetid, len(self.members))
        for k in range(len(self.members)):
            mine = np.flatnonzero(folds == k)
            for first in range(0, len(mine), size):
                rows = mine[first : first + size]
                yield k, rows, self.fit_by(k, windows.take(rows))

    def mask(self, windows: Windows) -> Windows:
        """Return windows without the pixels that look absorbed beside this rival's fit."""
        weight = windows.weight.clone()
        for _, rows, fit in self.fit_unseen(windows):
            absorbed = self._find_absorbed(fit, windows.start.numpy()[rows])
            weight[rows] = torch.where(torch.from_numpy(absorbed), 0.0, weight[rows])
        return replace(windows, weight=weight)

    def _find_absorbed(self, fit: Fit, start: NDArray) -> NDArray[np.bool_]:
        """Return which pixels lie far below the model, shape (n, m)."""
        n, m = fit.residual.shape
        boxes = (n, m // _BOX, _BOX)
        weight = fit.weight.reshape(boxes).sum(2)
        lack = -(fit.weight * fit.residual).reshape(boxes).sum(2)
        first = start[:, None] + np.arange(0, m, _BOX)
        limit = np.where(self.grid.wave[first] < LINES["lya"].wave, _IN_FOREST, _REDWARD)
        return np.repeat(lack > limit * np.sqrt(weight), _BOX, axis=1)


@dataclass(frozen=True)
class Measured:
    """What a rival makes of n spectra.

    Attributes
    ----------
    statistics : ndarray, shape (n, number of statistics)
    latents : ndarray, shape (n, latent)
    models : ndarray, shape (n, m)
        In units of the window's norm; NaN where a pixel is not used.
    taught : tuple of pair of ndarray, shapes (t,) and (t, latent)
        Rows that each member has learnt from, and their latents by it.
    """

    statistics: NDArray
    latents: NDArray
    models: NDArray
    taught: tuple[tuple[NDArray, NDArray], ...]


def to_windows(table: pa.Table) -> Windows:
    """Return rows of `restframe` as the training takes them."""
    flux, weight = (torch.from_numpy(to_matrix(table[n])) for n in ("rest_flux", "rest_weight"))
    start = torch.from_numpy(table["window_start"].to_numpy().astype(np.int64))
    split, targetid = table["split"].to_numpy().astype(str), table["TARGETID"].to_numpy()
    return Windows(flux, weight, start, split, targetid)


def learn(windows: Windows, config: Config, scratch: Path, **settings: int) -> Rival:
    """Train a model with some settings of ``train`` changed; with no epoch it is a weighted PCA."""
    # Without validation, by which no epoch at all is a mistake.
    changed = config.train.model_copy(update={**settings, "seeds": 1})
    config = config.model_copy(update={"train": changed})
    paths = [scratch / f"{k}" for k in range(changed.folds)]
    model, _ = fit_model(windows, config, "rival", paths)
    for path in paths:
        path.unlink(missing_ok=True)
    return Rival(model.members, model.grid)


def learn_masked(
    windows: Windows, config: Config, scratch: Path, **settings: int
) -> tuple[Rival, Windows]:
    """Fit a weighted PCA and mask what looks absorbed beside it, in turns, from all pixels again.

    Returns
    -------
    pca : Rival
        The last one.
    masked : Windows
        Without what looks absorbed beside it.
    """
    masked = windows
    for _ in range(_ROUNDS):
        pca = replace(learn(masked, config, scratch, epochs=0, **settings), is_masked=True)
        masked = pca.mask(windows)
    return pca, masked


def measure(
    rival: Rival, table: pa.Table, is_taught: NDArray[np.bool_], config: Config
) -> Measured:
    """Measure every statistic of rows of `restframe` as the stage `score` does.

    Parameters
    ----------
    rival : Rival
    table : pyarrow.Table
        n rows.
    is_taught : ndarray of bool, shape (n,)
        Which of them are of the training split: their excess and their latents are what the others
        are compared with.
    config : Config
    """
    windows, sampling, grid = to_windows(table), get_sampling(table), rival.grid
    start, z = windows.start.numpy(), table["Z"].to_numpy()
    share = find_noise_share(grid, sampling.grid)
    fits = list(rival.fit_unseen(windows))
    order = np.concatenate([rows for _, rows, _ in fits])
    told = is_taught[order]
    whole = join_fits([fit for *_, fit in fits])
    unseen = Fit(*(getattr(whole, field.name)[told] for field in fields(Fit)))
    excess = measure_excess(unseen, share, start[order[told]], grid.size)
    folds = assign_folds(windows.targetid, len(rival.members))
    own = [np.flatnonzero(is_taught & (folds != k)) for k in range(len(rival.members))]
    taught = tuple((rows, rival.fit_by(k, windows.take(rows)).latent) for k, rows in enumerate(own))
    wave = torch.from_numpy(grid.wave.astype(np.float32))
    hypotheses = [Hypotheses(m.network.linear_basis, wave, sampling) for m in rival.members]
    forests = [Isolation(latents, config.score.trees, config.run.seed) for _, latents in taught]
    ripples = Ripples(sampling, grid.log10_step, grid.window)
    statistics = np.empty((len(z), len(_NAMES)), np.float32)
    for k, rows, fit in fits:
        weight = add_excess(fit, excess, start[rows])
        where = start[rows], z[rows], grid, sampling.spans
        found = measure_statistics(fit, weight, share, hypotheses[k], ripples, *where)
        found["isolation"] = forests[k].score(fit.latent)
        statistics[rows] = np.stack([found[name] for name in _NAMES], 1)
    back = np.argsort(order)
    models = np.where(whole.is_used, whole.model, np.nan)[back]
    return Measured(statistics, whole.latent[back], models, taught)


def fit_flow(
    latents: NDArray, conditions: NDArray, seed: int
) -> Callable[[NDArray, NDArray], NDArray]:
    """Fit a conditional flow of neural splines to latents (n, k) under conditions (n, d).

    Returns
    -------
    callable
        Gives the negative log-likelihood, nats, shape (n,), of latents under conditions.
    """
    import zuko

    torch.manual_seed(seed)
    flow = zuko.flows.NSF(
        latents.shape[1], conditions.shape[1], transforms=3, hidden_features=(64, 64)
    )
    scales = [(values.mean(0), values.std(0)) for values in (latents, conditions)]

    def lose(*both: NDArray) -> torch.Tensor:
        x, c = (
            torch.from_numpy(((values - centre) / spread).astype(np.float32))
            for values, (centre, spread) in zip(both, scales, strict=True)
        )
        lost: torch.Tensor = -flow(c).log_prob(x)
        return lost

    rng = np.random.default_rng(seed)
    order = rng.permutation(len(latents))
    held, taught = np.split(order, [int(_HELD_OUT * len(order))])
    optimiser = torch.optim.Adam(flow.parameters(), lr=_FLOW_RATE)
    least, waited, best = np.inf, 0, deepcopy(flow.state_dict())
    while waited < _FLOW_PATIENCE:
        rng.shuffle(taught)
        for first in range(0, len(taught), _FLOW_BATCH):
            rows = taught[first : first + _FLOW_BATCH]
            optimiser.zero_grad()
            lose(latents[rows], conditions[rows]).mean().backward()
            optimiser.step()
        with torch.no_grad():
            reached = float(lose(latents[held], conditions[held]).mean())
        waited += 1
        if reached < least:
            least, waited, best = reached, 0, deepcopy(flow.state_dict())
    flow.load_state_dict(best)

    def measure_rarity(latents: NDArray, conditions: NDArray) -> NDArray:
        with torch.no_grad():
            return np.asarray(lose(latents, conditions).numpy())

    return measure_rarity


def put_rarity(statistics: NDArray, rarity: NDArray) -> NDArray:
    """Put rarities (n,) in the place of isolation, and take the distance out of the statistics."""
    changed = statistics.copy()
    changed[:, _NAMES.index("isolation")] = rarity
    # What is the same in all departs in none.
    changed[:, _NAMES.index("distance")] = 1.0
    return changed
