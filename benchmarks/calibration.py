"""Measures whether p-values and false-discovery rates are what they claim to be.

Usage: python benchmarks/calibration.py [--surveys 200] [--candidates 3000] [--share 0.01 ...]
       python benchmarks/calibration.py --root DIR [--truth FILE]

Without a run: surveys are simulated, candidates of which most are normal, and go through the
calibration of the pipeline; beside it p-values by plain rank, and those of an exponential fitted
with the top 5 per cent censored. Intervals are 95 per cent, by the scatter between surveys.

With one: the same shares of its normal candidates, binomial intervals, and how often its classes
are right. The truth is a table of what is planted, SURVEY, PROGRAM, TARGETID, `family` and
`is_taught`, with families of the mock survey or of `injected_survey.py`; what it does not name is
normal. The mock's own is found below DIR.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from classify import RIGHT_CLASSES
from injected_recipes import RECIPES
from numpy.typing import NDArray
from scipy.stats import beta

from catalog_schema.back_half import make_tables
from catalog_schema.kind import Kind
from catalog_schema.spectra import WAIST
from catalog_schema.statistics import Statistic
from catalog_schema.vocabulary import AnomalyClass, Finding, ShardState
from catalog_schema.waist import NORMAL
from pipeline.config import load_config
from pipeline.flow.root import Root
from pipeline.judge.null import compare, make_null
from pipeline.judge.science.calibration import join_p_values
from pipeline.judge.science.grades import find_q_values, find_q_values_by_list
from pipeline.settings.judge import CalibrateSettings
from pipeline.transport.places import find_mock

_LEVELS, _FDR = (1e-1, 1e-2, 1e-3), (0.01, 0.05, 0.10)
_PER_REASON, _REASONS = 5, 12
_SETTINGS = CalibrateSettings()
_DEPENDENCE = ("none", "nights", "repeats", "neighbours")
# Correlation within a reason, of two observations of an object, and with others of the night.
_WITHIN, _AGAIN, _OF_NIGHT = 0.5, 0.8, 0.5
_DEGREES, _NIGHTS, _WAVES = 8, 30, 20
# Anomalies: one feature, or one in each of so many reasons, in units of the normal spread.
_STRONG, _WEAK, _MANY = (10, 60), (4, 12), 6
# Odds of an anomalous class rise with the evidence of the strangest reason, up to a limit: what is
# strange and resembles nothing has no class. They scatter, and are better for what does.
_ODDS, _ODDS_PER_EVIDENCE, _MOST_EVIDENCE, _ODDS_SCATTER, _ODDS_TAUGHT = -4.0, 0.6, 4.0, 1.0, 5.0
_PROBABILITIES = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0)
_CLASSES = RIGHT_CLASSES | {family: right for family, (_, right) in RECIPES.items()}
_KEY = ["SURVEY", "PROGRAM", "TARGETID"]


@dataclass(frozen=True)
class Simulated:
    """A survey whose truth is known.

    Attributes
    ----------
    scores : pyarrow.Table
        Rows of `scores`: key, conditions, statistics.
    is_odd, is_taught : ndarray of bool, shape (n,)
        Whether each candidate is an anomaly, and one that resembles a known class.
    """

    scores: pa.Table
    is_odd: NDArray[np.bool_]
    is_taught: NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """What the methods make of a survey.

    Attributes
    ----------
    p_values : mapping of str to ndarray, shape (n,)
    q_values : mapping of str to ndarray, shape (n,)
        NaN for what is not on the list.
    """

    p_values: Mapping[str, NDArray]
    q_values: Mapping[str, NDArray]


def main() -> None:
    """Parse the call, simulate or read a run, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--surveys", type=int, default=200)
    parser.add_argument("--candidates", type=int, default=3000)
    parser.add_argument("--share", type=float, nargs="+", default=[0.0, 0.01, 0.04])
    parser.add_argument("--dependence", nargs="+", choices=_DEPENDENCE, default=_DEPENDENCE)
    call = parser.parse_args()
    if call.root:
        report_run(Root(call.root), call.truth)
        return
    kind = make_kind()
    for dependence in call.dependence:
        for share in call.share:
            print(
                f"\n{call.surveys} surveys of {call.candidates}, {share:.0%} anomalies, "
                f"dependence: {dependence}"
            )
            report_simulation(kind, call.surveys, call.candidates, share, dependence)


