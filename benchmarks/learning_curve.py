"""Measures how recall, fit and calibration change with the number of quasars learnt from.

Usage: python benchmarks/learning_curve.py [--sizes 1500 3000 6000] [--root DIR]
                                           [--injected SOURCE] [--set section.key=value ...]

Each size is a survey of its own, made and run as by `recall.py`; those below DIR are found again.
The share missed is fitted as a power of the number of quasars and extrapolated to the 1.55 million
of DR1. Named alternative at every size: chi-squared under a weighted PCA of the same spectra. With
24,000 quasars and more this takes hours.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from recall import interval, join_truth, load, make_survey_run, score_by_pca
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

_DR1 = 1_550_000
_ALTERNATIVE = "weighted PCA-16, chi2"


def main() -> None:
    """Parse the call, run every size, print the table and what it leads to expect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1500, 3000, 6000])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--injected", type=Path, metavar="SOURCE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    call = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in sorted(call.sizes):
            folder = (call.root or Path(scratch)) / str(size)
            began = time.monotonic()
            store, truth = make_survey_run(folder, size, call.injected, call.seed, call.overrides)
            minutes = (time.monotonic() - began) / 60
            rows, windows, _ = load(store)
            table = join_truth(rows, truth)
            print(f"\n{size} quasars, {minutes:.1f} min if not found")
            missed.append(1 - report(table, windows))
    if len(missed) > 1 and min(missed) > 0:
        power, level = np.polyfit(np.log(sorted(call.sizes)), np.log(missed), 1)
        expected = 1 - np.exp(level + power * np.log(_DR1))
        print(
            f"\nshare missed ~ N^{power:.2f}; of {_DR1:,} quasars a recall of {expected:.2f} if "
            "that goes on, which the information in the spectra limits"
        )


def report(table: pl.DataFrame, windows: tuple) -> float:
    """Print one size's figures; return the recall of the joint p-value."""
    is_odd = table["family"].is_not_null().to_numpy()
    snr, training = table["snr"].to_numpy(), (table["split"] == "train").to_numpy()
    joint = -np.log(table["joint_p_value"].fill_null(1).to_numpy())
    by_pca, _ = score_by_pca(*windows, training, snr, table["Z"].to_numpy())
    scores: dict[str, NDArray] = {
        "joint": joint,
        "score alone": table["anomaly_score"].to_numpy(),
        _ALTERNATIVE: by_pca[_ALTERNATIVE],
    }
    for name, score in scores.items():
        found = score > np.quantile(score[~is_odd], 0.99)
        rho = spearmanr(score[~is_odd], snr[~is_odd])[0]
        print(
            f"{name:24s} recall {interval(found[is_odd])}, "
            f"SNR > 2 {interval(found[is_odd & (snr > 2)])}, "
            f"AUC {roc_auc_score(is_odd, score):.3f}, rho(SNR) {rho:+.3f}"
        )
    normal = table.filter(pl.Series(~is_odd))
    chi2 = normal["chi2"].quantile(0.5), normal["chi2"].quantile(0.9)
    print(f"chi2 of normal quasars: median {chi2[0]:.3f}, 90th percentile {chi2[1]:.3f}")
    for name in ("p_value", "joint_p_value"):
        shares = [f"{(normal[name].drop_nulls() < level).mean():.4f}" for level in (0.01, 0.001)]
        print(f"normal quasars with {name} below 0.01, 0.001:", *shares)
    return float((joint[is_odd] > np.quantile(joint[~is_odd], 0.99)).mean())


if __name__ == "__main__":
    main()
