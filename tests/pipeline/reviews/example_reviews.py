"""Reviews of three objects, for several tests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from catalog_schema.vocabulary import Verdict
from catalog_schema.waist import ROW_KEY
from pipeline.lake.layout import Shard
from pipeline.reviews.published import Published
from pipeline.reviews.review import Review

SAMPLE = "mock-0"
SHARD = Shard("main", "dark", 10)
# Above 2^53, odd: no double holds them.
TARGETIDS = (39627000000000001, 39627000000000003, 39627000000000005)


def publish(version: str, targetids: Sequence[int], sample: str = SAMPLE) -> Published:
    """Return a release of these objects."""
    columns = (*ROW_KEY, "Z", "SPECTYPE")
    rows = [dict(zip(columns, (*SHARD, i, 1.25, "QSO"), strict=True)) for i in targetids]
    return Published(version, sample, "spectra", pa.Table.from_pylist(rows))


PUBLISHED = publish("0.1.0", TARGETIDS)
MOMENT = datetime(2026, 11, 21, 8, 30, 0, 123456, tzinfo=UTC)
HOSTILE = '=1+1, "quote"; \'--\t<script>alert(1)</script>\x00\r\n\u2028\udcff 星 \u202e %s {0}'


def make_review(row: int = 0, reviewer: str = "ABC", **rest: Any) -> Review:
    """Return a review of one of the three objects."""
    given = {"verdict": Verdict.ANOMALOUS, "reviewed_at": MOMENT} | rest
    return Review(SAMPLE, "0.1.0", *SHARD, TARGETIDS[row], reviewer, **given)
