"""Measures which planted anomalies our score and its peers find, on the same spectra.

Usage: python benchmarks/recall.py [--root DIR] [--quasars 3000] [--set section.key=value ...]
                                   [--injected SOURCE] [--seed 0]

The mock survey is made and run up to the classes (or found below DIR); its truth is read here only.
With --injected it is a survey of the eigen-spectra and noise of SOURCE (`injected_survey.py`), all
of whose recipes are taught to nobody, run with the settings for real work.
Every peer sees the train split, as ours does, and is judged on all core quasars. The threshold is
the 99th percentile of the normal spectra; intervals are 95 per cent, bootstrapped over objects.
Families that the classifier was taught and families that nobody was taught are reported apart.
"""

import argparse
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import torch
from injected_survey import make_survey
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest
from sklearn.metrics import f1_score, roc_auc_score

from catalog_schema.statistics import HYPOTHESES, STATISTICS
from catalog_schema.vocabulary import ShardState
from pipeline.config import load_config
from pipeline.flow.data_path import run_stages
from pipeline.flow.root import Root
from pipeline.judge.science.independence import measure_leak
from pipeline.lake.store import to_matrix
from pipeline.spectra.science.encoder_input import soften
from pipeline.spectra.science.pca import LinearBasis, fit_basis, infer_coefficients, rebin
from pipeline.transport.places import find_mock

_COMPONENTS, _BIN, _OBSERVED_BIN = 16, 4, 8
_EPOCHS, _HIDDEN = 40, 64
# Relative error of the flux that nobody falls below.
_LEAST_ERROR = 2e-3
_MODEL_ERROR, _WIDTHS, _NEIGHBOURS = 0.05, (1, 2, 4, 8, 16, 32, 64), 200
_KEY = ["SURVEY", "PROGRAM", "TARGETID"]
_COLUMNS = [*_KEY, "split", "parent", "Z", "snr", "chi2", "latent", "statistics"]
_SNR_EDGES = (0, 0.7, 1.5, 3, 6, np.inf)
_BOOTSTRAPS = 400


def main() -> None:
    """Parse the call, run what is not done, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--quasars", type=int, default=3000)
    parser.add_argument("--injected", type=Path, metavar="SOURCE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    call = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = call.root or Path(scratch)
        report(*make_survey_run(folder, call.quasars, call.injected, call.seed, call.overrides))


def make_survey_run(
    folder: Path, n_quasars: int, injected: Path | None, seed: int, overrides: list[str]
) -> tuple[Root, pl.DataFrame]:
    """Make and run a survey below a folder up to `control`, or find it; return it with its truth.

    Parameters
    ----------
    folder : Path
    n_quasars : int
    injected : Path or None
        Tree whose eigen-spectra and noise are taken; None: the mock survey.
    seed : int
        Of what is injected.
    overrides : list of str
        Settings, as ``section.key=value``.
    """
    store = Root(folder)
    if injected:
        tree = folder / "injected"
        path = folder / "injected-truth.parquet"
        if not path.exists():
            make_survey(injected, tree, n_quasars, seed=seed)
        config = load_config(None, overrides, source=str(tree))
    else:
        size = [f"mock.quasars={n_quasars}", f"mock.pixels={max(n_quasars // 125, 1)}"]
        config = load_config(None, [*size, *overrides])
    with store.lock():
        run_stages(store, config, lambda stage, _: print(stage, flush=True), "control")
    if not injected:
        path = Path(f"{find_mock(store, config)}-truth.parquet")
    return store, pl.read_parquet(path)


def report(store: Root, truth: pl.DataFrame) -> None:
    """Print recall, ranking and dependence on SNR of every score."""
    rows, windows, observed = load(store)
    table = join_truth(rows, truth)
    training = (table["split"] == "train").to_numpy()
    by_pca, coefficients = score_by_pca(
        *windows, training, table["snr"].to_numpy(), table["Z"].to_numpy()
    )
    scores: dict[str, NDArray] = {
        "ours, joint with the classes": -np.log(table["joint_p_value"].fill_null(1).to_numpy()),
        "ours": table["anomaly_score"].to_numpy(),
        "ours, chi2 alone": table["chi2"].to_numpy(),
        **by_pca,
        "plain autoencoder, observed": score_by_autoencoder(observed, training),
    }
    is_odd = table["family"].is_not_null().to_numpy()
    is_taught = table["is_taught"].fill_null(False).to_numpy()
    snr = table["snr"].to_numpy()
    print(
        f"\n{len(table)} core spectra, {is_odd.sum()} planted, {is_taught.sum()} of families that "
        f"were taught; {(is_odd & (snr > 2)).sum()} with SNR > 2"
    )
    parts = {
        "recall": is_odd,
        "taught": is_taught,
        "untaught": is_odd & ~is_taught,
        "SNR > 2": is_odd & (snr > 2),
    }
    print(f"{'score':30s}", *(f"{part:>18s}" for part in parts), f"{'AUC':>6s} {'rho(SNR)':>9s}")
    for name, score in scores.items():
        found = score > np.quantile(score[~is_odd], 0.99)
        rho = spearmanr(score[~is_odd], snr[~is_odd])[0]
        shares = " ".join(f"{interval(found[part]):>18s}" for part in parts.values())
        print(f"{name:30s} {shares} {roc_auc_score(is_odd, score):6.3f} {rho:+9.3f}")
    for name, latent in (("ours", table["latent"].to_numpy()), ("PCA", coefficients)):
        leak = measure_leak(latent.astype(float), table["Z"].to_numpy())
        print(
            f"redshift from the latent, {name}: sigma {leak.sigma:.3f} (1+z), off by 0.05 (1+z) "
            f"{leak.outliers:.3f}; sigma {leak.no_skill:.3f} without it"
        )
    print_ours(table, is_odd)
    if "right_class" in table.columns:
        print_classes(table.filter(pl.Series(is_odd)))
    print_score_tests(table["statistics"].to_numpy()[~is_odd], snr[~is_odd])
    sky = store.read(store.lake.table("controls")).to_pandas()
    sky = sky[sky["control"] == "sky"]
    print(
        f"sky fibres: {len(sky)}, in a tier {(sky['tier'] != 'none').sum()}, with joint p below "
        f"0.01: {(sky['joint_p_value'] < 0.01).sum()}"
    )


def join_truth(rows: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return rows with what is known of them; null of what is normal."""
    told = truth.select(*_KEY, pl.col(r"^(family|is_taught|strength|right_class)$"))
    return rows.join(told, on=_KEY, how="left", maintain_order="left")


