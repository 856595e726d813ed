"""Candidates: every row of the source is kept or counted under the first gate it fails."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from desi_tree import (
    FAULTS,
    LocalTree,
    Rows,
    join_rows,
    make_rows,
    write_coadd,
    write_table,
    write_zcatalog,
)
from lake_runs import run_one

from catalog_schema.tables import CANDIDATES
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger
from pipeline.spectra.science.bricks import find_bricks
from pipeline.spectra.surveys import find_survey

NO_CONTROLS = [f"target.{kind}_fraction=0.0" for kind in ("sky", "standard", "galaxy", "star")]


@pytest.fixture
def tree(tmp_path: Path) -> LocalTree:
    (tmp_path / "dr1").mkdir()
    return LocalTree(tmp_path / "dr1")


@pytest.fixture
def make(store: Store, tree: LocalTree) -> Callable:
    def run(rows: Rows | None = None) -> object:
        if rows is not None:
            write_zcatalog(tree.root, rows)
        return run_one(store, load_config(None, NO_CONTROLS, source=str(tree.root)), "target")

    return run


def read_targets(store: Store) -> dict[str, list]:
    return store.read(store.lake.table("candidates")).to_pydict()


def test_every_gate_drops_its_row(make: Callable, store: Store) -> None:
    bad = [make_rows(1, 100 + i, **columns) for i, columns in enumerate(FAULTS.values())]
    twin = make_rows(1, 1)
    report = make(join_rows(make_rows(3), *bad, twin))
    assert report.dropped == {**dict.fromkeys(FAULTS, 1), "duplicate_row": 1}
    assert (report.made, report.n_made, report.n_expected) == (1, 3, 3 + len(FAULTS) + 1)
    assert read_targets(store)["TARGETID"] == [1, 2, 3]
    assert find_violations(store.read(store.lake.table("candidates")), CANDIDATES) == []


def test_rows_are_conserved_by_shard(make: Callable, store: Store) -> None:
    make(
        join_rows(
            make_rows(5),
            make_rows(4, 50, HEALPIX=7, ZWARN=[0, 4, 0, 4]),
            make_rows(2, 80, SURVEY="sv3", ZWARN=4),
        )
    )
    outcomes = {o.shard: o for o in Ledger(store.lake.ledger).outcomes("target")}
    assert [*outcomes] == [
        Shard("main", "dark", 7),
        Shard("main", "dark", 100),
        Shard("sv3", "dark", 100),
    ]
    assert [(o.n_expected, o.n_made, o.imbalance) for o in outcomes.values()] == [
        (4, 2, 0),
        (5, 5, 0),
        (2, 0, 0),
    ]


def test_order_of_the_catalogue_does_not_matter(make: Callable, store: Store) -> None:
    rows = join_rows(make_rows(9), make_rows(9, 50, HEALPIX=7))
    make(rows)
    first = read_targets(store)
    order = np.random.default_rng(0).permutation(18)
    report = make({name: values[order] for name, values in rows.items()})
    assert report.made == 1
    assert read_targets(store) == first


def test_done_is_skipped_and_tells_the_same(make: Callable) -> None:
    first = make(join_rows(make_rows(3), make_rows(1, 9, ZWARN=4)))
    second = make()
    assert (second.made, second.skipped) == (0, 1)
    assert (second.dropped, second.n_made) == (first.dropped, first.n_made)


def test_columns_and_units(make: Callable, store: Store) -> None:
    make(make_rows(2, FLUX_G=[2.0, np.nan], EBV=[0.1, np.nan]))
    rows = read_targets(store)
    # 1 nanomaggy is 3.631 microjansky.
    assert rows["flux_g"] == [pytest.approx(7262.0), None]
    assert rows["EBV"] == [pytest.approx(0.1), None]
    assert rows["flux_w1"] == [None, None]
    assert set(rows["parent"]) == {"core"}


def test_missing_optional_columns_pass(make: Callable, store: Store) -> None:
    rows = make_rows(2)
    for name in ("COADD_FIBERSTATUS", "ZCAT_PRIMARY", "EBV", "FLUX_G"):
        del rows[name]
    assert make(rows).n_made == 2


def test_missing_required_column_is_named(make: Callable) -> None:
    rows = make_rows(2)
    del rows["ZWARN"]
    with pytest.raises(UserError, match="no column ZWARN"):
        make(rows)


def test_truncated_catalogue(make: Callable, tree: LocalTree) -> None:
    path = write_zcatalog(tree.root, make_rows(200))
    os.truncate(path, path.stat().st_size - 2880)
    with pytest.raises(UserError, match="truncated"):
        make()


def test_catalogue_that_is_no_fits(make: Callable, tree: LocalTree) -> None:
    write_zcatalog(tree.root, make_rows(2)).write_text("<html>404</html>")
    with pytest.raises(UserError, match="unreadable FITS"):
        make()


@pytest.mark.parametrize(
    "rows",
    [make_rows(3, ZWARN=4), {name: values[:0] for name, values in make_rows(1).items()}],
    ids=["none", "empty"],
)
def test_no_quasar_is_said_every_time(make: Callable, rows: Rows) -> None:
    for attempt in (rows, None):
        with pytest.raises(UserError, match="is a quasar"):
            make(attempt)


def test_source_that_is_no_tree(store: Store, tmp_path: Path, tree: LocalTree) -> None:
    def explain(source: Path) -> str:
        with pytest.raises(UserError) as caught:
            find_survey(store, load_config(None, source=str(source)))
        return str(caught.value)

    assert "no such folder" in explain(tmp_path / "nothing")
    assert "holds spectro/" in explain(tmp_path)
    assert Path(find_survey(store, Config()).location).is_relative_to(store.root)


def test_tree_without_redshifts(store: Store, tree: LocalTree) -> None:
    tree.reduction.mkdir(parents=True)
    with pytest.raises(UserError, match="neither a redshift catalogue nor a redrock file"):
        run_one(store, load_config(None, source=str(tree.root)), "target")


REDSHIFTS = ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE", "DELTACHI2")
FIBERMAP = (
    "TARGETID",
    "TARGET_RA",
    "TARGET_DEC",
    "OBJTYPE",
    "COADD_FIBERSTATUS",
    "EBV",
    "COADD_EXPTIME",
)


def write_redrock(tree: LocalTree, shard: Shard, rows: Rows, coadd: Rows | None = None) -> Path:
    rows = {"COADD_EXPTIME": np.ones(len(rows["Z"])), **rows}
    path = write_table(
        tree.file("redrock", shard),
        REDSHIFTS={name: rows[name] for name in REDSHIFTS},
        FIBERMAP={name: rows[name] for name in FIBERMAP},
    )
    if coadd is not None:
        coadd = {"COADD_EXPTIME": np.ones(len(coadd["Z"])), **coadd}
        fibermap = {name: coadd[name] for name in FIBERMAP}
        blank = np.ones((len(coadd["Z"]), 7781), np.float32)
        write_coadd(tree.file("coadd", shard), coadd["TARGETID"], blank, blank, fibermap=fibermap)
    return path


DARK, BRIGHT = Shard("main", "dark", 100), Shard("main", "bright", 100)


def test_redrock_files_stand_in_for_the_catalogue(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    write_redrock(tree, DARK, make_rows(4, ZWARN=[0, 4, 0, 0]))
    write_redrock(tree, Shard("sv3", "dark", 7), make_rows(2, 50, HEALPIX=7))
    report = make()
    assert (report.n_expected, report.n_made) == (6, 5)
    rows = read_targets(store)
    assert rows["SURVEY"] == ["main"] * 3 + ["sv3"] * 2
    assert rows["HEALPIX"] == [100] * 3 + [7] * 2


def test_target_of_the_coadd_without_redshift_is_counted(make: Callable, tree: LocalTree) -> None:
    write_redrock(tree, DARK, make_rows(3), coadd=make_rows(5))
    report = make()
    assert (report.n_expected, report.n_made) == (5, 3)
    assert report.dropped == {"no_redshift": 2}


def test_primary_is_clear_then_longest_then_clearest(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    write_redrock(
        tree,
        DARK,
        make_rows(
            3, ZWARN=[4, 0, 0], COADD_EXPTIME=[900.0, 500.0, 500.0], DELTACHI2=[9.0, 9.0, 99.0]
        ),
    )
    write_redrock(
        tree,
        BRIGHT,
        make_rows(
            3, ZWARN=[0, 0, 0], COADD_EXPTIME=[100.0, 600.0, 500.0], DELTACHI2=[9.0, 9.0, 9.0]
        ),
    )
    report = make()
    rows = read_targets(store)
    assert dict(zip(rows["TARGETID"], rows["PROGRAM"], strict=True)) == {
        1: "bright",
        2: "bright",
        3: "dark",
    }
    assert report.n_made == 3
    assert report.n_expected == 6


def test_spectrum_without_redshift_displaces_no_good_one(
    make: Callable, tree: LocalTree, store: Store
) -> None:
    write_redrock(tree, DARK, make_rows(2))
    # Redrock has no row for target 1 in the longer exposure of the other program.
    other = make_rows(2, COADD_EXPTIME=[900.0, 900.0])
    other["TARGETID"] = np.array([1, 99])
    fitted = {name: values[1:] for name, values in other.items()}
    write_redrock(tree, BRIGHT, fitted, coadd=other)
    make()
    assert 1 in read_targets(store)["TARGETID"]


def test_unreadable_redrock_file_fails_its_shard_only(make: Callable, tree: LocalTree) -> None:
    path = write_redrock(tree, DARK, make_rows(200))
    write_redrock(tree, BRIGHT, make_rows(2, 500))
    os.truncate(path, 2880 * 3)
    report = make()
    assert report.n_made == 2
    [failed] = report.failed
    assert failed.shard == DARK
    assert failed.state is ShardState.FAILED


def test_redrock_tables_that_disagree(make: Callable, tree: LocalTree) -> None:
    rows = {"COADD_EXPTIME": np.ones(2), **make_rows(2)}
    shuffled = {name: values[::-1] for name, values in rows.items()}
    write_table(
        tree.file("redrock", DARK),
        REDSHIFTS={name: rows[name] for name in REDSHIFTS},
        FIBERMAP={name: shuffled[name] for name in FIBERMAP},
    )
    with pytest.raises(UserError, match="different targets"):
        make()


def test_real_catalogue_is_conserved(real_data: Path, store: Store) -> None:
    report = run_one(store, load_config(None, source=str(real_data / "survey")), "target")
    rows = store.read(store.lake.table("candidates"))
    assert report.n_expected == 835
    assert report.n_made + sum(report.dropped.values()) == 835
    assert find_violations(rows, CANDIDATES) == []
    core = rows.filter(pc.field("parent") == "core")
    assert core.num_rows > 500
    assert set(core["SPECTYPE"].to_pylist()) == {"QSO"}


def with_bricks(rows: Rows) -> Rows:
    """Give rows TARGETIDs that name the brick of their position, as DESI's do."""
    brick = find_bricks(rows["TARGET_RA"], rows["TARGET_DEC"])
    return rows | {"TARGETID": (9010 << 42) | (brick << 22) | rows["TARGETID"]}


