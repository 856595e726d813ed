"""A small lake, written through the store from the schema."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from catalog_schema import tables as t
from catalog_schema.column import Column, Table
from catalog_schema.desi import SAMPLING
from catalog_schema.kinds import SPECTRA
from catalog_schema.vocabulary import (
    AnomalyClass,
    ArtefactKind,
    ChangeState,
    ClassState,
    Finding,
    ShardState,
    Tier,
)
from catalog_schema.waist import SHARD_KEY
from pipeline.config import Config, load_config
from pipeline.context.catalogues.declared import resolve_catalogues
from pipeline.flow.root import Root
from pipeline.lake.layout import Shard
from pipeline.lake.model_files import write_card
from pipeline.lake.store import Store, columns_to_table
from pipeline.ledger.books import Ledger, Outcome
from pipeline.spectra.model.models import NORMS, NULL, TAXONOMY, TRAITS
from pipeline.spectra.sampled import attach_sampling

MODEL_ID = "abc123"
LEVELS = Config().grade
SIZES = {"wave": SAMPLING.grid.size, "window": 30, "latent": 5, "seed_statistic": 4}
DARK, EAST, REPEAT = (
    Shard("main", "dark", 100),
    Shard("main", "dark", 101),
    Shard("sv3", "dark", 100),
)
# Shards with earlier spectra, one of each object.
COMPARED = (DARK, REPEAT)
FAILED = Shard("main", "bright", 7)
# Negative controls in each shard: scored, neither graded nor published.
N_CONTROLS = 2
# Objects of DARK that were observed again in REPEAT: one longer, one shorter, one equally long.
LONGER, SHORTER, EQUAL = 39_000_000_000_000_000, 39_000_000_000_000_001, 39_000_000_000_000_002


@dataclass
class Plan:
    """What the lake holds; tests change it before it is written."""

    seed: int = 1
    rows: dict[Shard, int] = field(default_factory=lambda: {DARK: 24, EAST: 24, REPEAT: 12})
    failed: tuple[Shard, ...] = ()
    outcomes: Callable[[list[Outcome]], list[Outcome]] = lambda outcomes: outcomes


def write_lake(root: Path, plan: Plan | None = None) -> Store:
    """Write every dataset that a release reads."""
    plan = plan or Plan()
    store, rng = Root(root), np.random.default_rng(plan.seed)
    keys = {shard: _keys(shard, n, place) for place, (shard, n) in enumerate(plan.rows.items())}
    together = {name: np.concatenate([k[name] for k in keys.values()]) for name in keys[DARK]}
    exposure = _exposures(together, rng)
    classes = _classify(len(exposure), rng)
    tiers = _grade(classes["anomaly_class"], rng)
    for table in (t.SIGNIFICANCE, t.TIERS):
        _write(store, store.lake.table(table.name), table, together, rng, **tiers)
    # Of what is graded nothing is called normal.
    is_unknown = (classes["anomaly_class"] == "normal") & (tiers["tier"] != Tier.NONE.value)
    classes["anomaly_class"][is_unknown] = AnomalyClass.UNKNOWN.value
    classes["joint_p_value"] = tiers["joint_p_value"]
    _write(store, store.lake.table("classes"), t.CLASSES, together, rng, **classes)
    told = {**together, "feature": np.full(len(exposure), "bi_civ")}
    _write(store, store.lake.table("evidence"), t.EVIDENCE, told, rng)
    for shard, key in keys.items():
        here = (together["SURVEY"] == shard.survey) & (together["HEALPIX"] == shard.healpix)
        _write_shard(store, shard, key, exposure[here], tiers["tier"][here], rng)
    shards = {name: np.array([getattr(s, name.lower()) for s in keys]) for name in SHARD_KEY}
    names = [f"spectro/redux/iron/healpix/{shard}.fits" for shard in keys]
    _write(store, store.lake.table("files"), t.FILES, shards, rng, file_name=names)
    # Those of the default settings too, which look at the mock survey's own catalogues.
    for name in resolve_catalogues(load_config().crossmatch):
        row = {"catalogue": np.array([name])}
        _write(store, store.lake.catalogue("catalogues", name), t.CATALOGUES, row, rng)
        pairs = {**together, "catalogue": np.full(len(exposure), name)}
        pairs["match_rank"] = np.ones(len(exposure), np.int32)
        _write(store, store.lake.catalogue("matches", name), t.MATCHES, pairs, rng)
    model = store.lake.model(MODEL_ID)
    beside = {NULL: t.NULL, NORMS: t.NORMS, TAXONOMY: t.TAXONOMY, TRAITS: t.TRAITS}
    for path, table in beside.items():
        _write(store, model / path, table, keys[EAST], rng)
    (model / "reference.safetensors").write_bytes(rng.bytes(100))
    lent = _draw_controls(keys[EAST])
    for name, table, facts in (
        ("controls", t.CONTROLS, {"control": ["sky"] * N_CONTROLS}),
        ("injections", t.INJECTIONS, {"injection": ["narrow_emission"] * N_CONTROLS}),
    ):
        _write(store, store.lake.table(name), table, lent, rng, **facts)
    (model / "weights-0.safetensors").write_bytes(rng.bytes(1000))
    write_card(model, {"id": MODEL_ID, "latent": 5})
    with Ledger(store.lake.ledger).closing() as ledger:
        ledger.record(plan.outcomes(_outcomes(plan, root)))
    return store


def _keys(shard: Shard, n_rows: int, place: int) -> dict[str, Any]:
    first = 0 if shard == REPEAT else 1000 * place
    ids = LONGER + first + np.arange(n_rows)
    ids[3:] += 500 * (shard == REPEAT)
    return {
        "SURVEY": np.full(n_rows, shard.survey),
        "PROGRAM": np.full(n_rows, shard.program),
        "HEALPIX": np.full(n_rows, shard.healpix),
        "TARGETID": ids[::-1],
    }


def _draw_controls(key: dict[str, Any]) -> dict[str, Any]:
    controls = {name: values[:N_CONTROLS] for name, values in key.items()}
    return {**controls, "TARGETID": controls["TARGETID"] + 10**6}


def _exposures(keys: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    exposure = rng.uniform(1000, 2000, len(keys["TARGETID"]))
    again = keys["SURVEY"] == "sv3"
    for targetid, first, second in ((LONGER, 1000, 3000), (SHORTER, 1000, 500), (EQUAL, 9, 9)):
        exposure[(keys["TARGETID"] == targetid) & ~again] = first
        exposure[(keys["TARGETID"] == targetid) & again] = second
    return exposure


def _grade(anomaly_class: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    n_rows = len(anomaly_class)
    p_value = rng.uniform(0, 1, n_rows)
    p_value[5::9] = 10.0 ** -rng.uniform(2.5, 5, len(p_value[5::9]))
    joint = np.where(_is_classified(n_rows), p_value * rng.uniform(0.5, 1, n_rows), np.nan)
    is_plain = np.isin(anomaly_class.astype(str), ["normal", "unknown", "None"])
    finding = np.where(is_plain, Finding.UNEXPLAINED.value, Finding.NAMED.value).astype(object)
    finding_p_value = np.where(np.isnan(joint), np.nan, np.where(is_plain, p_value, joint))
    q_value = np.full(n_rows, np.nan)
    is_listed = ~np.isnan(joint)
    for each in Finding:
        is_here = is_listed & (finding == each.value)
        of_all = adjust(np.where(is_here, finding_p_value, 1.0)[is_listed])
        q_value[is_here] = of_all[is_here[is_listed]]
    finding[~is_listed] = None
    tier = np.full(n_rows, Tier.NONE.value, dtype=object)
    for grade in (Tier.BRONZE, Tier.SILVER, Tier.GOLD):
        tier[q_value <= getattr(LEVELS, grade)] = grade.value
    return {
        "anomaly_score": -np.log(p_value),
        "p_value": p_value,
        "p_value_low": 0.9 * p_value,
        "p_value_high": np.minimum(1.1 * p_value, 1),
        "joint_p_value": joint,
        "finding": finding,
        "finding_p_value": finding_p_value,
        "q_value": q_value,
        "tier": tier,
    }


def _is_classified(n_rows: int) -> np.ndarray:
    return np.arange(n_rows) % 5 != 0


def _classify(n_rows: int, rng: np.random.Generator) -> dict[str, Any]:
    names = SPECTRA.waist.classes.values()
    odds = rng.uniform(0, 1, (n_rows, len(names)))
    odds[::2, names.index(AnomalyClass.NORMAL)] += 1
    probability = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    name = np.array(names)[probability.argmax(axis=1)]
    is_classified = _is_classified(n_rows)
    fault = np.where(name == AnomalyClass.ARTEFACT, ArtefactKind.FRINGES.value, None)
    probability[~is_classified] = np.nan
    return {
        "class_state": np.where(is_classified, ClassState.CLASSIFIED, ClassState.NO_SIGNAL),
        "anomaly_class": np.where(is_classified, name, None),
        "class_probabilities": probability,
        "artefact_probability": np.where(is_classified, 0.25, np.nan),
        "artefact_kind": np.where(is_classified, fault, None),
    }


def adjust(p_value: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg by its definition: the smallest level at which a row is in the list."""
    order = np.argsort(p_value)
    n_rows = len(p_value)
    level = p_value[order] * n_rows / np.arange(1, n_rows + 1)
    q_value = np.empty(n_rows)
    q_value[order] = [level[place:].min() for place in range(n_rows)]
    return q_value


