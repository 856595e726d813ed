"""Spectra out of coadd files: wanted rows only, arms joined, dead and absent ones counted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from desi_tree import LocalTree, make_quasars, make_rows, write_coadd, write_zcatalog
from lake_runs import run_one

from catalog_schema.desi import ARM_PIXELS
from catalog_schema.tables import COADDS
from catalog_schema.validate import find_violations
from pipeline.config import load_config
from pipeline.flow.report import Report
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store, to_matrix
from pipeline.ledger.books import Ledger
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import CoaddFile, open_coadd, read_tables
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.science.exposures import find_main_places
from pipeline.transport.sources import local_file

SHARD = Shard("main", "dark", 100)
IDS = np.array([5, 3, 9, 7])


@pytest.fixture
def spectra() -> tuple[np.ndarray, np.ndarray]:
    return make_quasars(np.linspace(1.5, 1.9, len(IDS)))


@pytest.fixture
def make(tmp_path: Path, store: Store) -> Callable:
    tree = LocalTree(tmp_path / "dr1")

    def run(
        targets: list[int], flux: np.ndarray, ivar: np.ndarray, exposures: dict | None = None
    ) -> Report:
        rows = make_rows(len(targets))
        rows["TARGETID"] = np.array(targets)
        write_zcatalog(tree.root, rows)
        path = tree.file("coadd", SHARD)
        write_coadd(path, IDS, flux, ivar, exposures=exposures, has_sums=True)
        config = load_config(None, source=str(tree.root))
        for stage in ("target", "adopt", "acquire"):
            run_one(store, config, stage)
        return run_one(store, config, "extract")

    return run


def read(store: Store) -> pa.Table:
    return store.read(store.lake.shard("coadds", SHARD))


def test_wanted_rows_come_out_whatever_the_order(make: Callable, store: Store, spectra) -> None:
    report = make([9, 3, 5], *spectra)
    rows = read(store)
    assert find_violations(rows, COADDS) == []
    assert rows["TARGETID"].to_pylist() == [3, 5, 9]
    at = [1, 0, 2]
    np.testing.assert_allclose(to_matrix(rows["flux"]), spectra[0][at], rtol=1e-6)
    assert report.n_made == 3
    assert sum(report.dropped.values()) == 0


def test_target_that_the_file_lacks(make: Callable, store: Store, spectra) -> None:
    report = make([1, 3, 8, 100], *spectra)
    assert report.dropped["not_in_coadd"] == 3
    assert read(store)["TARGETID"].to_pylist() == [3]
    assert Ledger(store.lake.ledger).outcomes("extract")[0].imbalance == 0


def test_coadd_without_any_row(make: Callable, spectra) -> None:
    make([3], *spectra)
    nothing = make([1, 2], *spectra)
    assert nothing.dropped["not_in_coadd"] == 2
    assert nothing.failed == ()


def test_dead_rows_and_bad_values(make: Callable, store: Store, spectra) -> None:
    flux, ivar = spectra
    ivar[0] = 0
    flux[1, 100], ivar[1, 101], ivar[1, 102] = np.nan, -1, np.inf
    report = make([3, 5, 7, 9], flux, ivar)
    assert report.dropped["dead"] == 1
    [note] = report.notes
    assert "3 pixels of 1 spectra" in note
    rows = read(store)
    assert rows["TARGETID"].to_pylist() == [3, 7, 9]
    assert np.isfinite(to_matrix(rows["flux"])).all()
    assert (to_matrix(rows["ivar"])[0, 100:103] == 0).all()
    assert (to_matrix(rows["ivar"])[0, [99, 103]] > 0).all()


def test_snr_and_coverage_by_arm(make: Callable, store: Store, spectra) -> None:
    flux, ivar = spectra
    first, last = ARM_PIXELS["r"]
    ivar[1, :1000] = 0
    ivar[2, first:last] = 0
    make([3, 9], flux, ivar)
    rows = read(store).to_pydict()
    good = ivar[1] > 0
    expected = np.median((flux[1] * np.sqrt(ivar[1]))[good])
    assert rows["snr"][0] == pytest.approx(expected, rel=0.02)
    assert rows["coverage_b"][0] == pytest.approx(1 - 1000 / 2751)
    assert rows["coverage_r"][1] == 0
    assert rows["snr_r"][1] is None


def test_file_that_vanished_or_changed(make: Callable, store: Store, spectra) -> None:
    make([3, 5], *spectra)
    first = read(store)["flux"]
    report = make([3, 5], spectra[0] * 2, spectra[1])
    assert report.made == 1
    np.testing.assert_allclose(to_matrix(read(store)["flux"]), 2 * to_matrix(first), rtol=1e-6)


def test_place_of_most_exposure_comes_along(make: Callable, store: Store, spectra) -> None:
    exposures = {
        "TARGETID": np.array([5, 3, 3, 3, 9]),
        "NIGHT": np.array([20210101, 20210102, 20210103, 20210104, 20210105]),
        "PETAL_LOC": np.array([0, 1, 2, 3, 4]),
        "FIBER": np.array([0, 500, 1000, 1500, 2000]),
        "EXPTIME": np.array([900.0, 300.0, 800.0, 2000.0, 900.0]),
        # A restricted fibre is good, one that did not reach its target is not.
        "FIBERSTATUS": np.array([8, 0, 0, 1 << 10, 1 << 10]),
    }
    make([9, 3, 5, 7], *spectra, exposures)
    rows = read(store)
    assert find_violations(rows, COADDS) == []
    places = rows.select(["TARGETID", "NIGHT", "PETAL_LOC", "FIBER"]).to_pylist()
    assert [tuple(place.values()) for place in places] == [
        (3, 20210103, 2, 1000),
        (5, 20210101, 0, 0),
        (7, None, None, None),
        (9, None, None, None),
    ]


def test_file_that_lists_no_exposures(make: Callable, store: Store, spectra) -> None:
    make([3, 5], *spectra)
    assert read(store)["FIBER"].null_count == 2


def opened(path: Path) -> CoaddFile:
    return open_coadd(local_file(path))


def test_real_dead_rows(real_data: Path) -> None:
    path = real_data / "desi" / "coadd-sv3-dark-26065.fits"
    ids = fits.getdata(path, "FIBERMAP")["TARGETID"].astype(np.int64)
    spectra, dropped, _ = join_file(opened(path), np.arange(5), ids, 1e-6, AcquireSettings())
    assert {gate: count for gate, count in dropped.items() if count} == {"dead": 3}
    assert spectra.targetid.tolist() == ids[[2, 4]].tolist()
    assert np.isfinite(spectra.flux).all()


def test_real_exposures(real_data: Path) -> None:
    listed, exposures = read_tables(opened(real_data / "desi" / "coadd-4-80613-thru20210324.fits"))
    [[_], [petal], [fibre]] = find_main_places(exposures, listed)
    assert (petal, fibre // 500) == (4, 4)
    assert set(exposures.targetid) == set(listed)


def test_real_overlap_equals_the_computation_by_hand(real_data: Path) -> None:
    path = real_data / "desi" / "coadd-1-80693-thru20210204.fits"
    with fits.open(path) as hdus:
        data = {h.name: np.asarray(h.data, float) for h in hdus if h.name[:2] in ("B_", "R_", "Z_")}
    ids = fits.getdata(path, "FIBERMAP")["TARGETID"].astype(np.int64)
    spectra, _, _ = join_file(opened(path), np.arange(5), ids, 1e-6, AcquireSettings())
    weight = {a: np.where(data[f"{a}_MASK"] == 0, data[f"{a}_IVAR"], 0) for a in "BRZ"}
    for one, two, start, stop in (("B", "R", 2700, 2751), ("R", "Z", 4900, 5026)):
        at = [
            slice(start - ARM_PIXELS[a.lower()][0], stop - ARM_PIXELS[a.lower()][0])
            for a in (one, two)
        ]
        w1, w2 = weight[one][:, at[0]], weight[two][:, at[1]]
        f1, f2 = data[f"{one}_FLUX"][:, at[0]], data[f"{two}_FLUX"][:, at[1]]
        total = w1 + w2
        assert (total > 0).mean() > 0.9
        expected = np.where(total > 0, (w1 * f1 + w2 * f2) / np.where(total > 0, total, 1), 0)
        np.testing.assert_allclose(spectra.ivar[:, start:stop], total, rtol=1e-6)
        np.testing.assert_allclose(spectra.flux[:, start:stop], expected, rtol=1e-4, atol=1e-5)


def test_file_that_is_gone_fails_its_shard(lake: Store, config, tmp_path: Path) -> None:
    source = Path(shutil.copytree(config.run.source, tmp_path / "source"))
    tree = LocalTree(source)
    tree.file("coadd", Shard("main", "dark", 205)).unlink()
    moved = config.model_copy(update={"run": config.run.model_copy(update={"source": str(source)})})
    run_one(lake, moved, "target")
    report = run_one(lake, moved, "acquire")
    assert [str(o.shard) for o in report.failed] == ["main-dark-205"]
    assert "no such file" in (report.failed[0].error or "")
    assert run_one(lake, moved, "extract").n_made == 30
    again = run_one(lake, moved, "acquire")
    assert [str(o.shard) for o in again.failed] == ["main-dark-205"]


def test_one_wrong_spectrum_is_dropped_by_its_gate(make: Callable, store: Store, spectra) -> None:
    flux, ivar = spectra
    flux[1] *= 1e20
    report = make([3, 5, 7, 9], flux, ivar)
    assert report.dropped["implausible_flux"] == 1
    assert read(store)["TARGETID"].to_pylist() == [5, 7, 9]
    assert "1 of 4 spectra: flux is above any quasar's" in report.notes[0]
    assert Ledger(store.lake.ledger).outcomes("extract")[0].imbalance == 0


@pytest.mark.parametrize(
    ("power", "word"), [(-0.5, "standard deviations"), (-1.0, "variances"), (1.0, None)]
)
def test_file_whose_ivar_is_none_is_refused(
    make: Callable, spectra, power: float, word: str | None
) -> None:
    flux, ivar = spectra
    report = make([3, 5, 7, 9], flux, ivar**power)
    if word is None:
        assert report.n_made == 4
    else:
        [failed] = report.failed
        assert f"IVAR holds {word}" in (failed.error or "")
        assert "4 of 4 spectra" in (failed.error or "")


def test_arm_without_data_is_masked_and_told(make: Callable, store: Store, spectra) -> None:
    flux, ivar = spectra
    first, last = ARM_PIXELS["b"]
    flux[1, first:last] = 0
    report = make([3, 5, 7, 9], flux, ivar)
    assert report.n_made == 4
    assert "pixels of 1 spectra are filled with one flux" in report.notes[0]
    assert read(store)["coverage_b"].to_pylist()[0] < 0.01


def test_file_without_datasums_is_told(tmp_path: Path, spectra) -> None:
    for has_sums in (True, False):
        coadd = opened(write_coadd(tmp_path / "coadd.fits", IDS, *spectra, has_sums=has_sums))
        assert any("no DATASUM of B_FLUX, B_IVAR" in note for note in coadd.doubts) != has_sums