def test_rows_out_of_place_are_dropped_by_their_gates(make: Callable) -> None:
    rows = with_bricks(make_rows(40))
    ra, dec, ids = (np.array(rows[n]) for n in ("TARGET_RA", "TARGET_DEC", "TARGETID"))
    ra[:3], dec[3], ra[4] = [np.nan, 400.0, ra[2] + 2], -91.0, np.inf
    ids[[10, 20]] = ids[[20, 10]]
    report = make(rows | {"TARGET_RA": ra, "TARGET_DEC": dec, "TARGETID": ids})
    assert report.dropped == {"position_outside_pixel": 5, "targetid_elsewhere": 2}
    assert report.n_made == 33


def test_positions_rounded_at_the_edge_of_a_pixel_pass(make: Callable) -> None:
    rows = make_rows(200)
    rounded = {n: np.round(rows[n], 2) for n in ("TARGET_RA", "TARGET_DEC")}
    assert make(rows | rounded).dropped == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: {n: np.radians(r[n]) for n in ("TARGET_RA", "TARGET_DEC")}, "radians"),
        (lambda r: {"TARGET_RA": r["TARGET_RA"] / 15}, "hours"),
        (lambda r: {"TARGET_RA": r["TARGET_DEC"], "TARGET_DEC": r["TARGET_RA"]}, "swapped"),
        (lambda r: {"HEALPIX": np.roll(r["HEALPIX"], 20)}, "shifted or permuted"),
        (lambda r: {"TARGETID": np.roll(r["TARGETID"], 1)}, "TARGETIDs look shifted"),
    ],
)
def test_catalogue_out_of_place_is_refused(make: Callable, change: Callable, words: str) -> None:
    rows = with_bricks(make_rows(40, HEALPIX=np.repeat([100, 8100], 20)))
    with pytest.raises(UserError, match=words):
        make(rows | change(rows))


def test_rows_in_any_order_are_the_same_targets(make: Callable, store: Store) -> None:
    rows = make_rows(30, HEALPIX=np.repeat([100, 8100], 15))
    make(rows)
    first = store.read(store.lake.table(CANDIDATES.name))
    order = np.random.default_rng(0).permutation(30)
    make({name: values[order] for name, values in rows.items()})
    assert store.read(store.lake.table(CANDIDATES.name)).equals(first)