def _write_shard(
    store: Store,
    shard: Shard,
    key: dict[str, Any],
    exposure: np.ndarray,
    tier: np.ndarray,
    rng: np.random.Generator,
) -> None:
    controls = _draw_controls(key)
    scored = {name: np.concatenate([key[name], controls[name]]) for name in key}
    n, n_controls = len(tier), len(controls["TARGETID"])
    sample = {
        "parent": ["core"] * (n - 2) + ["extended"] * 2 + ["control"] * n_controls,
        "control": [None] * n + ["sky"] * n_controls,
        "COADD_EXPTIME": np.concatenate([exposure, np.full(n_controls, 9999.0)]),
    }
    for name, table in (
        ("targets", t.TARGETS),
        ("coadds", t.COADDS),
        ("restframe", t.RESTFRAME),
        ("scores", t.SCORES),
    ):
        _write(store, store.lake.shard(name, shard), table, scored, rng, **sample)
    if shard in COMPARED:
        _write(store, store.lake.shard("changes", shard), t.CHANGES, key, rng, **_compare(n))
    chosen = (tier != Tier.NONE.value) | (np.arange(n) % 11 == 0)
    if shard == REPEAT:
        chosen = tier != Tier.NONE.value
    published = {name: values[chosen] for name, values in key.items()}
    _write(store, store.lake.shard("reconstructions", shard), t.RECONSTRUCTIONS, published, rng)


