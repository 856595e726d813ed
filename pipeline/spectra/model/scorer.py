"""Scoring: latents and residual statistics of windows, each under a member that never saw it."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from catalog_schema.column import arrow_schema
from catalog_schema.grids import Sampling
from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import SCORES
from catalog_schema.vocabulary import Arm
from pipeline.lake.store import columns_to_table, view_matrix
from pipeline.science.draw import assign_folds
from pipeline.science.measured import Finds
from pipeline.settings.model import ScoreSettings
from pipeline.spectra.model.models import Member, Model, load_model
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.anomaly import Fit, add_excess, fit_windows, measure_statistics
from pipeline.spectra.science.finds import locate_statistics
from pipeline.spectra.science.hypotheses import Hypotheses
from pipeline.spectra.science.isolation import Isolation
from pipeline.spectra.science.products import ROWS
from pipeline.spectra.science.restframe import find_noise_share
from pipeline.spectra.science.ripples import Ripples
from pipeline.spectra.windows import CARRIED, OF_TARGET
from pipeline.stage import Product

_CARRIED = (*CARRIED, "Z", *OF_TARGET)
# Below this SNR per pixel the noise no longer changes how a spectrum scores.
_SNR_FLOOR = 0.1
_MEASURED = (
    "chi2",
    "chi2_b",
    "chi2_r",
    "chi2_z",
    "kl_divergence",
    "emission_wave",
    "absorption_wave",
)


def fit_batches(
    members: Sequence[Member], settings: ScoreSettings, windows: pa.Table, folds: NDArray[np.intp]
) -> Iterator[tuple[int, NDArray[np.intp], Fit]]:
    """Fit each row of a `restframe` table by the member of its fold.

    In batches of equal size: the bits never vary.

    Yields
    ------
    fold : int
    rows : ndarray of int
    fit : Fit
        Of these rows.
    """
    flux, weight = (view_matrix(windows[name]) for name in ("rest_flux", "rest_weight"))
    start = windows["window_start"].to_numpy().astype(np.int64)
    for k, member in enumerate(members):
        every = np.flatnonzero(folds == k)
        for first in range(0, len(every), settings.batch_size):
            rows = every[first : first + settings.batch_size]
            # As many as `multiply` takes at a time: it need not copy them.
            filled = np.resize(rows, -(-len(rows) // ROWS) * ROWS)
            tensors = (torch.from_numpy(each[filled]) for each in (flux, weight, start))
            fit = fit_windows(member.network, member.is_learnt, *tensors)
            yield k, rows, fit.first(len(rows))


def score_windows(
    folder: Path,
    settings: ScoreSettings,
    seed: int,
    windows: pa.Table,
    targetid: NDArray[np.int64] | None = None,
) -> Product:
    """Score the rows of a `restframe` table, each by the member that has not seen its object.

    Parameters
    ----------
    folder : Path
    settings : ScoreSettings
    seed : int
        Seeds the Isolation Forest.
    windows : pyarrow.Table
    targetid : ndarray of int64, shape (n,), optional
        Whose objects they are, where the table's own TARGETID does not say it.

    Returns
    -------
    Product
        Rows of `scores` and the gates of the others.
    """
    scorer = _load(folder, settings, seed, get_sampling(windows))
    sizes = {
        "latent": scorer.model.members[0].network.shape.latent,
        "seed_statistic": len(STATISTICS) * len(scorer.model.ensembles),
    }
    if not windows.num_rows:
        return Product((arrow_schema(SCORES, **sizes).empty_table(),))
    if targetid is None:
        targetid = windows["TARGETID"].to_numpy()
    found = scorer.measure(windows, assign_folds(targetid, len(scorer.model.members)))
    kept = found["n_valid"] >= settings.min_valid_fraction * scorer.model.grid.window
    columns = {name: windows[name].filter(kept) for name in _CARRIED} | {
        name: values[kept] for name, values in found.items()
    }
    columns |= _find_conditions(columns)
    columns["model_id"] = [scorer.model.model_id] * int(kept.sum())
    table = columns_to_table(SCORES, columns, **sizes)
    return Product((table,), {"outside_training_range": int((~kept).sum())})


def locate_in_windows(folder: Path, settings: ScoreSettings, seed: int, windows: pa.Table) -> Finds:
    """Return what the statistics of rows of `restframe` found, arrays of shape (n, statistics).

    Parameters
    ----------
    folder, settings, seed, windows
        As of `score_windows`.
    """
    scorer = _load(folder, settings, seed, get_sampling(windows))
    folds = assign_folds(windows["TARGETID"].to_numpy(), len(scorer.model.members))
    return scorer.locate(windows, folds)


class Scorer:
    """A model with what is derived from it once: hypotheses and forest of each member."""

    def __init__(
        self, model: Model, settings: ScoreSettings, seed: int, sampling: Sampling
    ) -> None:
        self.model = model
        self._settings, self._spans = settings, sampling.spans
        wave = torch.from_numpy(model.grid.wave.astype(np.float32))
        self._tools = {
            member: (
                Hypotheses(member.network.linear_basis, wave, sampling),
                Isolation(member.latents.numpy(), settings.trees, seed),
            )
            for members in model.ensembles
            for member in members
        }
        self._noise_share = find_noise_share(model.grid, sampling.grid)
        self._ripples = Ripples(sampling, model.grid.log10_step, model.grid.window)

    def measure(self, windows: pa.Table, folds: NDArray[np.intp]) -> dict[str, NDArray]:
        """Return the columns of `scores` that the model gives, of every row of `windows`."""
        every = [self._measure(members, windows, folds) for members in self.model.ensembles]
        return every[0] | {"seed_statistics": np.hstack([found["statistics"] for found in every])}

    def locate(self, windows: pa.Table, folds: NDArray[np.intp]) -> Finds:
        """Return what the statistics of every row of `windows` found."""
        start, z = windows["window_start"].to_numpy(), windows["Z"].to_numpy()
        norm, members = windows["norm"].to_numpy(), self.model.members
        found = Finds.nothing(windows.num_rows, len(STATISTICS))
        for k, rows, fit in fit_batches(members, self._settings, windows, folds):
            hypotheses, _ = self._tools[members[k]]
            weight = add_excess(fit, self.model.excess.numpy(), start[rows])
            given = (start[rows], z[rows], norm[rows], self.model.grid)
            parts = locate_statistics(fit, weight, hypotheses, self._ripples, *given)
            for array, part in zip(found, parts, strict=True):
                array[rows] = part
        return found

    def _measure(
        self, members: Sequence[Member], windows: pa.Table, folds: NDArray[np.intp]
    ) -> dict[str, NDArray]:
        start, z = windows["window_start"].to_numpy(), windows["Z"].to_numpy()
        parts, order = [], []
        for k, rows, fit in fit_batches(members, self._settings, windows, folds):
            hypotheses, forest = self._tools[members[k]]
            weight = add_excess(fit, self.model.excess.numpy(), start[rows])
            found = measure_statistics(
                fit,
                weight,
                self._noise_share,
                hypotheses,
                self._ripples,
                start[rows],
                z[rows],
                self.model.grid,
                self._spans,
            )
            found["isolation"] = forest.score(fit.latent)
            parts.append(_to_columns(found, fit))
            order.append(rows)
        back = np.argsort(np.concatenate(order))
        return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def _find_conditions(columns: dict[str, Any]) -> dict[str, NDArray]:
    """Return what, beside the redshift, the statistics of normal spectra depend on."""
    snr = np.nan_to_num(columns["snr"].to_numpy(), nan=_SNR_FLOOR)
    arms = [columns[f"coverage_{arm}"].to_numpy() for arm in Arm.values()]
    log_snr = np.log10(np.maximum(snr, _SNR_FLOOR))
    return {"log_snr": log_snr, "coverage": np.nanmean(arms, axis=0)}


def _to_columns(found: dict[str, NDArray], fit: Fit) -> dict[str, NDArray]:
    by_arm = np.stack([found[f"chi2_{arm}"] for arm in Arm.values()], 1)
    worst = np.argmax(np.where(np.isnan(by_arm), -np.inf, by_arm), axis=1)
    return {
        **{name: found[name] for name in _MEASURED},
        "worst_arm": np.array(Arm.values())[worst],
        "amplitude": fit.amplitude,
        "isolation_score": found["isolation"],
        "latent": fit.latent,
        "n_valid": np.count_nonzero(fit.is_used, axis=1).astype(np.int32),
        "statistics": np.stack([found[s.name] for s in STATISTICS], 1).astype(np.float32),
    }


@lru_cache(maxsize=2)
def _load(folder: Path, settings: ScoreSettings, seed: int, sampling: Sampling) -> Scorer:
    return Scorer(load_model(folder), settings, seed, sampling)