def make_kind() -> Kind:
    """Return the kind of data that is simulated; every second reason counts on both sides."""
    reasons = {f"reason_{g}": f"Reason {g}." for g in range(_REASONS)}
    statistics = tuple(
        Statistic(f"{name}_{k}", name, two_sided=g % 2 == 0)
        for g, name in enumerate(reasons)
        for k in range(_PER_REASON)
    )
    waist = replace(WAIST, statistics=statistics, reasons=reasons, conditions=WAIST.conditions[:2])
    return Kind("simulated", "candidates", waist, make_tables(waist))


def report_simulation(
    kind: Kind, n_surveys: int, n_candidates: int, share: float, dependence: str
) -> None:
    """Simulate surveys and print shares of normal candidates and false-discovery proportions."""
    below: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    found: dict[str, list[list[tuple[float, float]]]] = defaultdict(list)
    for seed in range(n_surveys):
        rng = np.random.default_rng(seed)
        survey = simulate(rng, n_candidates, share, dependence)
        judged = judge(survey, kind, rng)
        parts = dict(
            cut_thirds(
                survey.scores["log_snr"].to_numpy(), survey.scores["Z"].to_numpy(), ~survey.is_odd
            )
        )
        for name, p_values in judged.p_values.items():
            for part, members in parts.items() if name == "p_value" else [("all", parts["all"])]:
                below[name, part].append([(p_values[members] < level).mean() for level in _LEVELS])
        for name, q_values in judged.q_values.items():
            found[name].append([count_found(q_values, survey.is_odd, level) for level in _FDR])
    print(f"{'normal, p below':30s}", *(f"{level:>24g}" for level in _LEVELS))
    for (name, part), shares in below.items():
        cells = (interval(column) for column in np.array(shares).T)
        print(f"{name + ', ' + part:30s}", *(f"{cell:>24s}" for cell in cells))
    print(f"{'false-discovery proportion':30s}", *(f"{level:>24g}" for level in _FDR))
    for name, counts in found.items():
        values = np.array(counts)
        cells = (interval(values[:, k, 0]) for k in range(len(_FDR)))
        print(f"{name:30s}", *(f"{cell:>24s}" for cell in cells))
        if share:
            recall = values[:, :, 1].mean(axis=0)
            over = (values[:, :, 0] > _FDR).mean(axis=0)
            cells = (f"{r:.3f}, over in {o:.0%}" for r, o in zip(recall, over, strict=True))
            print(f"{'  recall, surveys over level':30s}", *(f"{cell:>24s}" for cell in cells))


