"""Simulates review sessions on a mock survey: how many anomalies each ranking shows first.

Usage: python benchmarks/active_learning.py --root DIR [--labels 100] [--plot FILE.png]

DIR holds a finished `qad classify` of a mock survey. The simulated reviewer knows the truth: a
planted astrophysical anomaly is interesting, a planted fault is an artefact, all else is ordinary.
Sessions are repeated on random subsets of the objects; queues are remade after every few labels.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from catalog_schema.kinds import SPECTRA
from catalog_schema.vocabulary import Verdict
from pipeline.judge.rank import rank
from pipeline.lake.store import to_matrix
from pipeline.reviews.review import Review
from pipeline.settings.judge import RankSettings

_KEY = ["SURVEY", "PROGRAM", "TARGETID"]
_BATCH = 5
_STEPS = (10, 25, 50, 100)
_SUBSETS, _SUBSET_SHARE = 10, 0.8
_NO_AUDIT, _AUDIT = 0.01, 0.08
_BASELINES = ("anomaly_score", "forest of latents", "forest of all features", "joint_p_value")


def main() -> None:
    """Parse the call, hold the sessions, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--plot", type=Path)
    call = parser.parse_args()
    catalogue = read_catalogue(call.root)
    curves: dict[str, list[NDArray]] = {}
    for seed in range(_SUBSETS):
        chosen = catalogue.sample(fraction=_SUBSET_SHARE, seed=seed).sort("TARGETID")
        for name, curve in hold_sessions(chosen, call.labels, seed).items():
            curves.setdefault(name, []).append(curve)
    counts = catalogue["verdict"].value_counts().sort("verdict").rows()
    print(", ".join(f"{count} {verdict}" for verdict, count in counts))
    print(f"{_SUBSETS} subsets of {_SUBSET_SHARE:.0%}, a new queue every {_BATCH} labels")
    report({name: np.array(runs) for name, runs in curves.items()}, call.labels)
    if call.plot:
        draw({name: np.array(runs) for name, runs in curves.items()}, call.plot)


def read_catalogue(root: Path) -> pl.DataFrame:
    """Return what a release's catalogue says of each object, and the truth as a verdict."""
    scores = pl.scan_parquet(root / "lake/scores/*/*/*.parquet").select(*_KEY, "latent")
    tiers = pl.scan_parquet(root / "lake/tiers/tiers.parquet").select(
        *_KEY, "tier", "finding_p_value"
    )
    significance = pl.scan_parquet(root / "lake/significance/significance.parquet").select(
        *_KEY, "HEALPIX", "anomaly_score", "p_value", "departures"
    )
    classes = pl.scan_parquet(root / "lake/classes/classes.parquet").select(
        *_KEY, "joint_p_value", "artefact_probability"
    )
    [path] = root.glob("mock/*-truth.parquet")
    truth = pl.scan_parquet(path).select(*_KEY, "kind")
    verdict = pl.col("kind").replace_strict(
        {"astrophysical": Verdict.ANOMALOUS.value, "instrumental": Verdict.ARTEFACT.value},
        default=Verdict.ORDINARY.value,
    )
    rows = (
        significance.join(tiers, on=_KEY)
        .join(scores, on=_KEY)
        .join(classes, on=_KEY)
        .join(truth, on=_KEY, how="left")
    )
    return rows.with_columns(verdict=verdict).unique("TARGETID").sort("TARGETID").collect()


def hold_sessions(rows: pl.DataFrame, n_labels: int, seed: int) -> dict[str, NDArray]:
    """Return the number of interesting objects among the first 1, 2, … labels of each ranking."""
    is_interesting = (rows["verdict"] == Verdict.ANOMALOUS.value).to_numpy()
    curves = {
        name: np.cumsum(is_interesting[np.argsort(-values, kind="stable")[:n_labels]])
        for name, values in score_baselines(rows, seed).items()
    }
    taught = score_taught(rows, is_interesting, seed)
    curves["all labels known"] = np.cumsum(is_interesting[np.argsort(-taught)[:n_labels]])
    for name, method, audit in (
        ("kernel", "kernel", _NO_AUDIT),
        (f"kernel, {_AUDIT:.0%} audit", "kernel", _AUDIT),
        ("neighbours (Astronomaly)", "neighbours", _NO_AUDIT),
        ("aad (coniferest)", "aad", _NO_AUDIT),
    ):
        settings = RankSettings(method=method, audit_fraction=audit, seed=seed, length=n_labels)
        curves[name] = hold_session(rows, settings, n_labels)
    return curves


