"""Rows of a toy kind in memory: points with statistics and a measurement."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from toy_points import MAGNITUDE, OWN, POINTS, SCORED, WAIST

from catalog_schema.back_half import make_tables
from catalog_schema.columns import evidence, sample
from catalog_schema.kind import Kind
from catalog_schema.measurements import Measurement
from catalog_schema.statistics import Statistic
from catalog_schema.waist import KEY
from pipeline.judge.survey import Survey
from pipeline.lake.store import columns_to_table

# One of each sort: as strange below as above, only above, and above in the logarithm.
STATISTICS = (
    Statistic("colour", "colour", two_sided=True),
    Statistic("size", "size"),
    Statistic("ratio", "size", is_ratio=True),
)


def make_kind() -> Kind:
    """Return the toy kind with three sorts of statistics and with examples of two kinds."""
    waist = replace(
        WAIST,
        statistics=STATISTICS,
        measurements=(Measurement("wobble", "How much the point wobbles."),),
        examples={"normal": "normal", "blot": "artefact", "smear": "artefact"},
    )
    scored = waist.make_table("scores", "Their statistics.", KEY, SCORED)
    measured = waist.make_table(
        "measurements", "Their wobble.", KEY, (sample.parent, sample.control, *evidence.MEASURED)
    )
    targets = waist.make_table("targets", "Points.", KEY, OWN)
    return Kind(POINTS.name, POINTS.main, waist, (targets, scored, measured, *make_tables(waist)))


def make_keys(n: int, first: int = 0) -> dict[str, Any]:
    """Return the keys of n points in two shards."""
    return {
        "SURVEY": ["toy"] * n,
        "PROGRAM": ["points"] * n,
        "HEALPIX": np.arange(n) % 2,
        "TARGETID": np.arange(first, first + n),
    }


def make_scores(kind: Kind, statistics: np.ndarray, magnitude: np.ndarray) -> pa.Table:
    """Return rows of `scores`, all of the core sample."""
    n = len(statistics)
    columns = {
        **make_keys(n),
        "parent": ["core"] * n,
        "control": pa.nulls(n, pa.string()),
        MAGNITUDE.name: magnitude,
        "statistics": statistics.astype(np.float32),
        "model_id": ["m"] * n,
    }
    return columns_to_table(kind["scores"], columns)


def draw_scores(kind: Kind, seed: int = 0, n: int = 300) -> pa.Table:
    """Return rows of `scores` that scatter more where the points are faint."""
    rng = np.random.default_rng(seed)
    magnitude = rng.uniform(18, 22, n)
    spread = np.exp(magnitude - 20)[:, None]
    values = rng.normal(size=(n, 3)) * spread
    values[:, 2] = np.exp(values[:, 2] / 10)
    return make_scores(kind, values, magnitude)


def make_survey(kind: Kind, seed: int = 0, n: int = 60, n_controls: int = 5) -> Survey:
    """Return points of which the last are controls, with significance and a measurement."""
    rng = np.random.default_rng(seed)
    scores = draw_scores(kind, seed, n)
    parent = np.where(np.arange(n) < n - n_controls, "core", "control")
    parent[: n - n_controls : 4] = "extended"
    field = scores.schema.field("parent")
    scores = scores.set_column(scores.column_names.index("parent"), field, pa.array(parent))
    value = np.where(rng.random((n, 1)) < 0.3, np.nan, rng.normal(size=(n, 1)))
    keys = {name: scores[name] for name in (*make_keys(0), "parent", "control")}
    measured = columns_to_table(
        kind["measurements"],
        keys
        | {
            "measured": value.astype(np.float32),
            "measured_error": np.full((n, 1), 0.5, np.float32),
            "measured_wave": np.full((n, 1), np.nan, np.float32),
        },
    )
    m = n - n_controls
    significance = columns_to_table(
        kind["significance"],
        {
            **{name: scores[name].slice(0, m) for name in make_keys(0)},
            "anomaly_score": rng.normal(size=m),
            "p_value": (p_value := rng.random(m)),
            "p_value_low": 0.9 * p_value,
            "p_value_high": np.minimum(1.1 * p_value, 1),
            "score_rank": np.arange(1, m + 1),
            "score_rank_low": pa.nulls(m, pa.int32()),
            "score_rank_high": pa.nulls(m, pa.int32()),
            "reason": ["size"] * m,
            "departures": np.zeros((m, 3), np.float32),
        },
    )
    is_ordinary = (parent[:m] == "core") & (rng.random(m) < 0.8)
    return Survey(kind.waist, scores, measured, significance, is_ordinary)