def simulate(rng: np.random.Generator, n: int, share: float, dependence: str) -> Simulated:
    """Draw a survey.

    Statistics of a reason share a factor and a heavy-tailed scale (Student's t); their mean and
    spread depend on SNR and redshift. Half of the anomalies have one strong feature, half many weak
    ones; half of either are of a kind that the classes know.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    share : float
        Of anomalies.
    dependence : str
        Among normal candidates: ``none``; ``nights``, in which all share half of the factors and
        the scale; ``repeats``, every object observed twice; ``neighbours``, a smooth random
        function of the conditions in every statistic.
    """
    conditions = np.column_stack([rng.normal(0.3, 0.35, n), rng.gamma(6, 0.3, n)])
    groups = np.zeros(n, int)
    shared = {"none": 0.0, "neighbours": 0.0, "nights": _OF_NIGHT, "repeats": _AGAIN}[dependence]
    if dependence == "nights":
        groups = rng.integers(0, _NIGHTS, n)
    elif dependence == "repeats":
        groups = np.arange(n) // 2
        conditions = conditions[2 * groups] + rng.normal(0, 0.02, (n, 2)) * [1, 0]
    noise = _draw_noise(rng, groups, shared)
    if dependence == "neighbours":
        noise += _draw_field(rng, conditions)
    is_odd = np.zeros(n, bool)
    is_odd[rng.choice(n, round(share * n), replace=False)] = True
    if dependence == "repeats":
        is_odd = is_odd[2 * groups]
    noise[is_odd] += _draw_anomalies(rng, is_odd.sum())[..., None]
    slopes, widths = rng.normal(0, 0.3, (2, 2, _REASONS))
    statistics = (conditions @ slopes)[..., None] + np.exp(conditions @ widths)[..., None] * noise
    scores = pa.table(
        {
            "SURVEY": ["simulated"] * n,
            "PROGRAM": np.where(np.arange(n) % 2, "second", "first"),
            "HEALPIX": np.zeros(n, np.int64),
            "TARGETID": groups if dependence == "repeats" else np.arange(n),
            "log_snr": conditions[:, 0].astype(np.float32),
            "Z": conditions[:, 1],
            "statistics": pa.FixedSizeListArray.from_arrays(
                statistics.astype(np.float32).ravel(), _REASONS * _PER_REASON
            ),
        }
    )
    return Simulated(scores, is_odd, is_odd & (rng.random(n) < 0.5))


def _draw_noise(rng: np.random.Generator, groups: NDArray, shared: float) -> NDArray:
    """Return Student's t, shape (n, reasons, statistics of each), partly shared within groups."""
    n, n_groups = len(groups), groups.max() + 1
    size = (_REASONS, _PER_REASON)

    def draw(rows: int) -> NDArray:
        factor, own = rng.normal(size=(rows, _REASONS, 1)), rng.normal(size=(rows, *size))
        return np.sqrt(_WITHIN) * factor + np.sqrt(1 - _WITHIN) * own

    gauss = np.sqrt(shared) * draw(n_groups)[groups] + np.sqrt(1 - shared) * draw(n)
    squares = rng.chisquare(_DEGREES, (n_groups if shared else n, _REASONS, 1))
    return gauss / np.sqrt((squares[groups] if shared else squares) / _DEGREES)


def _draw_field(rng: np.random.Generator, conditions: NDArray) -> NDArray:
    """Return a smooth random function of the conditions for each statistic, of variance 1."""
    places = (
        WAIST.conditions[0].scale(conditions[:, 0]),
        WAIST.conditions[1].scale(conditions[:, 1]),
    )
    waves = np.column_stack(places) @ rng.normal(0, 1, (2, _WAVES)) + rng.uniform(0, 6.3, _WAVES)
    weights = rng.normal(size=(_WAVES, _REASONS, _PER_REASON)) * np.sqrt(2 / _WAVES)
    return np.tensordot(np.cos(waves), weights, axes=1)


def _draw_anomalies(rng: np.random.Generator, n: int) -> NDArray:
    """Return what is added to the statistics of each reason, in units of their spread."""
    added = np.zeros((n, _REASONS))
    for row in added:
        if rng.random() < 0.5:
            row[rng.integers(_REASONS)] = rng.uniform(*_STRONG)
        else:
            row[rng.choice(_REASONS, _MANY, replace=False)] = rng.uniform(*_WEAK)
    return added