def _compare(n_rows: int) -> dict[str, Any]:
    """Earlier spectra of which every third shows H-beta vanish, and every fifth is missing."""
    number = np.arange(n_rows)
    is_missing = number % 5 == 0
    has_changed = (number % 3 == 0) & ~is_missing
    told = {c.name: [None] * n_rows for c in t.CHANGES.columns if c.nullable}
    values = {
        "flux_scale": np.ones(n_rows),
        "flux_scale_error": np.full(n_rows, 0.15),
        "scale_source": np.full(n_rows, "assumed"),
        "changed_line": np.full(n_rows, "hbeta"),
        "hbeta_flux": np.where(has_changed, 1.0, 10.0),
        "hbeta_flux_error": np.ones(n_rows),
        "hbeta_earlier_flux": np.full(n_rows, 10.0),
        "hbeta_earlier_flux_error": np.ones(n_rows),
        "hbeta_change": np.where(has_changed, -4.5, 0.0),
        "line_change": np.where(has_changed, -4.5, 0.0),
    }
    told |= {name: pa.array(column, mask=is_missing) for name, column in values.items()}
    state = np.where(is_missing, ChangeState.FILE_MISSING, ChangeState.MEASURED)
    return {**told, "change_state": state, "has_changed": has_changed}


def _write(
    store: Store,
    path: Path,
    table: Table,
    key: dict[str, Any],
    rng: np.random.Generator,
    **columns: Any,
) -> None:
    n_rows = len(next(iter(key.values())))
    known = {"model_id": np.full(n_rows, MODEL_ID), **key, **columns}
    values = {c.name: known.get(c.name, _invent(c, n_rows, rng)) for c in table.columns}
    data = columns_to_table(table, values, **SIZES)
    if any(column.array == "wave" for column in table.columns):
        data = attach_sampling(data, SAMPLING)
    store.write(path, data, table, fingerprint="f", n_expected=n_rows, n_made=n_rows)


def _invent(column: Column, n_rows: int, rng: np.random.Generator) -> Any:
    size = n_rows if column.array is None else (n_rows, column.size or SIZES[column.array])
    if column.vocabulary:
        return rng.choice(column.vocabulary, size)
    if pa.types.is_string(column.type):
        return [None if column.nullable and n == 2 else f"{column.name}-{n}" for n in range(n_rows)]
    if pa.types.is_boolean(column.type):
        return rng.integers(0, 2, size).astype(bool)
    low, high = column.bounds or (0, 1)
    drawn = rng.uniform(low, min(high, 100), size)
    return drawn.astype(column.type.to_pandas_dtype())


def _outcomes(plan: Plan, root: Path) -> list[Outcome]:
    done = [step for shard, n_rows in plan.rows.items() for step in _steps(shard, n_rows)]
    error = f"DataError: {root}/mock/coadd.fits: truncated"
    for shard in plan.failed:
        target, adopt, acquire, extract, *_ = _steps(shard, 6)
        lost = Outcome(shard, "extract", ShardState.FAILED, extract.n_expected, error=error)
        done += [target, adopt, acquire, lost]
    return done


def _steps(shard: Shard, n_quasars: int) -> list[Outcome]:
    n = n_quasars + N_CONTROLS
    return [
        Outcome(shard, "target", ShardState.DONE, n + 9, n + 4, {"not_quasar": 5}),
        Outcome(shard, "adopt", ShardState.DONE, n + 4, n + 3, {"not_confirmed": 1}),
        Outcome(shard, "acquire", ShardState.DONE, n + 3, n + 3),
        Outcome(shard, "extract", ShardState.DONE, n + 3, n + 2, {"no_data": 1}),
        Outcome(shard, "preprocess", ShardState.DONE, n + 2, n, {"low_coverage": 2}),
        Outcome(shard, "score", ShardState.DONE, n, n),
        *(
            [Outcome(shard, "earlier", ShardState.DONE, n_quasars, n_quasars)]
            if shard in COMPARED
            else []
        ),
    ]
