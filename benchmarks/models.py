"""Measures whether the present model finds more and fits better than models that could replace it.

Usage: python benchmarks/models.py [--root DIR] [--quasars 3000] [--ordinary 600] [--each 40]
                                   [--set section.key=value ...]

The mock survey is made and run up to `score` (or found below DIR). Every model learns from its
training split, by the same folds. Then ordinary quasars and `--each` of every planted family are
drawn by the mock's own recipe, from which no model has learnt, and each model is given the same
windows, statistics, neighbours and tail as in the pipeline: only the fit is another one. PCA is
weighted, and has the same noise model and prior as the VAE, which starts from it. A `masked fit`
leaves out what looks absorbed; `masked` models have not learnt from it either.

Of each model the table has `all` statistics as the pipeline combines them, without its classes;
`chi2` alone and the reason `latent` alone, among neighbours in SNR, redshift and coverage. The flow
is of the present model's latents under the same three conditions. Its `likelihood` needs no
neighbours, and is compared with the `isolation` that it would replace; in `all` and `latent` it
stands in the place of isolation and distance. It needs ``pip install zuko``.

Recall is the share of the planted above the 99th percentile of the survey's ordinary quasars,
`absorbed` that of the families in which gas absorbs, `false` the share of the ordinary ones drawn.
Errors are the median over quasars of the median over pixels of |model / true - 1|, per cent:
redward of Lyman alpha, blueward of it before the forest has absorbed, and after. Differences are to
the same score and error of the present model. Intervals are 95 per cent, bootstrapped over quasars,
the same ones for every model.
"""

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from classify import draw_spectra
from drawn_quasars import Ordinary, draw_ordinary
from model_rivals import (
    Measured,
    Rival,
    fit_flow,
    learn,
    learn_masked,
    measure,
    put_rarity,
    to_windows,
)
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from catalog_schema.lines import LINES
from catalog_schema.statistics import REASONS, STATISTICS
from catalog_schema.vocabulary import Parent, Split
from catalog_schema.waist import ROW_KEY
from pipeline.config import load_config
from pipeline.flow.data_path import run_stages, start_run
from pipeline.flow.root import Root
from pipeline.judge.null import Population, locate, make_null
from pipeline.judge.scores import read_compared
from pipeline.lake.align import align
from pipeline.lake.store import replace_columns
from pipeline.run import Run
from pipeline.science.draw import assign_folds
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.measuring import score_rows
from pipeline.spectra.mock.anomalies import FAMILIES
from pipeline.spectra.model.models import load_model
from pipeline.transport.places import find_mock

# The model of real work, with one set of members, on one core.
_SETTINGS = (
    *("train.latent=32", "train.basis=48", "train.folds=4", "train.seeds=1", "train.threads=1"),
    *("train.epochs=120", "train.warmup_epochs=20", "train.patience=15"),
)
# Latent of the smaller models, and of `recall.py`'s PCA.
_SMALL = 16
# Below the limit nothing of the quasar's light is left that could be compared.
_LYMAN_LIMIT, _LYA = LINES["lyman_limit"].wave, LINES["lya"].wave
_ABSORBED = ("bal", "felobal", "dla_proximate", "balmer_absorption")
_BOOTSTRAPS, _FALSE = 400, 0.01


@dataclass(frozen=True)
class Quasars:
    """The core quasars of a run, and those drawn beside them, row by row.

    Attributes
    ----------
    run : Run
    scores, windows : pyarrow.Table
        Of `scores`, as the calibration needs it, and of `restframe`.
    is_drawn : ndarray of bool
        Which are not of the survey: no model knows them, and they are compared with the others.
    family : ndarray of str
        What was planted, "" where nothing.
    ordinary : Ordinary
        The truth of the ordinary ones drawn, in the order of their rows.
    """

    run: Run
    scores: pa.Table
    windows: pa.Table
    is_drawn: NDArray[np.bool_]
    family: NDArray
    ordinary: Ordinary

    @property
    def is_taught(self) -> NDArray[np.bool_]:
        """Which of them the models learn from."""
        is_train = self.windows["split"].to_numpy() == Split.TRAIN.value
        return np.asarray(is_train & ~self.is_drawn)

    @property
    def is_told(self) -> NDArray[np.bool_]:
        """Which of them are ordinary, and drawn with their true spectra."""
        return self.is_drawn & (self.family == "")


