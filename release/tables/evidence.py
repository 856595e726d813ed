"""Evidence of trust in a release: controls graded, planted features found, what the score knows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.kind import Kind
from catalog_schema.statistics import STRANGE_P_VALUE
from catalog_schema.vocabulary import Parent, Tier
from pipeline.judge.science.independence import correlate, measure_leak
from pipeline.lake.store import Store, to_matrix
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.science.shares import find_share_interval
from release.manifest import write_json
from release.tables.writer import write_whole

FOLDER = "validation"
SUMMARY = f"{FOLDER}/summary.json"
# Median signal-to-noise ratio per pixel above which a host counts as bright.
BRIGHT_SNR = 2.0
_SHARES = 5
# So many quasars tell the leak; the neighbours of a million would take an hour.
_LEAK_ROWS = 5000
_LEAST_LEAK_ROWS = 50


def write_evidence(folder: Path, kind: Kind, store: Store, notes: dict[str, str]) -> dict[str, Any]:
    """Publish the tables of the evidence and their summary, which is returned.

    Parameters
    ----------
    folder : Path
        The release; its catalogue is there already.
    kind : Kind
    store : Store
        Reads `controls` and `injections`.
    notes : dict
        Metadata of the files.
    """
    tables = {}
    for path in (contents.CONTROLS, contents.INJECTIONS):
        table = kind.files[path]
        rows = store.read(store.lake.table(table.name))
        rows = rows.sort_by([(name, "ascending") for name in table.key])
        write_whole(folder / path, table, rows, notes)
        tables[table.name] = rows
    summary: dict[str, Any] = {
        "controls": sum_controls(tables["controls"]),
        "injections": sum_injections(tables["injections"]),
    }
    columns = [
        "TARGETID",
        "parent",
        "tier",
        "anomaly_score",
        "p_value",
        "joint_p_value",
        *kind.watched,
    ]
    leaking = [name for name in ("latent", "Z") if name in kind.main_table.names]
    names = dict.fromkeys((*columns, *leaking))
    members = pq.read_table(folder / kind.main_file, columns=list(names))
    summary["independence"] = sum_independence(members, kind.watched)
    summary["redshift_leak"] = sum_leak(members) if len(leaking) == 2 else None
    write_json(folder / SUMMARY, summary)
    return summary


def sum_controls(controls: pa.Table) -> list[dict[str, Any]]:
    """Count the negative controls of each kind, those in a tier, and the improbable ones."""
    flags = {
        "in_tier": pc.not_equal(controls["tier"], Tier.NONE.value),
        "is_low": pc.less(controls["p_value"], STRANGE_P_VALUE),
        "is_low_jointly": pc.less(controls["joint_p_value"], STRANGE_P_VALUE),
    }
    for name, flag in flags.items():
        controls = controls.append_column(name, flag)
    sums = controls.group_by("control").aggregate(
        [([], "count_all"), *((name, "sum") for name in flags)]
    )
    return [
        {
            "control": row["control"],
            "n": row["count_all"],
            "in_tier": row["in_tier_sum"] or 0,
            "share_low": (row["is_low_sum"] or 0) / row["count_all"],
            "share_low_jointly": (row["is_low_jointly_sum"] or 0) / row["count_all"],
        }
        for row in sums.sort_by("control").to_pylist()
    ]


def sum_injections(injections: pa.Table) -> list[dict[str, Any]]:
    """Return the share of features found, by kind and strength, with 95 per cent intervals.

    Found is what has a joint p-value, or, by the score alone, a p-value, as low as that of one
    ordinary member in a hundred.
    """
    kinds = injections["injection"].to_numpy().astype(str)
    planted = injections["planted"].to_numpy()
    is_bright = np.zeros(len(planted), bool)
    if "snr" in injections.column_names:
        is_bright = injections["snr"].to_numpy() > BRIGHT_SNR
    found, by_score = (
        pc.fill_null(pc.less(injections[name], STRANGE_P_VALUE), False).to_numpy()
        for name in ("joint_p_value", "p_value")
    )
    graded = pc.not_equal(injections["tier"], Tier.NONE.value).to_numpy()
    sums = []
    for kind in np.unique(kinds):
        for strength in np.unique(planted):
            mine = (kinds == kind) & (planted == strength)
            if mine.any():
                low, high = find_share_interval(int(found[mine].sum()), int(mine.sum()))
                bright = mine & is_bright
                sums.append(
                    {
                        "injection": str(kind),
                        "planted": float(strength),
                        "n": int(mine.sum()),
                        "found": float(found[mine].mean()),
                        "low": low,
                        "high": high,
                        "found_bright": float(found[bright].mean()) if bright.any() else None,
                        "found_by_score": float(by_score[mine].mean()),
                        "in_tier": float(graded[mine].mean()),
                    }
                )
    return sums


def sum_independence(members: pa.Table, conditions: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return how the score of ungraded core members hangs on each condition.

    With Spearman's correlation comes the share of low p-values in fifths of the condition, and the
    correlation of the joint p-value, the other way round.
    """
    rows = members.filter(
        pc.and_(
            pc.equal(members["parent"], Parent.CORE.value),
            pc.equal(members["tier"], Tier.NONE.value),
        )
    )
    score, low = rows["anomaly_score"].to_numpy(), rows["p_value"].to_numpy() < STRANGE_P_VALUE
    joint = -rows["joint_p_value"].to_numpy(zero_copy_only=False).astype(float)
    sums = []
    for name in conditions:
        condition = rows[name].to_numpy(zero_copy_only=False).astype(float)
        found, of_joint = correlate(score, condition), correlate(joint, condition)
        if found:
            edges = np.nanquantile(condition, np.linspace(0, 1, _SHARES + 1)[1:-1])
            part = np.searchsorted(edges, condition)
            shares = [
                float(low[part == k].mean()) if (part == k).any() else None for k in range(_SHARES)
            ]
            sums.append(
                {
                    "condition": name,
                    "n": found.n,
                    "rho": found.rho,
                    "low": found.low,
                    "high": found.high,
                    "edges": edges.tolist(),
                    "share_low": shares,
                    "rho_joint": of_joint.rho if of_joint else None,
                }
            )
    return sums


def sum_leak(quasars: pa.Table) -> dict[str, Any] | None:
    """Return how well the latent of core quasars tells their redshift; None for too few."""
    rows = quasars.filter(pc.equal(quasars["parent"], Parent.CORE.value))
    draw = hash_to_unit(rows["TARGETID"].to_numpy(), Stream.LEAK)
    rows = rows.take(np.sort(np.argsort(draw, kind="stable")[:_LEAK_ROWS]))
    if rows.num_rows < _LEAST_LEAK_ROWS:
        return None
    leak = measure_leak(to_matrix(rows["latent"]).astype(float), rows["Z"].to_numpy())
    return {
        "n": rows.num_rows,
        "sigma": leak.sigma,
        "outliers": leak.outliers,
        "no_skill": leak.no_skill,
        "importance": leak.importance.tolist(),
    }
