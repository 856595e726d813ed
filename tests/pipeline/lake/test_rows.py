"""A survey's rows in their shards: each row once, in its own shard, in order."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.waist import ROW_KEY
from pipeline.lake.layout import Shard
from pipeline.lake.rows import split_by_shard

# Of few values, so that shards share parts of their names and hold several rows.
keys = st.tuples(
    st.sampled_from(["main", "sv3"]),
    st.sampled_from(["dark", "bright"]),
    st.integers(0, 3),
    st.integers(0, 2**62),
)


def make_rows(chosen: list[tuple]) -> pa.Table:
    columns = [list(column) for column in zip(*chosen, strict=True)] or [[] for _ in ROW_KEY]
    types = (pa.string(), pa.string(), pa.int32(), pa.int64())
    arrays = [pa.array(c, t) for c, t in zip(columns, types, strict=True)]
    rows = pa.table(arrays, names=list(ROW_KEY))
    return rows.append_column("told", pa.array([repr(key) for key in chosen], pa.string()))


@given(st.lists(keys, unique=True, max_size=30))
def test_every_row_is_in_its_shard_in_order_of_targetid(chosen: list[tuple]) -> None:
    parts = split_by_shard(make_rows(chosen))
    expected: dict[Shard, list[tuple]] = {}
    for key in sorted(chosen):
        expected.setdefault(Shard(*key[:3]), []).append(key)
    assert list(parts) == sorted(expected)
    for shard, mine in expected.items():
        assert parts[shard]["told"].to_pylist() == [repr(key) for key in mine]
        assert parts[shard]["TARGETID"].to_pylist() == [key[-1] for key in mine]