def main() -> None:
    """Parse the call, run what is not done, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--quasars", type=int, default=3000)
    parser.add_argument("--ordinary", type=int, default=600)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    call = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = Root(call.root or Path(scratch) / "root")
        size = [f"mock.quasars={call.quasars}", f"mock.pixels={max(call.quasars // 125, 1)}"]
        config = load_config(None, [*size, *_SETTINGS, *call.overrides])
        with store.lock():
            run_stages(store, config, lambda stage, _: print(stage, flush=True), "score")
        quasars = read_quasars(start_run(store, config), call.ordinary, call.each)
        is_odd, is_drawn = quasars.family != "", quasars.is_drawn
        is_absorbed = is_drawn & np.isin(quasars.family, _ABSORBED)
        parts = (~is_drawn & ~is_odd, is_drawn & ~is_odd, is_drawn & is_odd, is_absorbed)
        print(
            "\n{} ordinary quasars of the survey, drawn {} ordinary and {} planted ones, "
            "{} of these absorbed".format(*map(np.count_nonzero, parts))
        )
        print_table(quasars, Path(scratch))


def read_quasars(run: Run, n_ordinary: int, each: int) -> Quasars:
    """Read the core quasars of a run, and draw others."""
    scores = read_compared(run)
    scores = scores.filter(pc.field("parent") == Parent.CORE.value)
    windows = pa.concat_tables(run.read_shards("restframe", run.list_shards("restframe")).values())
    truth = pl.read_parquet(f"{find_mock(run.store, run.config)}-truth.parquet")
    known = dict(truth.select("TARGETID", pl.col("family").fill_null("")).iter_rows())
    ordinary = draw_ordinary(run.model, run.config, n_ordinary)
    odd, told = draw_spectra(run.model, run.config, each)
    odd = odd.filter(pa.array(np.isin(odd["TARGETID"], told.index[told["family"].isin(FAMILIES)])))
    drawn = pa.concat_tables([ordinary.windows, odd]).combine_chunks()
    drawn_scores, rows = score_rows(run.model, run.config, drawn)
    every = pa.concat_tables([scores, drawn_scores.select(scores.column_names)])
    targetid, n = every["TARGETID"].to_numpy(), len(ordinary.windows)
    known |= dict.fromkeys(ordinary.windows["TARGETID"].to_pylist(), "") | told["family"].to_dict()
    return Quasars(
        run,
        every,
        # The scores are in another order, and without what has too few learnt pixels.
        pa.concat_tables([align(windows, scores, ROW_KEY), drawn.take(pa.array(rows))]),
        np.arange(len(every)) >= len(scores),
        np.array([known[number] for number in targetid.tolist()]),
        ordinary.take(rows[rows < n]),
    )


def print_table(quasars: Quasars, scratch: Path) -> None:
    """Print a row for each model and score as it is measured, the present model first."""
    print(
        f"{'model':18s} {'score':10s} {'recall':>20s} {'difference':>23s} {'absorbed':>20s} "
        f"{'AUC':>20s} {'difference':>23s} {'false':>6s} {'error, %: redward':>22s} "
        f"{'blueward, before':>22s} {'and after the forest':>22s}"
    )
    present: dict[str, NDArray] = {}
    own = None
    for model, scores, errors in measure_models(quasars, scratch):
        found = {name: resample(quasars, score) for name, score in scores.items()}
        present, own = present or found, errors if own is None else own
        cells = [] if errors is None else map(compare_errors, errors, own)
        for name, drawn in found.items():
            recall, absorbed, auc, false = drawn.T
            beside = present["isolation" if name == "likelihood" else name].T
            print(
                f"{model:18s} {name:10s} {show(recall)} {show(recall - beside[0], sign='+')} "
                f"{show(absorbed)} {show(auc)} {show(auc - beside[2], sign='+')} {false[0]:6.3f}",
                *cells,
                flush=True,
            )
            cells = []


def measure_models(
    quasars: Quasars, scratch: Path
) -> Iterator[tuple[str, dict[str, NDArray], NDArray | None]]:
    """Yield the name of a model, its scores and, if they are its own, the errors of its fits."""
    run, config = quasars.run, quasars.run.config
    latent, windows = config.train.latent, to_windows(quasars.windows)
    learnt = windows.take(~quasars.is_drawn)
    model = load_model(run.model)

    def describe(name: str, rival: Rival) -> tuple[str, dict[str, NDArray], NDArray]:
        measured = measure(rival, quasars.windows, quasars.is_taught, config)
        return name, judge(quasars, measured.statistics), find_errors(quasars, measured.models)

    vae = Rival(model.members, model.grid)
    measured = measure(vae, quasars.windows, quasars.is_taught, config)
    scores = judge(quasars, measured.statistics, "isolation")
    yield f"VAE-{latent} (present)", scores, find_errors(quasars, measured.models)
    if find_spec("zuko"):
        yield f"VAE-{latent}, flow", judge_by_flow(quasars, measured), None
    else:
        print("flow on the latent: zuko is not installed")
    yield describe(f"VAE-{latent}, masked fit", replace(vae, is_masked=True))
    yield describe(f"PCA-{latent}", learn(learnt, config, scratch, epochs=0))
    pca, masked = learn_masked(learnt, config, scratch)
    yield describe(f"PCA-{latent}, masked", pca)
    small = {"latent": _SMALL, "basis": _SMALL}
    yield describe(f"PCA-{_SMALL}", learn(learnt, config, scratch, epochs=0, **small))
    yield describe(f"PCA-{_SMALL}, masked", learn_masked(learnt, config, scratch, **small)[0])
    taught = replace(learn(masked, config, scratch), is_masked=True)
    yield describe(f"VAE-{latent}, masked", taught)
    yield describe(f"VAE-{_SMALL}", learn(learnt, config, scratch, latent=_SMALL))


def judge(quasars: Quasars, statistics: NDArray, *others: str) -> dict[str, NDArray]:
    """Return the scores that the pipeline's calibration makes of statistics, each of shape (n,).

    Parameters
    ----------
    quasars : Quasars
    statistics : ndarray, shape (n, number of statistics)
    *others : str
        Statistics that are shown beside the usual scores, as they are among neighbours.
    """
    kind, settings = quasars.run.kind, quasars.run.config.calibrate
    table = replace_columns(quasars.scores, {"statistics": statistics})
    null = make_null(table.filter(pa.array(~quasars.is_drawn)), kind, settings)
    found = Population.from_rows(null, kind.waist, settings).compare(table)
    names = [statistic.name for statistic in STATISTICS]
    return {
        "all": found.score,
        "latent": found.evidence[:, list(REASONS).index("latent")],
        **{name: found.departures[:, names.index(name)] for name in ("chi2", *others)},
    }


def judge_by_flow(quasars: Quasars, measured: Measured) -> dict[str, NDArray]:
    """Return the scores with the likelihood of the latent, and that likelihood by itself.

    It is that of the flow of the member that has not seen the quasar.
    """
    conditions = locate(quasars.scores, quasars.run.kind.waist)
    targetid, n_members = quasars.scores["TARGETID"].to_numpy(), len(measured.taught)
    folds, rarity = assign_folds(targetid, n_members), np.empty(len(targetid), np.float32)
    for k, (rows, latents) in enumerate(measured.taught):
        flow = fit_flow(latents, conditions[rows], quasars.run.config.run.seed)
        rarity[folds == k] = flow(measured.latents[folds == k], conditions[folds == k])
    scores = judge(quasars, put_rarity(measured.statistics, rarity))
    # No statistic of the residual knows of the flow.
    del scores["chi2"]
    return scores | {"likelihood": rarity}


def find_errors(quasars: Quasars, models: NDArray) -> NDArray:
    """Return the median |model / true - 1| of each ordinary quasar drawn, shape (3, n).

    Redward of Lyman alpha, blueward of it before and after the forest; NaN without a pixel.
    """
    told, models = quasars.ordinary, models[quasars.is_told]
    start, grid = told.windows["window_start"].to_numpy(), make_run_grid(quasars.run.config)
    wave = grid.wave[start[:, None] + np.arange(grid.window)]
    is_blue = (wave > _LYMAN_LIMIT) & (wave < _LYA)
    parts = ((told.true, wave > _LYA), (told.unabsorbed, is_blue), (told.true, is_blue))
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        # Of a quasar without a pixel in a part.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.stack(
            [
                np.nanmedian(np.abs(models / np.where(is_part, true, np.nan) - 1), axis=1)
                for true, is_part in parts
            ]
        )


def resample(quasars: Quasars, score: NDArray) -> NDArray:
    """Return what a score finds: first as it is, then of quasars drawn again.

    Returns
    -------
    ndarray, shape (401, 4)
        Recall, that of absorbed families, AUC, and the share of the ordinary ones drawn that are
        found too.
    """
    is_planted = quasars.is_drawn & (quasars.family != "")
    ordinary = score[~quasars.is_drawn & (quasars.family == "")]
    planted, others = score[is_planted], score[quasars.is_told]
    is_absorbed = np.isin(quasars.family[is_planted], _ABSORBED)

    def find(own: NDArray, rows: NDArray) -> list[float]:
        limit, odd = np.quantile(own, 1 - _FALSE), planted[rows]
        labels = np.repeat([0, 1], [len(own), len(odd)])
        auc = roc_auc_score(labels, np.concatenate([own, odd]))
        is_found = odd > limit
        part = is_found[is_absorbed[rows]]
        return [is_found.mean(), part.mean(), auc, np.mean(others > limit)]

    rng = np.random.default_rng(0)
    found = [find(ordinary, np.arange(len(planted)))]
    for _ in range(_BOOTSTRAPS):
        again, rows = (rng.integers(0, len(each), len(each)) for each in (ordinary, planted))
        found.append(find(ordinary[again], rows))
    return np.array(found)


def compare_errors(errors: NDArray, present: NDArray) -> str:
    """Return a median error in per cent, and the interval of its difference to another model's.

    Parameters
    ----------
    errors, present : ndarray, shape (n,)
        Of the same quasars, NaN where there is none.
    """
    mine, its = 100 * errors[~np.isnan(errors)], 100 * present[~np.isnan(errors)]
    rows = np.random.default_rng(0).integers(0, len(mine), (_BOOTSTRAPS, len(mine)))
    difference = np.median(mine[rows], axis=1) - np.nanmedian(its[rows], axis=1)
    low, high = np.quantile(difference, [0.025, 0.975])
    told = f"{np.median(mine):.2f} ({low:+.2f} to {high:+.2f})"
    return f"{told:>22s}"


def show(drawn: NDArray, sign: str = "") -> str:
    """Return a number and the 95 per cent interval of those that follow it."""
    low, high = np.quantile(drawn[1:], [0.025, 0.975])
    return f"{drawn[0]:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


if __name__ == "__main__":
    main()