def print_ours(table: pl.DataFrame, is_odd: NDArray) -> None:
    """Print our recall by strength and family, rho by redshift, p-values, and what is graded."""
    table = table.with_columns(joint=-pl.col("joint_p_value").fill_null(1).log())
    normal = table.filter(pl.Series(~is_odd))
    odd = table.filter(pl.Series(is_odd)).with_columns(
        found=pl.col("joint") > normal["joint"].quantile(0.99)
    )
    cuts, names = [5.0, 10.0, 20.0, 50.0], ["< 5", "5-10", "10-20", "20-50", "> 50"]
    strength = pl.col("strength").bin_intervals(cuts, labels=names)
    print(
        "by strength (sigma):",
        *odd.group_by(strength)
        .agg(pl.len(), pl.col("found").mean().round(2))
        .sort("strength")
        .rows(),
    )
    fates = [
        pl.len(),
        pl.col("found").mean().round(2),
        (pl.col("tier") != "none").mean().round(2).alias("in a tier"),
        (pl.col("anomaly_class") == "normal").mean().round(2).alias("called ordinary"),
    ]
    for group in ("is_taught", "family"):
        print(f"by {group}: number, found, in a tier, called ordinary")
        print(*odd.group_by(group).agg(*fates).sort(group).rows(), sep="\n")
    for low, high in ((0, 1), (1, 1.5), (1.5, 2), (2, 2.5), (2.5, 5)):
        part = normal.filter(pl.col("Z").is_between(low, high))
        print(
            f"z {low}-{high}: {len(part)} normal, rho(SNR) "
            f"{spearmanr(part['joint'], part['snr'])[0]:+.3f}"
        )
    for name in ("p_value", "joint_p_value"):
        p_values = normal[name].drop_nulls()
        shares = [f"{(p_values < level).mean():.4f}" for level in (0.001, 0.01, 0.1, 0.5)]
        print(f"normal spectra with {name} below 0.001, 0.01, 0.1, 0.5:", *shares)
    graded = table.filter(pl.col("tier") != "none")
    for (finding, tier), mine in graded.group_by("finding", "tier", maintain_order=True):
        print(f"{finding}, {tier}: {len(mine)}, of them normal {mine['family'].is_null().sum()}")
    false = interval(graded["family"].is_null().to_numpy()) if len(graded) else "-"
    print(f"planted in a tier: {interval((odd['tier'] != 'none').to_numpy())}; false share {false}")


