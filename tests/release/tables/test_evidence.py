"""The summary of the evidence says what its tables say."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from catalog_schema.kinds import SPECTRA
from release.tables.evidence import (
    SUMMARY,
    sum_controls,
    sum_independence,
    sum_injections,
    sum_leak,
)


def test_controls_by_kind() -> None:
    rows = pa.table(
        {
            "control": ["sky", "sky", "star", "sky"],
            "tier": ["none", "gold", "silver", "none"],
            "p_value": [0.5, 0.001, 0.02, 0.0099],
            "joint_p_value": [0.5, 0.001, None, 0.02],
        }
    )
    assert sum_controls(rows) == [
        {
            "control": "sky",
            "n": 3,
            "in_tier": 1,
            "share_low": pytest.approx(2 / 3),
            "share_low_jointly": pytest.approx(1 / 3),
        },
        {"control": "star", "n": 1, "in_tier": 1, "share_low": 0.0, "share_low_jointly": 0.0},
    ]
    assert sum_controls(rows.slice(0, 0)) == []


def test_injections_by_kind_and_strength() -> None:
    rows = pa.table(
        {
            "injection": ["a", "a", "a", "b"],
            "planted": [5.0, 5.0, 10.0, 5.0],
            "snr": [1.0, 3.0, 3.0, 1.0],
            "p_value": [0.5, 0.5, 0.001, 0.001],
            "joint_p_value": [0.001, 0.5, 0.009, None],
            "tier": ["none", "none", "gold", "none"],
        }
    )
    found = {(row["injection"], row["planted"]): row for row in sum_injections(rows)}
    assert {key: row["found"] for key, row in found.items()} == {
        ("a", 5.0): 0.5,
        ("a", 10.0): 1.0,
        ("b", 5.0): 0.0,
    }
    assert found["a", 5.0]["found_bright"] == 0.0
    assert found["b", 5.0]["found_bright"] is None
    assert (found["a", 10.0]["in_tier"], found["a", 5.0]["in_tier"]) == (1.0, 0.0)
    assert (found["b", 5.0]["found_by_score"], found["a", 5.0]["found_by_score"]) == (1.0, 0.0)
    interval = binomtest(1, 2).proportion_ci(method="wilson")
    assert (found["a", 5.0]["low"], found["a", 5.0]["high"]) == (interval.low, interval.high)


def make_quasars(n: int) -> pa.Table:
    rng = np.random.default_rng(0)
    snr = rng.uniform(0.5, 5, n)
    latent = pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=3 * n), pa.float32()), 3)
    return pa.table(
        {
            "TARGETID": np.arange(n),
            "parent": ["core"] * n,
            "tier": ["none"] * (n - 1) + ["gold"],
            "anomaly_score": snr,
            "p_value": np.where(snr > 4.4, 0.001, 0.5),
            "latent": latent,
            "joint_p_value": pa.array(snr / 5, mask=snr < 1),
            "snr": snr,
            "Z": rng.uniform(0, 3, n),
            "EBV": np.full(n, 0.1),
            "COADD_EXPTIME": pa.array([None] * n, pa.float32()),
            "MEAN_MJD": rng.normal(size=n),
        }
    )


def test_independence_by_condition() -> None:
    found = {row["condition"]: row for row in sum_independence(make_quasars(400), SPECTRA.watched)}
    # A condition that is the same or unknown everywhere cannot be told.
    assert list(found) == ["snr", "Z", "MEAN_MJD"]
    assert found["snr"]["rho"] == pytest.approx(1)
    assert found["snr"]["n"] == 399
    assert found["snr"]["rho_joint"] == pytest.approx(-1)
    assert found["snr"]["share_low"][:4] == [0, 0, 0, 0]
    assert found["snr"]["share_low"][4] > 0.5
    assert found["Z"]["low"] < 0 < found["Z"]["high"]
    assert sum_independence(make_quasars(3), SPECTRA.watched) == []


def test_leak_needs_enough_quasars() -> None:
    assert sum_leak(make_quasars(20)) is None
    leak = sum_leak(make_quasars(400))
    assert leak is not None
    assert leak["n"] == 400
    assert leak["sigma"] > 0.8 * leak["no_skill"]
    assert len(leak["importance"]) == 3


def test_release_tells_it(released: Path) -> None:
    summary = json.loads((released / SUMMARY).read_text())
    text = (released / "README.md").read_text()
    for row in summary["controls"]:
        assert f"| {row['control']} | {row['n']} | {row['in_tier']} |" in text
    assert all(f"| {row['injection']} | " in text for row in summary["injections"])
    assert all(f"| `{row['condition']}` | " in text for row in summary["independence"])
