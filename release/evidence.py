"""Evidence of trust in a release: how controls were graded, which planted features were found."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import binomtest

from catalog_schema.tables import CONTROLS, INJECTIONS
from catalog_schema.vocabulary import Tier
from pipeline.store import Store
from release.manifest import write_json
from release.tables import measure_strings, write_table

FOLDER = "validation"
SUMMARY = f"{FOLDER}/summary.json"
# A feature counts as found where fewer normal spectra than this score as high.
FOUND_BELOW = 0.01
# Median signal-to-noise ratio per pixel above which a host counts as bright.
BRIGHT_SNR = 2.0


def write_evidence(folder: Path, store: Store, notes: dict[str, str]) -> dict[str, Any]:
    """Publish the tables of the evidence and their summary, which is returned."""
    tables = {}
    for table in (CONTROLS, INJECTIONS):
        rows = store.read(store.lake.table(table.name))
        rows = rows.sort_by([(name, "ascending") for name in table.key])
        path = folder / FOLDER / f"{table.name}.parquet"
        write_table(path, table, [rows], notes, measure_strings(rows, table))
        tables[table.name] = rows
    summary = {
        "controls": sum_controls(tables[CONTROLS.name]),
        "injections": sum_injections(tables[INJECTIONS.name]),
    }
    write_json(folder / SUMMARY, summary)
    return summary


def sum_controls(controls: pa.Table) -> list[dict[str, Any]]:
    """Count the negative controls of each kind and those that reach a tier."""
    graded = controls.append_column("in_tier", pc.not_equal(controls["tier"], Tier.NONE.value))
    low = graded.append_column("is_low", pc.less(controls["p_value"], FOUND_BELOW))
    sums = low.group_by("control").aggregate(
        [([], "count_all"), ("in_tier", "sum"), ("is_low", "sum")]
    )
    return [
        {"control": row["control"], "n": row["count_all"], "in_tier": row["in_tier_sum"] or 0,
         "share_low": (row["is_low_sum"] or 0) / row["count_all"]}
        for row in sums.sort_by("control").to_pylist()
    ]  # fmt: skip


def sum_injections(injections: pa.Table) -> list[dict[str, Any]]:
    """Return the share of features found, by kind and strength, with 95 per cent intervals."""
    kinds = injections["injection"].to_numpy().astype(str)
    planted, snr = injections["planted"].to_numpy(), injections["snr"].to_numpy()
    found = injections["p_value"].to_numpy() < FOUND_BELOW
    sums = []
    for kind in np.unique(kinds):
        for strength in np.unique(planted):
            mine = (kinds == kind) & (planted == strength)
            if mine.any():
                interval = binomtest(int(found[mine].sum()), int(mine.sum())).proportion_ci(
                    method="wilson"
                )
                bright = mine & (snr > BRIGHT_SNR)
                sums.append({
                    "injection": str(kind), "planted": float(strength), "n": int(mine.sum()),
                    "found": float(found[mine].mean()),
                    "low": float(interval.low), "high": float(interval.high),
                    "found_bright": float(found[bright].mean()) if bright.any() else None,
                })  # fmt: skip
    return sums
