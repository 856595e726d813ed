"""Rows of a coadd's images and tables that belong to different targets, and real files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desi_tree import (
    LocalTree,
    Rows,
    make_quasars,
    make_rows,
    make_scores,
    write_coadd,
    write_zcatalog,
)
from lake_runs import run_one

from pipeline.config import load_config
from pipeline.flow.report import Report
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import open_coadd, read_targetids
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.desi.row_identity import find_strangers
from pipeline.transport.sources import local_file

SHARD = Shard("main", "dark", 100)
N = 12


@pytest.fixture
def make(tmp_path: Path, store: Store) -> Callable:
    """Extract a tree of one file with tables in one order of rows and images in another."""
    tree = LocalTree(tmp_path / "dr1")

    def run(fibermap: np.ndarray, images: np.ndarray, factor: float = 1.0) -> Report:
        rows = make_rows(N)
        write_zcatalog(tree.root, rows)
        flux, ivar = make_quasars(np.asarray(rows["Z"]))
        brightness = np.geomspace(0.2, 20, N)[:, None].astype(np.float32)
        flux, ivar = flux * brightness, ivar / brightness**2
        listed: Rows = {n: np.asarray(rows[n]) for n in ("TARGETID", "TARGET_RA", "TARGET_DEC")}
        listed["TARGETID"] = listed["TARGETID"][fibermap]
        write_coadd(
            tree.file("coadd", SHARD),
            listed["TARGETID"],
            flux[images] * factor,
            ivar[images] / factor**2,
            fibermap=listed,
            scores=make_scores(listed["TARGETID"], flux),
        )
        config = load_config(None, source=str(tree.root))
        for stage in ("target", "adopt", "acquire"):
            run_one(store, config, stage)
        report = run_one(store, config, "extract")
        outcomes = Ledger(store.lake.ledger).outcomes("extract")
        assert report.failed or all(outcome.imbalance == 0 for outcome in outcomes)
        return report

    return run


KEPT = np.arange(N)
SWAPPED = np.array([1, 0, *range(2, N)])


def found(report: Report) -> dict[str, int]:
    return {gate: count for gate, count in report.dropped.items() if count}


@pytest.mark.parametrize("factor", [1.0, 10.0, 0.1])
def test_rows_in_their_place_pass(make: Callable, factor: float) -> None:
    """Also where images have been brought to another unit than SCORES."""
    report = make(KEPT, KEPT, factor)
    assert found(report) == {}
    assert report.n_made == N


def test_two_rows_are_swapped(make: Callable) -> None:
    assert found(make(SWAPPED, KEPT)) == {"position_mismatch": 2}
    swapped = np.array([N - 1, *range(1, N - 1), 0])
    assert found(make(KEPT, swapped)) == {"spectrum_mismatch": 2}


@pytest.mark.parametrize("order", [np.roll(KEPT, 3), KEPT[::-1]], ids=["shifted", "reversed"])
def test_rows_of_others_fail_the_shard(make: Callable, order: np.ndarray) -> None:
    [failed] = make(order, KEPT).failed
    assert "lie elsewhere in the redshift catalogue than in the FIBERMAP" in (failed.error or "")
    [failed] = make(KEPT, order).failed
    assert "another median flux than SCORES lists" in (failed.error or "")


def test_real_files(real_data: Path) -> None:
    paths = [*real_data.glob("desi/coadd-*.fits"), *real_data.glob("survey/**/coadd-*.fits")]
    n_found = 0
    for path in paths:
        coadd = open_coadd(local_file(path))
        rows = np.arange(coadd.n_rows)
        spectra, *_ = join_file(coadd, rows, rows, 1e-6, AcquireSettings())
        assert not find_strangers(coadd, spectra.targetid, spectra).any()
        n_found += len(read_targetids(coadd))
    assert n_found > 800
