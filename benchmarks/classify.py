"""Measures how well planted anomalies are classified, and artefacts told from astrophysics.

Usage: python benchmarks/classify.py [--root DIR] [--each 60] [--set section.key=value ...]

The mock survey is made and run up to `classify` (or found below DIR). Then `--each` quasars of each
planted family, stars, galaxies and ordinary quasars are drawn by the mock's own recipe, which the
classifier has never seen, and judged by the run's classifier. Truth is read here only. Families
that resemble examples and families taught to nobody are reported apart; the threshold of 1 % false
positives is that of the run's ordinary quasars.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from catalog_schema.desi import SAMPLING
from catalog_schema.spectra import EXAMPLES
from catalog_schema.vocabulary import AnomalyClass, Parent, Split
from pipeline.config import Config, load_config
from pipeline.flow.data_path import run_stages, start_run
from pipeline.flow.root import Root
from pipeline.judge.classifier import judge, read_classifier
from pipeline.judge.knowledge import get_knowledge
from pipeline.judge.null import read_population
from pipeline.lake.layout import Shard
from pipeline.run import Run
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.measuring import measure_table, score_rows
from pipeline.spectra.mock.anomalies import FAMILIES
from pipeline.spectra.mock.instrument import ARM_SLICES, ARMS
from pipeline.spectra.mock.observe import Target, draw_conditions, draw_target, observe
from pipeline.spectra.model.models import load_model
from pipeline.spectra.science.coadd import ArmSpectra, join_arms
from pipeline.spectra.windows import make_windows

# Right classes of the families that no example resembles; those of the others are their kinds'.
_UNTAUGHT = {
    "balmer_absorption": "unknown",
    "oiii_outflow": "unknown",
    "nitrogen_rich": "unknown",
    "microlensed": "unknown",
    "supernova": "blend",
    "binary_quasar": "blend",
    "neighbour_light": "artefact",
    "amplifier_offset": "artefact",
    "calibration_ripple": "artefact",
}
RIGHT_CLASSES = _UNTAUGHT | {
    name: EXAMPLES[family.taught_as] for name, family in FAMILIES.items() if family.taught_as
}
_FIRST_TARGETID = 10**9
_EBV, _BATCH = 0.03, 100
# A planted feature this strong, in the spectrum's own sigma, should be seen by a good method.
_STRONG = 20.0


def main() -> None:
    """Parse the call, run what is not done, draw, classify and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    call = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store, config = Root(call.root or Path(scratch)), load_config(None, call.overrides)
        with store.lock():
            run_stages(store, config, lambda stage, _: print(stage, flush=True), "classify")
        run = start_run(store, config)
        windows, truth = draw_spectra(run.model, config, call.each)
        results, probabilities = classify_drawn(run, windows, truth)
        report_teaching(results, find_threshold(store))
        report(results, probabilities)


def draw_spectra(folder: Path, config: Config, each: int) -> tuple[pa.Table, pd.DataFrame]:
    """Return windows of drawn spectra, rows of `restframe`, and what they are."""
    rng = np.random.default_rng(99)
    jobs = [("quasar", family) for family in FAMILIES for _ in range(each)]
    jobs += [(what, None) for what in ("quasar", "star", "galaxy") for _ in range(each)]
    parts, truths = [], []
    for first in range(0, len(jobs), _BATCH):
        targets = [draw_target(rng, what, _EBV, family) for what, family in jobs[first:][:_BATCH]]
        for target in targets:
            z = target.z_true if target.true_class == "quasar" else 0.0
            target.conditions = draw_conditions(rng, "main", "dark", z)
        ids = _FIRST_TARGETID + first + np.arange(len(targets))
        part, strength = observe_targets(rng, targets, ids, folder, config)
        parts.append(part)
        truths.append(
            pd.DataFrame(
                {
                    "TARGETID": ids,
                    "family": [t.family or t.true_class for t in targets],
                    "z_true": [t.z_true for t in targets],
                    "strength": strength,
                }
            )
        )
    return pa.concat_tables(parts).combine_chunks(), pd.concat(truths).set_index("TARGETID")


def observe_targets(
    rng: np.random.Generator, targets: list[Target], ids: NDArray, folder: Path, config: Config
) -> tuple[pa.Table, NDArray]:
    """Observe targets, join their arms and make windows; stars and galaxies get a quasar's z."""
    coadd = observe(rng, targets)
    arms = [
        ArmSpectra(
            ARMS[arm].start,
            *(
                np.ascontiguousarray(values[:, pixels])
                for values in (coadd.flux, coadd.ivar, coadd.mask)
            ),
        )
        for arm, pixels in ARM_SLICES.items()
    ]
    spectra, _, _ = join_arms(ids, arms, SAMPLING.grid.size, config.extract.ivar_floor)
    z = [t.z_catalog if t.true_class == "quasar" else rng.uniform(0.3, 3.5) for t in targets]
    n = len(targets)
    rows = pa.table(
        {
            "Z": z,
            "EBV": np.full(n, _EBV, np.float32),
            "split": [Split.TEST.value] * n,
            "parent": [Parent.EXTERNAL.value] * n,
            "control": pa.nulls(n, pa.string()),
        }
    )
    table = spectra_to_table(Shard("mock", "drawn", 0), spectra, SAMPLING)
    grid = load_model(folder).grid
    return make_windows(table, rows, config.preprocess, grid).tables[0], coadd.strength


