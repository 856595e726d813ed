"""A release of another kind: points with two numbers, without spectra, redshifts or matches."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

N_POINTS = 120
LIST = "points"
VERSION = "0.1.0"
GRADES = ["gold"] * 2 + ["silver"] * 3 + ["bronze"] * 5 + ["none"] * (N_POINTS - 10)


def point_id(row: int) -> int:
    """TARGETID of a row."""
    return 7_000_000_000_000_000_001 + 2 * row


def make_points(*, graded: bool = True) -> pa.Table:
    """Return points about the origin, the farthest first; graded ones have score, p, q and tier."""
    draw = np.random.default_rng(8)
    x, y = draw.normal(size=(2, N_POINTS))
    order = np.argsort(-np.hypot(x, y))
    colour = {"description": "Colour *of* the point.", "unit": "mag"}
    columns: dict[pa.Field, Any] = {
        pa.field("TARGETID", pa.int64()): [point_id(row) for row in range(N_POINTS)],
        pa.field("colour", pa.float64(), metadata=colour): x[order],
        pa.field("size", pa.float32()): y[order].astype("f4"),
        pa.field("made_by", pa.string()): ["north" if row % 2 else "south" for row in range(120)],
    }
    if graded:
        p = (np.arange(N_POINTS) + 0.5) / N_POINTS
        columns |= {
            pa.field("anomaly_score", pa.float32()): np.hypot(x, y)[order].astype("f4"),
            pa.field("p_value", pa.float64()): p,
            pa.field("q_value", pa.float64()): np.minimum(1.0, 10 * p),
            pa.field("tier", pa.string()): GRADES,
        }
    return pa.table(list(columns.values()), schema=pa.schema(list(columns)))


def write_points(root: Path, points: pa.Table, **told: Any) -> Path:
    """Write the files of such a release: a table and a manifest."""
    (root / "catalog").mkdir(parents=True)
    pq.write_table(points, root / f"catalog/{LIST}.parquet")
    manifest = {"version": root.name, "title": "Points", "kind": "tables", "list": LIST}
    (root / "manifest.json").write_text(json.dumps(manifest | told))
    return root