def print_classes(odd: pl.DataFrame) -> None:
    """Print how planted anomalies are classified, artefacts told from astrophysics."""
    columns = "right_class", "anomaly_class"
    right, named = (odd[name].fill_null("normal").to_numpy() for name in columns)
    is_artefact = right == "artefact"
    probability = odd["artefact_probability"].fill_null(0).to_numpy()
    print(
        f"artefacts: AUC of artefact_probability {roc_auc_score(is_artefact, probability):.3f}, "
        f"labelled so {(named[is_artefact] == 'artefact').mean():.2f} of {is_artefact.sum()}, "
        f"of others {(named[~is_artefact] == 'artefact').mean():.2f}; macro-F1 "
        f"{f1_score(right, named, labels=np.unique(right), average='macro'):.2f}"
    )
    counts = odd.group_by(*columns).len().sort(*columns)
    print("right class, class given, number:", *counts.rows(), sep="\n")


def print_score_tests(statistics: NDArray, snr: NDArray) -> None:
    """Print how far the score tests of normal spectra scatter, by SNR; 1 is what theory says."""
    names = [statistic.name for statistic in STATISTICS]
    tests = statistics[:, [names.index(name) for name in HYPOTHESES]]
    print("scatter of the score tests, half the distance of the 16th and 84th percentiles:")
    for low, high in pairwise(_SNR_EDGES):
        mine = tests[(snr >= low) & (snr < high)]
        spread = np.diff(np.nanquantile(mine, [0.1587, 0.8413], axis=0), axis=0)[0] / 2
        least, middle, most = np.nanquantile(spread, [0, 0.5, 1])
        print(
            f"SNR {low} to {high}: {len(mine)} spectra, {least:.1f} to {most:.1f}, "
            f"median {middle:.1f}"
        )


