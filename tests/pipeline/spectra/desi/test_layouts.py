"""Every layout of DESI's tree, of coadds and of single exposures, is read to the same spectra."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from desi_layouts import KINDS, LAYOUTS, write_exposures, write_tiles, write_uniqpix
from desi_tree import join_rows, make_quasars, make_rows, write_coadd, write_table
from lake_runs import SMALL, extract_lake

from catalog_schema.desi import SAMPLING
from catalog_schema.vocabulary import ShardState
from pipeline.errors import UserError
from pipeline.lake.store import Store, to_matrix
from pipeline.spectra.desi.tree import TileTree, UniqpixTree

ROWS = join_rows(make_rows(4, DESI_TARGET=4), make_rows(3, 1001, HEALPIX=205, DESI_TARGET=4))
FLUX, IVAR = make_quasars(ROWS["Z"])
ORDER = np.argsort(ROWS["TARGETID"])
# Where two arms overlap both measure.
N_ARMS = np.zeros(IVAR.shape[1])
for arm in SAMPLING.arms:
    N_ARMS[arm.pixels] += 1
SETTINGS = ("target.validation_fraction=0.25",)


def read_coadds(store: Store) -> pa.Table:
    """Return the rows of every shard in order of TARGETID."""
    shards = [o.shard for o in store.ledger.outcomes("extract") if o.state is ShardState.DONE]
    parts = [store.read(store.lake.shard("coadds", shard)) for shard in shards]
    return pa.concat_tables(parts).sort_by("TARGETID")


def extract(root: Path, tree: Path, *overrides: str) -> Store:
    return extract_lake(tree, root, *SETTINGS, *overrides)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_to_the_same_spectra(tmp_path: Path, layout: str, kind: str) -> None:
    tree = LAYOUTS[layout](tmp_path / "tree", ROWS, FLUX, IVAR, KINDS[kind])
    store = extract(tmp_path / "root", tmp_path / "tree")
    rows = read_coadds(store)
    assert rows["TARGETID"].to_pylist() == sorted(ROWS["TARGETID"].tolist())
    np.testing.assert_allclose(to_matrix(rows["flux"]), FLUX[ORDER], rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(to_matrix(rows["ivar"]), (N_ARMS * IVAR)[ORDER], rtol=2e-6)
    shards = {outcome.shard for outcome in store.ledger.outcomes("extract")}
    assert shards == set(tree.find_shards("coadd"))
    targets = store.read(store.lake.table("candidates")).sort_by("TARGETID")
    for name in ("Z", "EBV"):
        assert targets[name].to_pylist() == pytest.approx(ROWS[name][ORDER].tolist(), rel=1e-6)
    assert set(targets["SPECTYPE"].to_pylist()) == {"QSO"}


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["uniqpix", "tiles"])
def test_files_that_are_no_pixels_make_a_valid_release(
    call: Callable, tmp_path: Path, layout: str
) -> None:
    rows = join_rows(make_rows(30), make_rows(15, 1001, HEALPIX=205))
    tree = LAYOUTS[layout](tmp_path / "tree", rows, *make_quasars(rows["Z"]), write_coadd)
    given = [word for setting in SMALL for word in ("--set", setting)]
    where = ("--source", tmp_path / "tree", "--root", tmp_path / "root")
    code, _, err = call("run", *where, "--version", "0.1.0", *given)
    assert (code, err) == (0, "")
    release = tmp_path / "root/releases/0.1.0"
    code, out, _ = call("release", "validate", release)
    assert (code, " 0 failed" in out) == (0, True), out
    found = pq.read_table(release / "catalog/quasars.parquet")
    numbers = {shard.healpix for shard in tree.find_shards("coadd")}
    assert set(found["HEALPIX"].to_pylist()) == numbers
    assert set(pc.shift_right(found["_healpix_29"], 46).to_pylist()) == {100, 205}


def test_a_row_outside_its_uniqpix_is_dropped(tmp_path: Path) -> None:
    tree = write_uniqpix(tmp_path / "tree", ROWS, FLUX, IVAR, write_coadd)
    path = Path(str(tree.catalogue_parts["ZCATALOG"]))
    with fits.open(path, mode="update") as hdus:
        numbers = hdus["ZCATALOG"].data["UNIQPIX"]
        other = next(number for number in numbers if number != numbers[0])
        numbers[0] = other
    store = extract(tmp_path / "root", tmp_path / "tree")
    dropped = [outcome.dropped for outcome in store.ledger.outcomes("target")]
    assert sum(gates.get("position_outside_pixel", 0) for gates in dropped) == 1
    assert read_coadds(store).num_rows == len(ORDER) - 1


@pytest.mark.parametrize("numbers", [np.array([4, 15, 16, 16384, 262144 + 5, 3, 0, -1])])
def test_uniqpix_names_order_and_pixel(numbers: np.ndarray) -> None:
    order, pixel = UniqpixTree.find_pixels(None, numbers)  # type: ignore[arg-type]
    assert order.tolist() == [0, 0, 1, 6, 8, -1, -1, -1]
    assert pixel[:5].tolist() == [0, 11, 0, 0, 5]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_missing_file_fails_its_shard_alone(tmp_path: Path, layout: str) -> None:
    tree = LAYOUTS[layout](tmp_path / "tree", ROWS, FLUX, IVAR, write_coadd)
    lost, *_ = shards = tree.find_shards("coadd")
    Path(str(tree.file("coadd", lost))).unlink()
    store = extract(tmp_path / "root", tmp_path / "tree")
    states = {o.shard: o.state for o in store.ledger.outcomes("acquire")}
    assert states == {s: ShardState.FAILED if s == lost else ShardState.DONE for s in shards}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_files_are_read(tmp_path: Path, layout: str, kind: str) -> None:
    LAYOUTS[layout](tmp_path / "tree", ROWS, FLUX, IVAR, KINDS[kind])
    for path in [*(tmp_path / "tree").rglob(f"{kind}-*"), *(tmp_path / "tree").rglob("zall-*")]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    rows = read_coadds(extract(tmp_path / "root", tmp_path / "tree"))
    np.testing.assert_allclose(to_matrix(rows["flux"]), FLUX[ORDER], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_renamed_hdu_fails_its_shard_by_name(tmp_path: Path, layout: str) -> None:
    tree = LAYOUTS[layout](tmp_path / "tree", ROWS, FLUX, IVAR, write_coadd)
    spoilt, *_ = tree.find_shards("coadd")
    with fits.open(str(tree.file("coadd", spoilt)), mode="update") as hdus:
        hdus["R_IVAR"].name = "R_NOISE"
    store = extract(tmp_path / "root", tmp_path / "tree")
    [failed] = [o for o in store.ledger.outcomes("acquire") if o.state is ShardState.FAILED]
    assert failed.shard == spoilt
    assert "no HDU R_IVAR" in str(failed.error)


@pytest.mark.parametrize("part", ["-imaging", "-extra"])
def test_parts_of_a_catalogue_are_compared(tmp_path: Path, part: str) -> None:
    LAYOUTS["loa"](tmp_path / "tree", ROWS, FLUX, IVAR, write_coadd)
    [path] = (tmp_path / "tree").rglob(f"zall-pix-loa{part}.fits")
    with fits.open(path) as hdus:
        name, rows = hdus[1].name, {n: hdus[1].data[n].copy() for n in hdus[1].columns.names}
    turned = {n: np.char.strip(v) if v.dtype.kind == "U" else v for n, v in rows.items()}
    write_table(path, **{name: turned | {"TARGETID": turned["TARGETID"][::-1]}})
    with pytest.raises(UserError, match="list different targets"):
        extract(tmp_path / "root", tmp_path / "tree")
    write_table(path, **{name: {n: v[:-1] for n, v in turned.items()}})
    with pytest.raises(UserError, match="list different targets"):
        extract(tmp_path / "root2", tmp_path / "tree")
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        extract(tmp_path / "root3", tmp_path / "tree")


def test_of_several_layouts_the_name_decides(tmp_path: Path) -> None:
    LAYOUTS["loa"](tmp_path / "tree", ROWS, FLUX, IVAR, write_coadd)
    tiles = write_tiles(tmp_path / "tree", ROWS, FLUX, IVAR, write_exposures)
    by_default = extract(tmp_path / "root", tmp_path / "tree")
    assert {o.shard.healpix for o in by_default.ledger.outcomes("extract")} == {100, 205}
    named = extract(tmp_path / "tiles", tmp_path / "tree", "run.survey=desi-tiles")
    shards = {outcome.shard for outcome in named.ledger.outcomes("extract")}
    assert shards == set(tiles.find_shards("coadd"))
    assert isinstance(tiles, TileTree)
