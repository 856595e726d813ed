"""Asks a finished model what anomalies of recipes that nobody is taught are.

Usage: python benchmarks/injected_classes.py SOURCE --root DIR [--quasars 1300] [--share 0.72]

DIR is a finished run on a survey that `injected_survey.py` made of SOURCE. Another one, mostly of
anomalies, is made with another seed and judged as `qad score --model` does. *Given an anomaly*,
`normal` is left out of the choice; *as published*, the class is the published one. Intervals are
95 per cent, bootstrapped.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from injected_survey import make_survey
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from catalog_schema.vocabulary import AnomalyClass
from catalog_schema.waist import ARTEFACT, NORMAL
from pipeline.flow.apply import apply
from pipeline.flow.data_path import start_run
from pipeline.flow.root import open_root, read_saved_config

_DRAWS = 200


def main() -> None:
    """Parse the call, judge a survey of anomalies and print what they are taken for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--quasars", type=int, default=1300)
    parser.add_argument("--share", type=float, default=0.72)
    parser.add_argument("--seed", type=int, default=5)
    call = parser.parse_args()
    store = open_root(call.root)
    config = read_saved_config(store)
    model = str(store.lake.model(start_run(store, config).model_id))
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "survey"
        make_survey(call.source, tree, call.quasars, call.share, call.seed)
        run = config.run.model_copy(update={"source": str(tree), "ledger_url": "", "lake": ""})
        path, _ = apply(Path(scratch), config.model_copy(update={"run": run}), model, None)
        if path is None:
            raise SystemExit("nothing could be scored")
        truth = pl.read_parquet(tree.with_name(f"{tree.name}-truth.parquet"))
        rows = pl.read_parquet(path).join(
            truth.select("TARGETID", "family", "right_class").drop_nulls(), on="TARGETID"
        )
    report(rows.filter(pl.col("anomaly_class").is_not_null()))


def report(rows: pl.DataFrame) -> None:
    """Print macro-F1, how artefacts are told, and what each family is taken for."""
    names = np.array(AnomalyClass.values())
    probabilities = rows["class_probabilities"].to_numpy().copy()
    probabilities[:, names == NORMAL] = -1
    right, named = (rows[name].to_numpy() for name in ("right_class", "anomaly_class"))
    given = names[probabilities.argmax(axis=1)]
    is_fault, told = right == ARTEFACT, rows["artefact_probability"].to_numpy()
    labels = np.unique(right)
    print(f"{len(rows)} anomalies with a class, {is_fault.sum()} of them artefacts")
    print(
        "AUC of artefact_probability",
        _find_interval(len(rows), lambda k: roc_auc_score(is_fault[k], told[k])),
    )
    for title, taken in (("given an anomaly", given), ("as published", named)):
        macro = _find_interval(
            len(rows),
            lambda k, taken=taken: f1_score(
                right[k], taken[k], labels=labels, average="macro", zero_division=0
            ),
        )
        print(
            f"{title}: macro-F1 {macro}; of artefacts {np.mean(taken[is_fault] == ARTEFACT):.2f} "
            f"are labelled so, of others {np.mean(taken[~is_fault] == ARTEFACT):.3f}"
        )
    for family, part in rows.with_columns(given=given).group_by("family", maintain_order=True):
        counts = part["given"].value_counts(sort=True).rows()
        print(f"{family[0]:16s} {part['right_class'][0]:14s}", *(f"{n} {c}" for c, n in counts[:5]))


def _find_interval(n: int, measure: Callable[[NDArray], float]) -> str:
    rng = np.random.default_rng(0)
    drawn = [measure(rng.integers(0, n, n)) for _ in range(_DRAWS)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{measure(np.arange(n)):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
