"""A kind of data unlike spectra goes from its files to a release by the same back half."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from toy_points import POINTS
from toy_run import ODD, register, write_points

from catalog_schema.kinds import KINDS
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.flow.data_path import run_stages
from pipeline.flow.root import Root
from release.build import build
from release.checks.validate import validate


@pytest.fixture(autouse=True)
def points(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def test_points_go_from_their_files_to_a_release(tmp_path: Path) -> None:
    source = write_points(tmp_path / "points")
    config = load_config(None, ("run.kind=toy",), source=str(source))
    root, told = Root(tmp_path / "root"), {}
    with root.lock():
        run_stages(root, config, lambda name, report: told.update({name: report}))
        report = build(root, config, "0.1.0")
        again: list[int] = []
        run_stages(root, config, lambda _, report: again.append(report.made))
    assert told["read"].dropped == {"no_magnitude": 2}
    assert sum(again) == 0
    failed = [f"{r.check} {r.target}: {r.detail}" for r in validate(report.path) if not r.passed]
    assert failed == []
    rows = pq.read_table(report.path / "catalog/points.parquet").to_pandas().set_index("TARGETID")
    graded = set(rows.index[rows["tier"] != "none"])
    odd = {row + 1000 * part for part in range(2) for row in ODD}
    # A tenth of a list may be ordinary: of so few hardly more than one.
    assert odd <= graded
    assert len(graded - odd) <= 1
    assert set(rows.loc[list(odd), "reason"]) == {"size"}
    found = pq.read_table(report.path / "validation/injections.parquet").to_pandas()
    shares = (found["joint_p_value"] < 0.01).groupby(found["planted"]).mean()
    assert shares[6.0] > 0.9 > shares[3.0]


def test_a_folder_without_points_is_one_line(tmp_path: Path) -> None:
    config = load_config(None, ("run.kind=toy",), source=str(tmp_path))
    root = Root(tmp_path / "root")
    with root.lock(), pytest.raises(UserError, match="no points"):
        run_stages(root, config, lambda *_: None)


def test_a_kind_says_what_it_lacks() -> None:
    assert POINTS.find_slips() == []
    assert all(kind.find_slips() == [] for kind in KINDS.values())