def score_baselines(rows: pl.DataFrame, seed: int) -> dict[str, NDArray]:
    """Return rankings that learn nothing: ours, and plain Isolation Forests."""
    table = rows.select("latent", "departures").to_arrow()
    latent, departures = (to_matrix(table[name]) for name in ("latent", "departures"))
    both = np.hstack([latent, departures])
    joint = -np.log(rows["joint_p_value"].fill_null(1).to_numpy())
    score = rows["anomaly_score"].to_numpy()
    values = (score, isolate(latent, seed), isolate(both, seed), joint)
    return dict(zip(_BASELINES, values, strict=True))


def score_taught(rows: pl.DataFrame, is_interesting: NDArray, seed: int) -> NDArray:
    """Return what a random forest makes of objects that it was not taught, from all others.

    As much as these features tell: no session of a few labels can know more.
    """
    table = rows.select("latent", "departures").to_arrow()
    features = np.hstack([to_matrix(table[name]) for name in ("latent", "departures")])
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    forest = RandomForestClassifier(300, random_state=seed)
    told = cross_val_predict(forest, features, is_interesting, cv=folds, method="predict_proba")
    return told[:, 1]


def isolate(values: NDArray, seed: int) -> NDArray:
    """Return the score of an Isolation Forest; higher is more isolated."""
    forest = IsolationForest(n_estimators=200, random_state=seed)
    return -forest.fit(values).score_samples(values)


def hold_session(rows: pl.DataFrame, settings: RankSettings, n_labels: int) -> NDArray:
    """Let the reviewer judge the head of the queue, again and again."""
    truth = dict(zip(rows["TARGETID"].to_list(), rows["verdict"].to_list(), strict=True))
    reviews: list[Review] = []
    with tempfile.TemporaryDirectory() as scratch:
        catalogue = Path(scratch) / "quasars.parquet"
        pq.write_table(rows.drop("verdict", "kind").to_arrow(), catalogue)
        while len(reviews) < n_labels:
            for row in rank(catalogue, SPECTRA, reviews, settings).to_pylist()[:_BATCH]:
                place = (row["SURVEY"], row["PROGRAM"], row["HEALPIX"], row["TARGETID"])
                verdict = Verdict.parse(truth[row["TARGETID"]])
                number = len(reviews) + 1
                reviews.append(Review("mock", "0", *place, "truth", verdict=verdict, number=number))
    return np.cumsum([review.verdict is Verdict.ANOMALOUS for review in reviews[:n_labels]])


def report(curves: dict[str, NDArray], n_labels: int) -> None:
    """Print mean counts at some numbers of labels, and ratios at the last."""
    steps = [step for step in _STEPS if step < n_labels] + [n_labels]
    finals = {name: runs[:, -1].astype(float) for name, runs in curves.items()}
    print(
        f"{'after … labels':28}"
        + "".join(f"{step:8}" for step in steps)
        + "   to score  to forest of latents  of all features  to joint p"
    )
    for name, runs in curves.items():
        counts = "".join(f"{runs[:, step - 1].mean():8.1f}" for step in steps)
        ratios = (
            f"{(finals[name] / finals[base]).mean():5.2f} ± "
            f"{(finals[name] / finals[base]).std():.2f}"
            for base in _BASELINES
        )
        print(f"{name:28}{counts}   " + "   ".join(ratios))


def draw(curves: dict[str, NDArray], path: Path) -> None:
    """Draw the mean discovery curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, runs in curves.items():
        style = "--" if name in _BASELINES else "-"
        axes.plot(np.arange(1, runs.shape[1] + 1), runs.mean(axis=0), style, label=name)
    axes.set(xlabel="objects judged", ylabel="interesting ones among them")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