def classify_drawn(
    run: Run, windows: pa.Table, truth: pd.DataFrame
) -> tuple[pd.DataFrame, NDArray]:
    """Classify drawn spectra as the run's own; return truth with results, and probabilities."""
    config, folder, population = run.config, run.model, read_population(run)
    scores, rows = score_rows(folder, config, windows)
    p_value = population.compare(scores).p_value
    measured = measure_table(folder, config, windows.take(pa.array(rows)), p_value)
    judged = judge(read_classifier(run), population, scores, measured, get_knowledge(run))
    shown = ("p_value", "joint_p_value", "anomaly_class", "artefact_probability", "better_z")
    found = pd.DataFrame({name: np.asarray(judged[name]) for name in shown})
    found = found.assign(TARGETID=scores["TARGETID"], snr=scores["snr"])
    results = truth.join(found.set_index("TARGETID"), how="inner")
    results["true_class"] = results["family"].replace(RIGHT_CLASSES | {"quasar": "normal"})
    return results, judged["class_probabilities"]


def find_threshold(store: Root) -> float:
    """Return the joint p-value below which one in a hundred ordinary core quasars of the run is."""
    classes = store.read(store.lake.table("classes"), ["TARGETID", "joint_p_value"]).to_pandas()
    [path] = store.lake.root.glob("mock/*-truth.parquet")
    truth = pd.read_parquet(path)
    ordinary = truth["TARGETID"][truth["family"].isna()]
    p_values = classes["joint_p_value"][classes["TARGETID"].isin(ordinary)]
    return float(p_values.dropna().quantile(0.01))


def report_teaching(results: pd.DataFrame, threshold: float) -> None:
    """Print recall and the share called ordinary of taught and of untaught families."""
    planted = results[results["family"].isin(list(FAMILIES))]
    is_taught = planted["family"].map({name: each.is_taught for name, each in FAMILIES.items()})
    table = pd.DataFrame(
        {
            "group": np.where(is_taught, "taught", "untaught"),
            "family": planted["family"],
            "strength": planted["strength"],
            "joint": planted["joint_p_value"] < threshold,
            "ordinary": planted["anomaly_class"] == "normal",
            "right": planted["anomaly_class"] == planted["true_class"],
        }
    )
    columns = {
        "n": ("joint", "size"),
        "strength": ("strength", "median"),
        **{name: (name, "mean") for name in ("joint", "ordinary", "right")},
    }
    print(f"joint p below {threshold:.4f}: one in a hundred ordinary core quasars of the run")
    for keys in (["group"], ["group", "family"]):
        print(table.groupby(keys).agg(**columns).round(2).to_string())


def report(results: pd.DataFrame, probabilities: NDArray) -> None:
    """Print macro-F1, artefact AUC, recovery of redshifts and the confusion matrices by SNR."""
    seen = ~np.isnan(probabilities[:, 0])
    results, probabilities = results[seen], probabilities[seen]
    names = np.array(AnomalyClass.values())
    odd = np.flatnonzero(names != "normal")
    results = results.assign(of_anomaly=names[odd][np.argmax(probabilities[:, odd], axis=1)])
    planted = results[results["family"].isin(list(FAMILIES))]
    print(
        f"{len(planted)} planted, {len(results) - len(planted)} others; no signal: "
        f"{np.count_nonzero(~seen)}"
    )
    cuts = {
        "all": planted["snr"] > -1,
        "SNR > 2": planted["snr"] > 2,
        f"strength > {_STRONG:.0f}": planted["strength"] > _STRONG,
        "p < 0.01": planted["p_value"] < 0.01,
    }
    print(
        f"{'planted':14s} {'n':>5s} {'F1':>6s} {'F1, given anomaly':>18s} {'AUC':>6s} "
        f"{'AUC with wrong z':>17s}"
    )
    for name, cut in cuts.items():
        part = planted[cut]
        labels = sorted(set(part["true_class"]))
        scores = [
            f1_score(part["true_class"], part[column], labels=labels, average="macro")
            for column in ("anomaly_class", "of_anomaly")
        ]
        aucs = [separate_artefacts(part, wrong) for wrong in (False, True)]
        print(
            f"{name:14s} {len(part):5d} {scores[0]:6.3f} {scores[1]:18.3f} {aucs[0]:6.3f} "
            f"{aucs[1]:17.3f}"
        )
    report_redshifts(planted, results)
    for low, high in ((0, 1), (1, 3), (3, 1000)):
        part = results[results["snr"].between(low, high)]
        print(f"\nSNR {low} to {high}")
        print(pd.crosstab(part["family"], part["anomaly_class"]).to_string())


def separate_artefacts(part: pd.DataFrame, wrong_z: bool) -> float:
    """Return the AUC of artefact_probability, with or without wrong redshifts as astrophysics."""
    kept = part if wrong_z else part[part["true_class"] != "wrong_z"]
    return float(roc_auc_score(kept["true_class"] == "artefact", kept["artefact_probability"]))


def report_redshifts(planted: pd.DataFrame, results: pd.DataFrame) -> None:
    """Print how many wrong redshifts are found and mended, and how many right ones are not."""
    wrong = planted[planted["true_class"] == "wrong_z"]
    error = (wrong["better_z"] - wrong["z_true"]).abs() / (1 + wrong["z_true"])
    others = results[results["true_class"] != "wrong_z"]
    print(
        f"wrong z: {len(wrong)}, class wrong_z {(wrong['anomaly_class'] == 'wrong_z').sum()}, "
        f"better z {wrong['better_z'].notna().sum()}, right within 0.01 (1+z) "
        f"{(error < 0.01).sum()}; others of class wrong_z "
        f"{(others['anomaly_class'] == 'wrong_z').sum()}, with a better z "
        f"{others['better_z'].notna().sum()} of {len(others)}"
    )


if __name__ == "__main__":
    main()
