"""A release that can be reviewed, and the ledger beside it."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from portal_release import VERSION, row_id, write_release

from catalog_schema.column import arrow_schema
from catalog_schema.tables import QUEUE, REVIEWS
from catalog_schema.vocabulary import Verdict
from pipeline.reviews.review import Review
from pipeline.reviews.review_ledger import ReviewLedger

# One more than the spectra that the release holds.
QUEUE_ROWS = 35


def write_reviewable(root: Path) -> Path:
    write_release(root)
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["source"]["sample"] = "iron"
    (root / "manifest.json").write_text(json.dumps(manifest))
    write_queue(root / "catalog/queue.parquet", list(range(QUEUE_ROWS)))
    pq.write_table(arrow_schema(REVIEWS).empty_table(), root / "catalog/reviews.parquet")
    return root


def write_queue(path: Path, rows: list[int]) -> None:
    n = len(rows)
    columns = {
        "SURVEY": ["main"] * n,
        "PROGRAM": ["dark"] * n,
        "HEALPIX": [1] * n,
        "TARGETID": [row_id(row) for row in rows],
        "queue_rank": list(range(1, n + 1)),
        "queue_source": ["active"] * n,
        "interest": np.arange(n)[::-1] / n,
        "tier": ["none"] * n,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, schema=arrow_schema(QUEUE)), path)


def load(root: Path) -> list[Review]:
    return ReviewLedger(root.parents[1] / "ledger.sqlite").load("iron")


def write(root: Path, *reviews: Review) -> None:
    ReviewLedger(root.parents[1] / "ledger.sqlite").append(reviews)


def make_review(row: int, reviewer: str, verdict: Verdict) -> Review:
    return Review("iron", VERSION, "main", "dark", 1, row_id(row), reviewer, verdict=verdict)
