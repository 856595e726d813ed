"""One survey from a folder, a bucket and a mirror: the same lake, in few requests."""

import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from lake_runs import extract_lake, list_contents, make_config
from loopback import read_tree, serving, upload, without_credentials

from pipeline.errors import DataError, UserError
from pipeline.fits.tables import iterate_columns, read_columns
from pipeline.flow.data_path import start_run
from pipeline.lake.layout import Lake
from pipeline.ledger.books import Ledger
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import open_coadd, read_arms
from pipeline.spectra.desi.joined_file import fetch_object
from pipeline.spectra.desi.transfer_plan import describe_transfer
from pipeline.transport.sources import MemorySource, local_file, open_source


@pytest.fixture(scope="module")
def local(mock_survey: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return list_contents(extract_lake(mock_survey, tmp_path_factory.mktemp("local") / "root"))


@pytest.fixture
def bucket(mock_survey: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    without_credentials(monkeypatch, endpoint)
    return upload(endpoint, "dr1", read_tree(mock_survey))


def _coadd(tree: Path) -> Path:
    return next(tree.glob("spectro/redux/iron/healpix/main/dark/*/*/coadd-*.fits"))


@pytest.mark.parametrize("mode", ["auto", "hdus", "rows"])
def test_bucket_gives_the_same_lake_as_the_folder(
    bucket: str, local: dict[str, str], tmp_path: Path, mode: str
) -> None:
    store = extract_lake(bucket, tmp_path / "root", f"acquire.mode={mode}")
    assert list_contents(store) == local
    booked = Ledger(store.lake.ledger).outcomes("extract")
    assert all(outcome.n_bytes > 0 for outcome in booked)


def test_mirror_gives_the_same_lake_as_the_folder(
    mock_survey: Path, local: dict[str, str], tmp_path: Path
) -> None:
    with serving(read_tree(mock_survey)) as mirror:
        assert list_contents(extract_lake(mirror.url, tmp_path / "root")) == local


def test_bucket_without_a_catalogue_is_listed_for_redrock_files(
    mock_survey: Path, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_credentials(monkeypatch, endpoint)
    tree = shutil.copytree(mock_survey, tmp_path / "tree")
    next(tree.rglob("zall-pix-*.fits")).unlink()
    remote = extract_lake(upload(endpoint, "redrock", read_tree(tree)), tmp_path / "remote")
    assert list_contents(remote) == list_contents(extract_lake(tree, tmp_path / "folder"))


def test_mirror_without_a_catalogue_is_one_clear_line(tmp_path: Path) -> None:
    with serving({}) as mirror, pytest.raises(UserError, match="cannot be listed over HTTP"):
        extract_lake(mirror.url, tmp_path / "root")


def test_empty_address_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="s3://BUCKET"):
        extract_lake("s3://", tmp_path / "root")


def test_object_is_fetched_again_in_a_handful_of_requests(bucket: str, tmp_path: Path) -> None:
    store = extract_lake(bucket, tmp_path / "root")
    config = make_config(bucket)
    shard = next(s for s, n in start_run(store, config).count_rows("targets").items() if n)
    row = store.read(store.lake.shard("coadds", shard)).to_pylist()[0]
    source = open_source(bucket, config.acquire)
    before = source.counts.requests.total()
    spectra = fetch_object(bucket, store.lake, shard, row["TARGETID"], config)
    assert source.counts.requests.total() - before <= 11
    assert np.array_equal(spectra.flux[0], np.array(row["flux"], np.float32))
    with pytest.raises(DataError, match="no target 17"):
        fetch_object(bucket, store.lake, shard, 17, config)


def test_headers_cost_few_requests_and_are_kept(
    bucket: str, mock_survey: Path, tmp_path: Path
) -> None:
    path = _coadd(mock_survey).relative_to(mock_survey).as_posix()
    source, kept = open_source(bucket, AcquireSettings()).session(), tmp_path / "index.json"
    walked = open_coadd(source.file(path), kept)
    assert source.counts.requests.total() <= 16
    with fits.open(_coadd(mock_survey)) as hdus:
        for hdu in hdus:
            found = walked.hdu(hdu.name)
            place = hdu.fileinfo()
            assert (found.start, found.data) == (place["hdrLoc"], place["datLoc"])
            assert found.stop == place["datLoc"] + place["datSpan"]
    again = open_coadd(source.session().file(path), kept, walked.index.identity)
    assert again.index == walked.index
    assert again.file.source.counts.requests.total() == 0


@pytest.mark.parametrize("gap", [None, 0, 2**20])
def test_rows_equal_those_that_astropy_reads(mock_survey: Path, gap: int | None) -> None:
    rows = np.array([7, 2, 3, 11])
    coadd = open_coadd(local_file(_coadd(mock_survey)))
    with fits.open(_coadd(mock_survey)) as hdus:
        for mode in ("rows", "hdus"):
            arms = read_arms(coadd, rows, AcquireSettings(mode=mode, gap=gap))
            for letter, arm in zip("BRZ", arms, strict=True):
                assert np.array_equal(arm.flux, hdus[f"{letter}_FLUX"].data[rows])
                assert np.array_equal(arm.ivar, hdus[f"{letter}_IVAR"].data[rows])
                assert np.array_equal(arm.mask, hdus[f"{letter}_MASK"].data[rows])
                assert arm.mask.dtype == np.uint32


def test_gzipped_and_compressed_files_give_the_same_spectra(
    mock_survey: Path, local: dict[str, str], tmp_path: Path
) -> None:
    tree = shutil.copytree(mock_survey, tmp_path / "tree")
    packed, squeezed = sorted(tree.rglob("coadd-*.fits"))
    packed.with_name(f"{packed.name}.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    with fits.open(squeezed) as hdus:
        for at, hdu in enumerate(hdus):
            if hdu.name.endswith("_MASK"):
                hdus[at] = fits.CompImageHDU(hdu.data, hdu.header, name=hdu.name)
        hdus.writeto(squeezed, overwrite=True)
    assert list_contents(extract_lake(tree, tmp_path / "root")) == local
    with serving(read_tree(tree)) as mirror:
        assert list_contents(extract_lake(mirror.url, tmp_path / "mirrored")) == local


def test_gzipped_file_is_checked_against_its_published_sum(
    mock_survey: Path, tmp_path: Path
) -> None:
    data = gzip.compress(_coadd(mock_survey).read_bytes(), mtime=0)
    folder = "spectro/redux/iron/healpix/main/dark/88/8815"
    listing = f"{folder}/redux_iron_healpix_main_dark_88_8815.sha256sum"
    files = {f"{folder}/coadd-x.fits.gz": data}
    with serving(files) as mirror:
        file = open_source(mirror.url, AcquireSettings()).file(f"{folder}/coadd-x.fits.gz")
        files[listing] = f"{hashlib.sha256(data).hexdigest()}  coadd-x.fits.gz\n".encode()
        assert open_coadd(file).n_rows > 0
        files[listing] = f"{'0' * 64}  coadd-x.fits.gz\n".encode()
        with pytest.raises(DataError, match="published sha256sum"):
            open_coadd(file)


def test_table_columns_equal_those_that_astropy_reads(tmp_path: Path) -> None:
    path = tmp_path / "table.fits"
    rng = np.random.default_rng(3)
    values = {
        "FLAG": ("L", rng.random(50) > 0.5),
        "BYTE": ("B", rng.integers(0, 255, 50)),
        "SHORT": ("I", rng.integers(-9, 9, 50)),
        "LONG": ("K", rng.integers(-(2**60), 2**60, 50)),
        "MANY": ("3E", rng.random((50, 3))),
        "REAL": ("D", rng.random(50)),
        "NAME": ("6A", np.array(["QSO", " x ", ""] * 17)[:50]),
    }
    columns = [fits.Column(n, form, array=v) for n, (form, v) in values.items()]
    unsigned = rng.integers(0, 2**32, 50, dtype=np.uint32)
    columns += [
        fits.Column("UNSIGNED", "J", bzero=2**31, array=unsigned),
        fits.Column("LISTS", "PJ()", array=np.array([[1], [2, 3]] * 25, dtype=object)),
    ]
    fits.BinTableHDU.from_columns(columns, name="T").writeto(path)
    names = [*values, "UNSIGNED"]
    read = read_columns(local_file(path), "T", names, ["ABSENT"])
    with fits.open(path) as hdus:
        for name in values:
            expected = np.asarray(hdus["T"].data[name])
            same = np.char.strip(expected) if expected.dtype.kind == "U" else expected
            assert np.array_equal(read[name], same), name
    assert np.array_equal(read["UNSIGNED"], unsigned)
    blocks = list(iterate_columns(local_file(path), "T", names, block_bytes=1000))
    assert len(blocks) == 3
    for name in names:
        assert np.array_equal(np.concatenate([block[name] for block in blocks]), read[name])
    with pytest.raises(DataError, match="has no column ABSENT"):
        read_columns(local_file(path), "T", ["ABSENT"])


def test_plan_prices_every_mode_without_fetching_spectra(bucket: str, tmp_path: Path) -> None:
    store = extract_lake(bucket, tmp_path / "root")
    shutil.rmtree(store.lake.dataset("coadds"))
    lines = list(describe_transfer(start_run(store, make_config(bucket, "acquire.gap=0"))))
    n_bytes = {line[:12].strip(): float(line[12:24]) for line in lines[3:7]}
    assert lines[0] == "shards      2 of 2 usable"
    assert n_bytes["as set"] <= n_bytes["whole HDUs"] < n_bytes["whole file"]
    assert n_bytes["rows"] <= n_bytes["whole HDUs"]
    assert not Lake(tmp_path / "root").dataset("coadds").exists()


def test_rows_are_read_straight_to_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(100)))
    file = local_file(path)
    into = np.zeros((3, 4), np.uint8)
    places = [(start, into[k].data) for k, start in enumerate((90, 0, 50))]
    file.read_into(places, file.stat().identity)
    assert into.tolist() == [[90, 91, 92, 93], [0, 1, 2, 3], [50, 51, 52, 53]]
    assert file.source.counts.requests["read"] == 3
    assert file.source.counts.n_bytes == 12
    with pytest.raises(DataError, match="ends before byte 102"):
        file.read_into([(98, into[0].data)])
    with pytest.raises(DataError, match="changed since"):
        file.read_into(places, "another")


def test_rows_of_any_source_are_read_into_memory() -> None:
    file = MemorySource("memory", bytes(range(100))).file("a")
    into = np.zeros(4, np.uint8)
    file.read_into([(7, into.data)])
    assert into.tolist() == [7, 8, 9, 10]
    with pytest.raises(DataError, match="ends early"):
        file.read_into([(98, into.data)])
