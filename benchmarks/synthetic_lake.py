"""Writes a lake of the size of a survey, with every dataset that a release reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from cdshealpix.nested import healpix_to_lonlat
from numpy.typing import NDArray

from catalog_schema import tables as t
from catalog_schema.column import Column, Table
from catalog_schema.desi import FINE_ORDER, HEALPIX_ORDER, SAMPLING
from catalog_schema.vocabulary import (
    AnomalyClass,
    ClassState,
    Finding,
    MatchState,
    ShardState,
    Tier,
)
from catalog_schema.waist import NORMAL, UNKNOWN
from pipeline.config import Config
from pipeline.context.catalogues.declared import resolve_catalogues
from pipeline.flow.root import Root
from pipeline.lake.layout import Shard
from pipeline.lake.model_files import write_card
from pipeline.lake.store import Store, columns_to_table
from pipeline.ledger.books import Outcome
from pipeline.spectra.data_path import SPECTRA
from pipeline.spectra.model.models import NORMS, NULL, TAXONOMY
from pipeline.spectra.sampled import attach_sampling
from release.checks.consistency import adjust

SIZES = {"wave": SAMPLING.grid.size, "window": 30, "latent": 16, "seed_statistic": 4}
_MODEL = "synthetic"
_FIRST_TARGETID = 39_627_000_000_000_000
_MATCHED = 0.2
Columns = dict[str, Any]


def write_lake(root: Path, n_shards: int, n_rows: int, n_graded: int, config: Config) -> Store:
    """Write a lake of equal shards, each a pixel of its own.

    Parameters
    ----------
    root : Path
    n_shards, n_rows, n_graded : int
        Shards, rows of each, and objects that the p-values put into a tier.
    config : Config
        Its levels grade, its catalogues are those that the objects are matched with.
    """
    rng, store = np.random.default_rng(8), Root(root)
    n = n_shards * n_rows
    pixel = np.repeat(np.arange(n_shards), n_rows)
    depth = FINE_ORDER - HEALPIX_ORDER
    inside = (pixel.astype(np.int64) << 2 * depth) + rng.integers(0, 4**depth, n)
    ra, dec = healpix_to_lonlat(inside.astype(np.uint64), FINE_ORDER)
    columns: Columns = {
        "SURVEY": np.full(n, "main"),
        "PROGRAM": np.full(n, "dark"),
        "HEALPIX": pixel,
        "TARGETID": _FIRST_TARGETID + np.arange(n),
        "TARGET_RA": ra.deg,
        "TARGET_DEC": dec.deg,
        "parent": np.full(n, "core"),
        "model_id": np.full(n, _MODEL),
        **(classes := _classify(rng, n)),
        **_grade(rng, classes["anomaly_class"], n_graded, config),
    }
    for table in (t.SIGNIFICANCE, t.TIERS):
        write_rows(store.lake.table(table.name), table, columns, rng)
    write_rows(store.lake.table("classes"), t.CLASSES, columns, rng)
    graded = _take(columns, columns["tier"] != Tier.NONE.value)
    told = graded | {"feature": np.full(len(graded["tier"]), "bi_civ")}
    write_rows(store.lake.table("evidence"), t.EVIDENCE, told, rng)
    for number in range(n_shards):
        rows = slice(number * n_rows, (number + 1) * n_rows)
        _write_shard(store, Shard("main", "dark", number), _take(columns, rows), rng)
    for name in resolve_catalogues(config.crossmatch):
        _write_matches(store, name, columns, rng)
    few = _take(columns, slice(0, 1000))
    write_rows(store.lake.table("controls"), t.CONTROLS, few, rng)
    write_rows(store.lake.table("injections"), t.INJECTIONS, few, rng)
    model = store.lake.model(_MODEL)
    for path, table in ((NULL, t.NULL), (NORMS, t.NORMS), (TAXONOMY, t.TAXONOMY)):
        write_rows(model / path, table, few, rng)
    for name in ("weights-0.safetensors", "reference.safetensors"):
        (model / name).write_text("{}")
    write_card(model, {"id": _MODEL})
    with store.ledger.closing() as ledger:
        ledger.record(
            Outcome(Shard("main", "dark", number), stage, ShardState.DONE, n_rows, n_rows)
            for number in range(n_shards)
            for stage in SPECTRA.conserved
        )
    return store


def _grade(rng: np.random.Generator, classes: NDArray, n_graded: int, config: Config) -> Columns:
    n = len(classes)
    p_value = rng.uniform(0, 1, n)
    p_value[rng.choice(n, n_graded, replace=False)] = 10 ** -rng.uniform(9, 12, n_graded)
    is_plain = np.isin(classes, [NORMAL, UNKNOWN])
    of_plain, of_named = (adjust(np.where(is_plain == on, p_value, 1)) for on in (True, False))
    q_value = np.where(is_plain, of_plain, of_named)
    tier = np.full(n, Tier.NONE.value, dtype=object)
    for grade in (Tier.BRONZE, Tier.SILVER, Tier.GOLD):
        tier[q_value <= getattr(config.grade, grade)] = grade.value
    is_graded_normal = (classes == NORMAL) & (tier != Tier.NONE.value)
    score = -np.log(p_value)
    return {
        "anomaly_class": np.where(is_graded_normal, UNKNOWN, classes),
        "anomaly_score": score,
        "p_value": p_value,
        "p_value_low": 0.9 * p_value,
        "p_value_high": np.minimum(1.1 * p_value, 1),
        "joint_p_value": p_value,
        "finding": np.where(is_plain, Finding.UNEXPLAINED, Finding.NAMED),
        "finding_p_value": p_value,
        "q_value": q_value,
        "tier": tier,
    }


def _classify(rng: np.random.Generator, n: int) -> Columns:
    """Return the most probable classes of random probabilities; none is an artefact."""
    names = AnomalyClass.values()
    odds = rng.random((n, len(names)), dtype=np.float32)
    odds[:, names.index(AnomalyClass.ARTEFACT)] = 0
    return {
        "class_state": np.full(n, ClassState.CLASSIFIED.value),
        "anomaly_class": np.array(names)[odds.argmax(axis=1)],
        "class_probabilities": odds / odds.sum(axis=1, keepdims=True),
        "artefact_kind": np.full(n, None),
    }


def _write_shard(store: Store, shard: Shard, columns: Columns, rng: np.random.Generator) -> None:
    for name, table in (("targets", t.TARGETS), ("scores", t.SCORES), ("restframe", t.RESTFRAME)):
        write_rows(store.lake.shard(name, shard), table, columns, rng)
    graded = _take(columns, columns["tier"] != Tier.NONE.value)
    # A release reads the spectra of the graded objects only.
    for name, table in (("coadds", t.COADDS), ("reconstructions", t.RECONSTRUCTIONS)):
        write_rows(store.lake.shard(name, shard), table, graded, rng)


def _write_matches(store: Store, name: str, columns: Columns, rng: np.random.Generator) -> None:
    n = len(columns["TARGETID"])
    is_matched = rng.uniform(size=n) < _MATCHED
    pairs = columns | {
        "catalogue": np.full(n, name),
        "match_rank": np.ones(n, np.int32),
        "match_state": np.where(is_matched, MatchState.MATCHED, MatchState.NO_MATCH),
        "match_id": np.where(is_matched, np.arange(n).astype(str), None),
        "attributes": np.where(is_matched, '{"magnitude": 19.5}', None),
        "service_error": np.full(n, None),
    }
    write_rows(store.lake.catalogue("matches", name), t.MATCHES, pairs, rng)
    row = {"catalogue": np.array([name])}
    write_rows(store.lake.catalogue("catalogues", name), t.CATALOGUES, row, rng)


def write_rows(
    path: Path, table: Table, known: Columns, rng: np.random.Generator, **sizes: int
) -> None:
    """Write a dataset: the columns that are known, all others of random values.

    Parameters
    ----------
    path : Path
    table : Table
    known : dict
        Columns by name, at least one.
    rng : numpy.random.Generator
    **sizes : int
        Of arrays that the schema leaves open, where they are not those of `SIZES`.
    """
    sizes = SIZES | sizes
    n = len(next(iter(known.values())))
    values = {
        c.name: known[c.name] if c.name in known else _draw(c, n, rng, sizes) for c in table.columns
    }
    data = columns_to_table(table, values, **sizes)
    if any(column.array == "wave" for column in table.columns):
        data = attach_sampling(data, SAMPLING)
    Root(path.parent).write(path, data, table, fingerprint="f", n_expected=n, n_made=n)


def _draw(column: Column, n: int, rng: np.random.Generator, sizes: dict[str, int]) -> Any:
    size: Any = n
    if column.array is not None:
        size = (n, column.size or sizes[column.array])
    if column.vocabulary:
        words = np.array(column.vocabulary, dtype=object)
        return words[rng.integers(0, len(words), n)]
    if pa.types.is_string(column.type):
        return np.full(n, column.name)
    low, high = column.bounds or (0, 1)
    drawn = rng.random(size, dtype=np.float32) * (min(high, 100) - low) + low
    return drawn.astype(column.type.to_pandas_dtype())


def _take(columns: Columns, rows: Any) -> Columns:
    return {name: values[rows] for name, values in columns.items()}