def load(store: Root) -> tuple[pl.DataFrame, tuple[torch.Tensor, ...], NDArray]:
    """Return core rows with their scores, their windows, their observed spectra in bins."""
    parts, fluxes, weights, starts, observed = [], [], [], [], []
    done = (o for o in store.ledger.outcomes("score") if o.state is ShardState.DONE)
    for shard in sorted(outcome.shard for outcome in done):
        scores = store.read(store.lake.shard("scores", shard), _COLUMNS)
        windows = store.read(store.lake.shard("restframe", shard))
        coadds = store.read(store.lake.shard("coadds", shard), ["TARGETID", "flux", "ivar"])
        core = pl.from_arrow(scores).filter(pl.col("parent") == "core")  # type: ignore[arg-type]
        assert isinstance(core, pl.DataFrame)
        wanted = core["TARGETID"].to_numpy()
        rows = find(windows["TARGETID"].to_numpy(), wanted)
        fluxes.append(torch.from_numpy(to_matrix(windows["rest_flux"])[rows]))
        weights.append(torch.from_numpy(to_matrix(windows["rest_weight"])[rows]))
        starts.append(torch.from_numpy(windows["window_start"].to_numpy()[rows]).long())
        rows = find(coadds["TARGETID"].to_numpy(), wanted)
        flux = to_matrix(coadds["flux"])[rows]
        whole = flux[:, : flux.shape[1] // _OBSERVED_BIN * _OBSERVED_BIN]
        observed.append(whole.reshape(len(flux), -1, _OBSERVED_BIN).mean(2))
        parts.append(core)
    table = pl.concat(parts)
    for name, columns in (
        ("significance", ["anomaly_score", "p_value"]),
        ("classes", ["joint_p_value", "anomaly_class", "artefact_probability"]),
        ("tiers", ["tier", "finding"]),
    ):
        found = pl.from_arrow(store.read(store.lake.table(name), [*_KEY, *columns]))
        assert isinstance(found, pl.DataFrame)
        table = table.join(found, on=_KEY, how="left", maintain_order="left")
    return (
        table,
        (torch.cat(fluxes), torch.cat(weights), torch.cat(starts)),
        np.concatenate(observed),
    )


def find(targetids: NDArray, wanted: NDArray) -> NDArray[np.intp]:
    """Return the row of each wanted TARGETID."""
    order = np.argsort(targetids)
    return order[np.searchsorted(targetids[order], wanted)]


def score_by_pca(
    flux: torch.Tensor,
    weight: torch.Tensor,
    start: torch.Tensor,
    training: NDArray,
    snr: NDArray,
    z: NDArray,
) -> tuple[dict[str, NDArray], NDArray]:
    """Score by a weighted PCA: chi-squared, filters on the residual, forest on coefficients."""
    size = int(start.max()) + flux.shape[1]
    # Of the brightest stars the normal equations were singular in single precision.
    weight = soften(weight, _LEAST_ERROR)
    chosen = torch.from_numpy(np.flatnonzero(training))
    basis = fit_basis(
        flux[chosen],
        weight[chosen],
        start[chosen],
        size,
        _COMPONENTS,
        torch.Generator().manual_seed(0),
    )
    # Found at full resolution, fitted and judged in bins, which is several times faster.
    components = basis.components.reshape(_COMPONENTS, -1, _BIN).mean(2)
    basis = LinearBasis(basis.mean.reshape(-1, _BIN).mean(1), components)
    flux, weight = rebin(flux, weight, _BIN)
    coefficients, _ = infer_coefficients(flux, weight, start // _BIN, basis)
    model = reconstruct(basis, coefficients, start // _BIN, flux.shape[1])
    chi2 = (weight * (flux - model) ** 2).sum(1) / (weight > 0).sum(1).clamp(min=1)
    forest = IsolationForest(n_estimators=200, random_state=0).fit(coefficients[chosen].numpy())
    scores = {
        f"PCA-{_COMPONENTS}, filters, neighbours": combine_ranks(
            filter_residuals(flux - model, weight, model), snr, z
        ),
        f"weighted PCA-{_COMPONENTS}, chi2": chi2.numpy(),
        f"Isolation Forest on PCA-{_COMPONENTS}": -forest.score_samples(coefficients.numpy()),
    }
    return scores, coefficients.numpy()


def filter_residuals(residual: torch.Tensor, weight: torch.Tensor, model: torch.Tensor) -> NDArray:
    """Return chi-squared and the largest excess and lack in boxes of seven widths, (n, 15)."""
    weight = weight / (1 + weight * (_MODEL_ERROR * model) ** 2)
    total = (weight * residual**2).sum(1) / (weight > 0).sum(1).clamp(min=1)
    columns = [total]
    for width in _WIDTHS:
        signal, noise = (
            torch.nn.functional.avg_pool1d(value[:, None], width, 1)[:, 0] * width
            for value in (weight * residual, weight)
        )
        ratio = signal / noise.clamp(min=1e-12).sqrt()
        columns += [ratio.amax(1), -ratio.amin(1)]
    return torch.stack(columns, 1).numpy()


def combine_ranks(statistics: NDArray, snr: NDArray, z: NDArray) -> NDArray:
    """Add up -ln(1 - rank) of each statistic among the spectra nearest in SNR and redshift."""
    places = np.column_stack([np.log10(np.maximum(snr, 1e-3)), z])
    near = cKDTree(places / places.std(0)).query(places / places.std(0), _NEIGHBOURS)[1]
    share_above = (statistics[near] >= statistics[:, None]).mean(1)
    return -np.log(share_above).sum(1)


def reconstruct(
    basis: LinearBasis, coefficients: torch.Tensor, start: torch.Tensor, width: int
) -> torch.Tensor:
    """Return the model on each window."""
    spectrum = basis.mean + coefficients @ basis.components
    return spectrum.gather(1, start[:, None] + torch.arange(width))


def score_by_autoencoder(flux: NDArray, training: NDArray) -> NDArray:
    """Score by the mean squared error of an unweighted autoencoder on observed spectra."""
    torch.manual_seed(0)
    values = torch.from_numpy(
        flux / np.maximum(np.median(np.abs(flux), axis=1, keepdims=True), 1e-3)
    )
    values = values.clamp(-10, 10).float()
    size = values.shape[1]
    layers: Callable[..., torch.nn.Module] = torch.nn.Linear
    network = torch.nn.Sequential(
        layers(size, 256),
        torch.nn.GELU(),
        layers(256, _HIDDEN),
        torch.nn.GELU(),
        layers(_HIDDEN, 256),
        torch.nn.GELU(),
        layers(256, size),
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    chosen = torch.from_numpy(np.flatnonzero(training))
    for _ in range(_EPOCHS):
        for batch in chosen[torch.randperm(len(chosen))].split(128):
            loss = ((network(values[batch]) - values[batch]) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        error: NDArray = ((network(values) - values) ** 2).mean(1).numpy()
    return error


def interval(found: NDArray) -> str:
    """Return a share with its bootstrapped 95 per cent interval."""
    rng = np.random.default_rng(0)
    if not len(found):
        return "-"
    drawn = rng.choice(found, (_BOOTSTRAPS, len(found))).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{found.mean():.3f} ({low:.2f}-{high:.2f})"


if __name__ == "__main__":
    main()