def judge(survey: Simulated, kind: Kind, rng: np.random.Generator) -> Judged:
    """Calibrate a survey against itself by the pipeline and by its alternatives."""
    null = make_null(survey.scores, kind, _SETTINGS)
    found = compare(survey.scores, null, kind.waist, _SETTINGS)
    n, p_value = len(found.score), found.p_value
    strangest = np.minimum(found.evidence.max(axis=1), _MOST_EVIDENCE)
    log_odds = _ODDS + _ODDS_PER_EVIDENCE * strangest
    log_odds += _ODDS_SCATTER * rng.normal(size=n) + _ODDS_TAUGHT * survey.is_taught
    tail = _SETTINGS.tail_fraction, _SETTINGS.contamination
    joint = join_p_values(p_value, log_odds, (p_value, log_odds), *tail, np.arange(n))
    is_named = log_odds > 0
    findings = np.where(is_named, Finding.NAMED.value, Finding.UNEXPLAINED.value)
    finding_p_value = np.where(is_named, joint, p_value)
    by_list = find_q_values_by_list(finding_p_value, findings)
    alternatives = {
        "plain rank": rank_p_values(found.score),
        "censored exponential": censored_p_values(found.score, *tail),
    }
    return Judged(
        {
            "p_value": p_value,
            "joint_p_value": joint,
            "finding_p_value": finding_p_value,
            "named, else 1": np.where(is_named, joint, 1.0),
            "unexplained, else 1": np.where(is_named, 1.0, p_value),
            **alternatives,
        },
        {
            "one list by p_value": find_q_values(p_value),
            "one list by joint_p_value": find_q_values(joint),
            "two lists": by_list,
            "  named": np.where(is_named, by_list, np.nan),
            "  unexplained": np.where(is_named, np.nan, by_list),
            **{name: find_q_values(p_values) for name, p_values in alternatives.items()},
        },
    )


def rank_p_values(scores: NDArray) -> NDArray[np.float64]:
    """Return the share of the survey that scores at least as high, shape (n,)."""
    ordered = np.sort(scores)
    return 1 - np.searchsorted(ordered, scores, side="left") / len(scores)


def censored_p_values(scores: NDArray, fraction: float, contamination: float) -> NDArray:
    """Return p-values of a counted body and an exponential, fitted with the top censored, (n,)."""
    threshold, ceiling = np.quantile(scores, [1 - fraction, 1 - contamination])
    is_inside = (scores > threshold) & (scores <= ceiling)
    width = (scores > ceiling).sum() * (ceiling - threshold)
    scale = ((scores[is_inside] - threshold).sum() + width) / is_inside.sum()
    tail = fraction * np.exp(-np.maximum(scores - threshold, 0) / scale)
    return np.where(scores > threshold, tail, rank_p_values(scores))


