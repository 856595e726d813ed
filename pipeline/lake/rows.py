"""Rows of a whole survey, cut into its shards."""

import pyarrow as pa

from catalog_schema.waist import SHARD_KEY
from pipeline.lake.layout import Shard


def split_by_shard(rows: pa.Table) -> dict[Shard, pa.Table]:
    """Cut a table into its shards, each in order of TARGETID, in one pass over the rows."""
    by_shard = [(name, "ascending") for name in SHARD_KEY]
    ordered = rows.sort_by([*by_shard, ("TARGETID", "ascending")])
    # Arrow's groups come in any order, also from sorted rows.
    counts = ordered.group_by(list(SHARD_KEY)).aggregate([([], "count_all")])
    runs = counts.sort_by(by_shard).to_pylist()
    parts, first = {}, 0
    for run in runs:
        shard = Shard(run["SURVEY"], run["PROGRAM"], run["HEALPIX"])
        parts[shard] = ordered.slice(first, run["count_all"])
        first += run["count_all"]
    return parts
