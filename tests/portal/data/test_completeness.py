"""The ledger that a release carries adds up."""

from portal.data import (
    completeness,
)
from portal.data.database import Connection


def test_completeness_adds_up(con: Connection) -> None:
    stages = completeness.sum_completeness(con).set_index("stage")
    assert stages.loc["extract", ["n_expected", "n_made", "n_dropped"]].tolist() == [460, 445, 15]
    assert (stages["n_open"] == 0).all()
    assert completeness.sum_gates(con)["n_dropped"].tolist() == [45, 15]
