"""The ledger that a release carries adds up, or does not."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from portal.data import completeness
from portal.data.database import Connection, connect


def test_completeness_adds_up(con: Connection) -> None:
    stages = completeness.sum_completeness(con).set_index("stage")
    names = ["n_expected", "n_made", "n_dropped"]
    assert stages.loc["extract", names].tolist() == [460, 445, 15]
    assert stages.loc["preprocess", names].tolist() == [445, 400, 45]
    assert (stages["n_open"] == 0).all()
    assert (stages["n_failed"] == 0).all()
    assert completeness.sum_gates(con)["n_dropped"].tolist() == [45, 15]


@given(lost=st.sets(st.integers(0, 3)))
def test_each_shard_that_loses_rows_is_counted(
    release: Path, tmp_path_factory, lost: set[int]
) -> None:
    root = tmp_path_factory.mktemp("ledger") / release.name
    (root / "completeness").mkdir(parents=True)
    (root / "manifest.json").write_text("{}")
    for name in ("completeness", "gates"):
        rows = pq.read_table(release / f"completeness/{name}.parquet")
        if name == "gates":
            rows = rows.filter(pa.array([row not in lost for row in range(4)]))
        pq.write_table(rows, root / f"completeness/{name}.parquet")
    stages = completeness.sum_completeness(connect(root)).set_index("stage")["n_open"]
    assert stages["extract"] == len(lost & {0, 1})
    assert stages["preprocess"] == len(lost & {2, 3})
