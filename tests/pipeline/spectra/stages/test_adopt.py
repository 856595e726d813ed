"""The parents once the afterburners have spoken: confirmed, mended, lent a redshift, or dropped."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desi_tree import (
    CONFIDENCES,
    LocalTree,
    Rows,
    join_rows,
    make_rows,
    write_table,
    write_zcatalog,
)
from lake_runs import run_one
from loopback import read_tree, serving

from catalog_schema.tables import TARGETS
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import ShardState
from pipeline.config import load_config
from pipeline.flow.report import Report
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger
from pipeline.spectra.stages.adopt import lend_redshifts

DARK, EAST = Shard("main", "dark", 100), Shard("main", "dark", 7)
QSO_TARGET = 1 << 2
# IDs of the rows below: core, and candidates that redrock calls galaxies.
CORE, CANDIDATES = np.arange(1, 6), np.arange(50, 54)


@pytest.fixture
def tree(tmp_path: Path) -> LocalTree:
    tree = LocalTree(tmp_path / "dr1")
    bits = {"DESI_TARGET": QSO_TARGET}
    candidates = make_rows(4, 50, SPECTYPE="GALAXY", Z=[1.6, 1.7, 0.3, 1.8], **bits)
    write_zcatalog(tree.root, join_rows(make_rows(5, **bits), candidates))
    return tree


def write_mgii(tree: LocalTree, found: list[int], shard: Shard = DARK) -> Path:
    ids = np.array([*found, 9999])
    rows = {"TARGETID": ids, "IS_QSO_MGII": ids != 9999}
    return write_table(tree.file("qso_mgii", shard), MGII=rows)


def write_quasarnet(tree: LocalTree, rows: dict[int, tuple[float, float]]) -> Path:
    """Write the confidence in one line and the new redshift (NaN: none) of some targets."""
    ids = np.array([*rows])
    confidence, z = (np.array(values) for values in zip(*rows.values(), strict=True))
    table: Rows = {name: np.zeros(len(ids)) for name in CONFIDENCES}
    table |= {
        "TARGETID": ids,
        "C_CIV": confidence,
        "IS_QSO_QN_NEW_RR": np.isfinite(z),
        "Z_NEW": np.nan_to_num(z, nan=0.1),
        "ZERR_NEW": np.full(len(ids), 3e-4),
    }
    return write_table(tree.file("qso_qn", DARK), QN_RR=table)


def gates(mismatch: int = 0, not_confirmed: int = 0, outside: int = 0) -> dict[str, int]:
    counts = mismatch, not_confirmed, outside
    names = "redshift_mismatch", "not_confirmed", "redshift_outside_range"
    return dict(zip(names, counts, strict=True))


@pytest.fixture
def make(store: Store) -> Callable:
    def run(source: LocalTree | str, *overrides: str) -> Report:
        place = source if isinstance(source, str) else str(source.root)
        config = load_config(None, overrides, source=place)
        run_one(store, config, "target")
        return run_one(store, config, "adopt")

    return run


def read(store: Store, shard: Shard = DARK) -> dict[int, dict]:
    rows = store.read(store.lake.shard("targets", shard))
    assert find_violations(rows, TARGETS) == []
    return {row["TARGETID"]: row for row in rows.to_pylist()}


def test_union_confirms_and_mends(make: Callable, tree: LocalTree, store: Store) -> None:
    write_mgii(tree, [50])
    write_quasarnet(tree, {51: (0.97, np.nan), 52: (0.99, 2.25), 53: (0.94, 1.1)})
    report = make(tree)
    rows = read(store)
    assert {*rows} == {*CORE, 50, 51, 52}
    assert report.dropped == gates(not_confirmed=1)
    assert [rows[i]["qso_maskbits"] for i in (1, 50, 51, 52)] == [2, 4, 8, 24]
    assert [rows[i]["z_source"] for i in (1, 50, 51, 52)] == ["redrock"] * 3 + ["quasarnet"]
    assert [rows[i]["parent"] for i in (1, 52)] == ["core", "extended"]
    assert (rows[52]["Z"], rows[52]["ZERR"]) == (2.25, pytest.approx(3e-4))
    assert (rows[50]["Z"], rows[50]["ZERR"]) == (1.6, pytest.approx(1e-4))


def test_core_keeps_the_template_fitter_s_redshift(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    write_mgii(tree, [])
    write_quasarnet(tree, {2: (0.99, 3.0)})
    make(tree)
    row = read(store)[2]
    assert row["z_source"] == "redrock"
    assert 1.5 <= row["Z"] <= 1.9
    assert row["qso_maskbits"] == 2 | 8 | 16


@pytest.mark.parametrize("z", [0.01, 7.2])
def test_new_redshift_passes_the_range_again(
    make: Callable, tree: LocalTree, store: Store, z: float
) -> None:
    write_mgii(tree, [])
    write_quasarnet(tree, {50: (0.99, z)})
    assert make(tree).dropped == gates(not_confirmed=3, outside=1)
    assert {*read(store)} == {*CORE}


def test_new_redshift_brings_a_row_into_the_range(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    far = make_rows(2, 80, Z=0.01, DESI_TARGET=QSO_TARGET)
    write_zcatalog(tree.root, join_rows(make_rows(5, DESI_TARGET=QSO_TARGET), far))
    write_mgii(tree, [])
    write_quasarnet(tree, {80: (0.99, 1.4)})
    assert make(tree).dropped == gates(outside=1)
    assert read(store)[80]["Z"] == 1.4


def test_threshold_is_a_setting(make: Callable, tree: LocalTree, store: Store) -> None:
    write_mgii(tree, [])
    write_quasarnet(tree, {50: (0.97, np.nan)})
    assert make(tree, "target.quasarnet_threshold=0.99").dropped["not_confirmed"] == 4
    assert 50 not in read(store)


def test_shard_without_afterburners_keeps_its_core_and_says_so(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    report = make(tree)
    assert {*read(store)} == {*CORE}
    assert report.dropped["not_confirmed"] == 4
    assert report.notes == ("main-dark-100: no qso_mgii and no qso_qn file: its word is missing",)
    assert not report.failed


def test_file_that_comes_later_changes_the_shard(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    write_mgii(tree, [50])
    assert make(tree).made == 1
    assert make(tree).skipped == 1
    write_quasarnet(tree, {51: (0.97, np.nan)})
    assert make(tree).made == 1
    assert {*read(store)} == {*CORE, 50, 51}


def test_damaged_afterburner_fails_its_shard_only(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    bits = {"DESI_TARGET": QSO_TARGET}
    write_zcatalog(tree.root, join_rows(make_rows(5, **bits), make_rows(3, 20, HEALPIX=7, **bits)))
    write_mgii(tree, [], EAST)
    path = write_mgii(tree, [*range(1, 3000)])
    os.truncate(path, path.stat().st_size - 2880)
    report = make(tree)
    [failed] = report.failed
    assert failed.shard == DARK
    assert "qso_mgii-main-dark-100.fits: truncated in HDU MGII" in (failed.error or "")
    assert report.n_made == 3
    assert not store.lake.shard("targets", DARK).exists()
    write_mgii(tree, [50])
    assert make(tree).failed == ()


def test_afterburner_without_a_column_is_named(make: Callable, tree: LocalTree) -> None:
    write_table(tree.file("qso_mgii", DARK), MGII={"TARGETID": np.arange(3)})
    [failed] = make(tree).failed
    assert "no column IS_QSO_MGII" in (failed.error or "")


def test_gzipped_and_remote_files_say_the_same(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    write_mgii(tree, [50])
    path = write_quasarnet(tree, {52: (0.99, 2.25)})
    make(tree)
    rows = read(store)
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
    make(tree)
    assert read(store) == rows
    with serving(read_tree(tree.root)) as mirror:
        report = make(mirror.url)
        assert read(store) == rows
    assert report.failed == ()
    [outcome] = Ledger(store.lake.ledger).outcomes("adopt")
    assert outcome.requests["get"] >= 2
    assert outcome.n_bytes > 2880


def test_rows_are_conserved_from_target_to_adopt(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    write_quasarnet(tree, {52: (0.99, 2.25)})
    make(tree)
    ledger = Ledger(store.lake.ledger)
    [before], [after] = ledger.outcomes("target"), ledger.outcomes("adopt")
    assert after.state is ShardState.DONE
    assert before.n_made == after.n_expected == 9
    assert after.imbalance == 0


CONTROLS = ("target.galaxy_fraction=1.0",)


def test_controls_are_lent_core_redshifts(make: Callable, tree: LocalTree, store: Store) -> None:
    galaxies = make_rows(200, 300, SPECTYPE="GALAXY", Z=0.4, DESI_TARGET=0, HEALPIX=7)
    quasars = make_rows(30, DESI_TARGET=QSO_TARGET)
    write_zcatalog(tree.root, join_rows(quasars, galaxies))
    make(tree, *CONTROLS)
    lent = read(store, EAST)
    assert len(lent) == 200
    assert {row["z_source"] for row in lent.values()} == {"drawn"}
    assert {(row["parent"], row["control"]) for row in lent.values()} == {("control", "galaxy")}
    assert {row["ZERR"] for row in lent.values()} == {None}
    assert {row["Z"] for row in lent.values()} <= set(quasars["Z"].tolist())
    assert len({row["Z"] for row in lent.values()}) > 20


def test_lent_redshift_depends_on_neither_order_nor_shards(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    galaxies = make_rows(20, 300, SPECTYPE="GALAXY", DESI_TARGET=0)
    write_zcatalog(tree.root, join_rows(make_rows(9, DESI_TARGET=0), galaxies))
    make(tree, *CONTROLS)
    candidates = store.read(store.lake.table("candidates"))
    order = np.random.default_rng(0).permutation(candidates.num_rows)
    expected = lend_redshifts(candidates).take(order)
    assert lend_redshifts(candidates.take(order)).equals(expected)


def write_redrock(tree: LocalTree, rows: Rows, shard: Shard = DARK) -> Path:
    return write_table(
        tree.file("redrock", shard), REDSHIFTS={name: rows[name] for name in ("TARGETID", "Z")}
    )


def test_redshift_that_is_not_redrocks_is_dropped(make: Callable, store: Store, tmp_path: Path):
    tree = LocalTree(tmp_path / "dr1")
    rows = make_rows(10)
    write_redrock(tree, rows)
    z = np.array(rows["Z"])
    z[3] += 0.01
    # Kept in single precision it is the same redshift.
    z[5] = np.float32(z[5])
    write_zcatalog(tree.root, rows | {"Z": z})
    report = make(tree)
    assert report.dropped == gates(mismatch=1)
    assert {*read(store)} == {*range(1, 11)} - {4}
    assert Ledger(store.lake.ledger).outcomes("adopt")[0].imbalance == 0


@pytest.mark.parametrize("witness", ["redrock", "qso_mgii"])
@pytest.mark.parametrize("column", ["Z", "TARGETID"])
def test_redshifts_of_other_rows_fail_the_shard(
    make: Callable, tmp_path: Path, witness: str, column: str
) -> None:
    tree = LocalTree(tmp_path / "dr1")
    rows = join_rows(make_rows(10), make_rows(5, 100, HEALPIX=7))
    for shard, here in ((DARK, slice(0, 10)), (EAST, slice(10, None))):
        mine = {name: values[here] for name, values in rows.items()}
        write_redrock(tree, mine, shard)
        table = {"TARGETID": mine["TARGETID"], "Z_RR": mine["Z"], "IS_QSO_MGII": mine["Z"] > 9}
        write_table(tree.file("qso_mgii", shard), MGII=table)
    tree.file("redrock" if witness == "qso_mgii" else "qso_mgii", DARK).unlink()
    moved = np.r_[np.roll(rows[column][:10], 1), rows[column][10:]]
    write_zcatalog(tree.root, rows | {column: moved})
    report = make(tree)
    [failed] = report.failed
    assert failed.shard == DARK
    assert "10 of 10 targets have another redshift" in (failed.error or "")
    assert witness in (failed.error or "")
    assert report.n_made == 5
