"""The summary of the evidence says what its tables say."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from scipy.stats import binomtest

from release.evidence import SUMMARY, sum_controls, sum_injections


def test_controls_by_kind() -> None:
    rows = pa.table({
        "control": ["sky", "sky", "star", "sky"],
        "tier": ["none", "gold", "silver", "none"],
        "p_value": [0.5, 0.001, 0.02, 0.0099],
    })  # fmt: skip
    assert sum_controls(rows) == [
        {"control": "sky", "n": 3, "in_tier": 1, "share_low": pytest.approx(2 / 3)},
        {"control": "star", "n": 1, "in_tier": 1, "share_low": 0.0},
    ]
    assert sum_controls(rows.slice(0, 0)) == []


def test_injections_by_kind_and_strength() -> None:
    rows = pa.table({
        "injection": ["a", "a", "a", "b"], "planted": [5.0, 5.0, 10.0, 5.0],
        "snr": [1.0, 3.0, 3.0, 1.0], "p_value": [0.001, 0.5, 0.009, 0.01],
    })  # fmt: skip
    found = {(row["injection"], row["planted"]): row for row in sum_injections(rows)}
    assert {key: row["found"] for key, row in found.items()} == {
        ("a", 5.0): 0.5, ("a", 10.0): 1.0, ("b", 5.0): 0.0
    }  # fmt: skip
    assert found["a", 5.0]["found_bright"] == 0.0
    assert found["b", 5.0]["found_bright"] is None
    interval = binomtest(1, 2).proportion_ci(method="wilson")
    assert (found["a", 5.0]["low"], found["a", 5.0]["high"]) == (interval.low, interval.high)


def test_release_tells_it(released: Path) -> None:
    summary = json.loads((released / SUMMARY).read_text())
    text = (released / "README.md").read_text()
    for row in summary["controls"]:
        assert f"| {row['control']} | {row['n']} | {row['in_tier']} |" in text
    assert all(f"| {row['injection']} | " in text for row in summary["injections"])