def cut_thirds(
    snr: NDArray, z: NDArray, is_member: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield all members, and those in each third of them by SNR and by redshift, with names."""
    yield "all", is_member
    for name, values in (("SNR", snr), ("z", z)):
        edges = np.quantile(values[is_member], [0, 1 / 3, 2 / 3, 1])
        for place, (low, high) in enumerate(pairwise(edges)):
            is_last = place == 2
            is_here = (values >= low) & ((values <= high) if is_last else (values < high))
            yield f"{name} {('low', 'middle', 'high')[place]}", is_member & is_here


def count_found(q_values: NDArray, is_odd: NDArray, level: float) -> tuple[float, float]:
    """Return the false-discovery proportion at a level, 0 of none, and the recall, NaN of none."""
    is_found = q_values <= level
    false = (is_found & ~is_odd).sum() / max(is_found.sum(), 1)
    recall = (is_found & is_odd).sum() / is_odd.sum() if is_odd.any() else np.nan
    return float(false), float(recall)


def interval(values: NDArray) -> str:
    """Return a mean over surveys with its 95 per cent interval."""
    mean = values.mean()
    error = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{mean:.5f} ± {error:.5f}"


def report_run(store: Root, truth_path: Path | None) -> None:
    """Print the shares of a run's normal candidates, and how often its classes are right."""
    table = load(store, truth_path)
    is_normal = table["family"].is_null().to_numpy()
    print(f"{len(table)} candidates, {np.count_nonzero(~is_normal)} planted")
    parts = dict(cut_thirds(table["snr"].to_numpy(), table["Z"].to_numpy(), is_normal))
    print(f"{'normal, p below':30s}", *(f"{level:>28g}" for level in _LEVELS))
    for name in ("p_value", "joint_p_value", "finding_p_value"):
        for part, members in parts.items():
            p_values = table.filter(members)[name].drop_nulls().to_numpy()
            cells = (binomial(p_values < level) for level in _LEVELS)
            print(f"{name + ', ' + part:30s}", *(f"{cell:>28s}" for cell in cells))
    print(f"{'found, of them normal':30s}", *(f"{level:>28g}" for level in _FDR))
    for finding in Finding:
        listed = table.filter(pl.col("finding") == finding.value)
        found = (listed.filter(pl.col("q_value") <= level) for level in _FDR)
        cells = (f"{len(rows)}, {rows['family'].null_count()}" for rows in found)
        print(f"{finding:30s}", *(f"{cell:>28s}" for cell in cells))
    classified = table.drop_nulls("probability")
    for group, chosen in (
        ("every candidate", pl.lit(True)),
        ("called an anomaly", pl.col("most_probable") != NORMAL),
        ("of taught families", pl.col("is_taught")),
        ("of untaught families", ~pl.col("is_taught")),
    ):
        report_reliability(group, classified.filter(chosen))


def report_reliability(name: str, rows: pl.DataFrame) -> None:
    """Print how often the most probable class is right, by its probability."""
    if rows.is_empty():
        return
    print(f"\n{'most probable class, ' + name:44s} {'n':>6s} {'mean':>6s} {'right':>28s}")
    for low, high in pairwise(_PROBABILITIES):
        is_last = high == _PROBABILITIES[-1]
        here = rows.filter(
            pl.col("probability").is_between(low, high, "both" if is_last else "left")
        )
        if len(here):
            right = binomial((here["most_probable"] == here["true_class"]).to_numpy())
            mean = here["probability"].to_numpy().mean()
            print(
                f"{f'probability {low:g} to {high:g}':44s} {len(here):6d} {mean:6.3f} {right:>28s}"
            )


def load(store: Root, truth_path: Path | None) -> pl.DataFrame:
    """Return the graded candidates of a run with SNR, redshift, p-values, classes and truth.

    `most_probable` is the class of largest `probability`, null where not classified; `family` is
    null for what is normal.
    """
    done = (o.shard for o in store.ledger.outcomes("score") if o.state is ShardState.DONE)
    shards = [read(store, store.lake.shard("scores", shard), ["snr", "Z"]) for shard in done]
    table = pl.concat(shards)
    for name, columns in (
        ("significance", ["p_value"]),
        ("classes", ["joint_p_value", "class_probabilities"]),
        ("tiers", ["finding", "finding_p_value", "q_value"]),
    ):
        table = table.join(read(store, store.lake.table(name), columns), on=_KEY)
    path = truth_path or Path(f"{find_mock(store, load_config(None, []))}-truth.parquet")
    truth = pl.read_parquet(path).select(*_KEY, "family", "is_taught").drop_nulls("family")
    right = pl.col("family").replace_strict(_CLASSES).alias("true_class")
    table = table.join(truth.with_columns(right), on=_KEY, how="left")
    classes = np.array(AnomalyClass.values())
    probabilities = table["class_probabilities"].to_numpy()
    return table.drop("class_probabilities").with_columns(
        pl.col("true_class").fill_null(NORMAL),
        most_probable=classes[np.argmax(np.nan_to_num(probabilities), axis=1)],
        probability=pl.Series(probabilities.max(axis=1)).fill_nan(None),
    )


def read(store: Root, path: Path, columns: list[str]) -> pl.DataFrame:
    """Return the key and some columns of a dataset."""
    rows = pl.from_arrow(store.read(path, [*_KEY, *columns]))
    assert isinstance(rows, pl.DataFrame)
    return rows


def binomial(is_so: NDArray[np.bool_]) -> str:
    """Return a share with its 95 per cent interval (Jeffreys)."""
    n, k = len(is_so), int(is_so.sum())
    low, high = beta.ppf([0.025, 0.975], k + 0.5, n - k + 0.5)
    return f"{k / n:.5f} ({low:.5f} to {high:.5f})"


if __name__ == "__main__":
    main()
