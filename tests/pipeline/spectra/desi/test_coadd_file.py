"""DESI's FITS files: found by name, checked, and every fault one line that names file and HDU."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from coadd_variants import FLUX, IDS, IVAR, N_VARIANT, Change, read, refuse, rewrite, same
from desi_tree import make_quasars, make_rows, write_coadd, write_table

from catalog_schema.desi import ARM_PIXELS
from pipeline.errors import DataError
from pipeline.fits import tables
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi import coadd_file
from pipeline.spectra.desi.coadd_file import open_coadd
from pipeline.spectra.science.coadd import ArmSpectra
from pipeline.transport.sources import local_file

N = 6


def check_coadd(path: Path) -> int:
    opened = coadd_file.open_coadd(local_file(path))
    coadd_file.check_coadd(opened)
    return opened.n_rows


def read_arms(path: Path, rows: np.ndarray) -> list[ArmSpectra]:
    opened = coadd_file.open_coadd(local_file(path))
    return coadd_file.read_arms(opened, rows, AcquireSettings())


def read_columns(path: Path, *wanted: object) -> dict[str, np.ndarray]:
    return tables.read_columns(local_file(path), *wanted)


@pytest.fixture
def coadd(tmp_path: Path) -> Path:
    flux, ivar = make_quasars(np.linspace(1, 2, N))
    mask = np.zeros(flux.shape, np.uint32)
    mask[1, 10], mask[2, 4000] = 2**31, 5
    return write_coadd(tmp_path / "coadd-main-dark-1.fits", np.arange(1, N + 1), flux, ivar, mask)


def change(path: Path, name: str, hdu: fits.ImageHDU | None) -> None:
    with fits.open(path) as hdus:
        kept = [hdu if h.name == name else h.copy() for h in hdus]
        fits.HDUList([h for h in kept if h is not None]).writeto(path, overwrite=True)


def explain(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        check_coadd(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_arms_of_some_rows_in_any_order(coadd: Path) -> None:
    assert check_coadd(coadd) == N
    rows = np.array([4, 1, 2, 1])
    arms = read_arms(coadd, rows)
    with fits.open(coadd) as hdus:
        for arm, (name, (first, last)) in zip(arms, ARM_PIXELS.items(), strict=True):
            assert arm.first_pixel == first
            assert arm.flux.shape == (4, last - first)
            for kind in ("flux", "ivar", "mask"):
                values = getattr(arm, kind)
                expected = hdus[f"{name}_{kind}".upper()].data[rows]
                np.testing.assert_array_equal(values, expected)
                assert values.dtype.isnative


@pytest.mark.parametrize("mode", ["hdus", "rows"])
def test_little_memory_gives_the_same_spectra(coadd: Path, mode: str) -> None:
    """Every image comes alone, and its checksum still holds."""
    rows = np.array([4, 1, 2, 1])
    frugal = AcquireSettings(mode=mode, max_raw_bytes=1)
    opened = coadd_file.open_coadd(local_file(coadd))
    for arm, usual in zip(
        coadd_file.read_arms(opened, rows, frugal), read_arms(coadd, rows), strict=True
    ):
        for kind in ("flux", "ivar", "mask"):
            np.testing.assert_array_equal(getattr(arm, kind), getattr(usual, kind))


def test_mask_is_unsigned(coadd: Path) -> None:
    """MASK is uint32 stored as int32 with BZERO."""
    assert fits.getheader(coadd, "B_MASK")["BZERO"] == 2**31
    b, r, _ = read_arms(coadd, np.array([1, 2]))
    assert b.mask[0, 10] == 2**31
    assert r.mask[1, 4000 - ARM_PIXELS["r"][0]] == 5
    assert b.mask.sum() == 2**31


def test_no_rows(coadd: Path) -> None:
    for arm in read_arms(coadd, np.zeros(0, int)):
        assert arm.flux.shape == arm.mask.shape == (0, arm.ivar.shape[1])


@pytest.mark.parametrize("name", ["B_FLUX", "R_IVAR", "Z_MASK", "Z_WAVELENGTH", "FIBERMAP"])
def test_missing_hdu_is_named(coadd: Path, name: str) -> None:
    change(coadd, name, None)
    message = explain(coadd)
    assert name in message
    expected = (
        "not a DESI file of this kind"
        if name == "FIBERMAP"
        else f"arm {name[0].lower()} is incomplete"
    )
    assert expected in message


@pytest.mark.parametrize("shift", [0.02, 0.8, -100.0])
def test_other_grid(coadd: Path, shift: float) -> None:
    first, last = ARM_PIXELS["r"]
    wave = 3600 + 0.8 * np.arange(first, last) + shift
    change(coadd, "R_WAVELENGTH", fits.ImageHDU(wave, name="R_WAVELENGTH"))
    assert "R_WAVELENGTH is not DESI's grid" in explain(coadd)


def test_grid_of_another_length_or_with_nan(coadd: Path) -> None:
    change(coadd, "B_WAVELENGTH", fits.ImageHDU(np.arange(10.0), name="B_WAVELENGTH"))
    assert "B_WAVELENGTH" in explain(coadd)
    change(coadd, "B_WAVELENGTH", fits.ImageHDU(np.full(2751, np.nan), name="B_WAVELENGTH"))
    assert "B_WAVELENGTH" in explain(coadd)


def test_rounded_wavelengths_are_the_same_grid(coadd: Path) -> None:
    first, last = ARM_PIXELS["b"]
    wave = (3600 + 0.8 * np.arange(first, last)).astype(np.float32)
    change(coadd, "B_WAVELENGTH", fits.ImageHDU(wave, name="B_WAVELENGTH"))
    assert check_coadd(coadd) == N


def test_other_shape(coadd: Path) -> None:
    change(coadd, "Z_IVAR", fits.ImageHDU(np.ones((N - 1, 2881), np.float32), name="Z_IVAR"))
    assert "Z_IVAR has shape" in explain(coadd)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_file(coadd: Path, share: float) -> None:
    os.truncate(coadd, int(coadd.stat().st_size * share))
    explain(coadd)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"SIMPLE  =", bytes(5760)])
def test_no_fits(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "coadd.fits"
    path.write_bytes(content)
    explain(path)


def test_missing_file(tmp_path: Path) -> None:
    assert "no such file" in explain(tmp_path / "nothing.fits")


def test_folder_in_the_place_of_a_file_and_a_name_too_long(tmp_path: Path) -> None:
    (tmp_path / "coadd.fits").mkdir()
    assert "cannot be read" in explain(tmp_path / "coadd.fits")
    assert "cannot be read" in explain(tmp_path / ("a" * 300 + ".fits"))


def test_compressed_file_reads_the_same(coadd: Path) -> None:
    packed = coadd.with_name(f"{coadd.name}.gz")
    packed.write_bytes(gzip.compress(coadd.read_bytes(), 1))
    assert check_coadd(packed) == N
    for one, two in zip(
        read_arms(coadd, np.arange(N)), read_arms(packed, np.arange(N)), strict=True
    ):
        np.testing.assert_array_equal(one.flux, two.flux)
        np.testing.assert_array_equal(one.mask, two.mask)


def test_damaged_compressed_file(coadd: Path) -> None:
    packed = coadd.with_name(f"{coadd.name}.gz")
    raw = bytearray(gzip.compress(coadd.read_bytes(), 1))
    packed.write_bytes(raw[: len(raw) // 2])
    explain(packed)
    raw[len(raw) // 4 : len(raw) // 4 + 500] = b"\xff" * 500
    packed.write_bytes(raw)
    explain(packed)


def test_columns_are_native_and_stripped(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.fits", T=make_rows(3, PROGRAM=["dark ", "bright", " "]))
    columns = read_columns(path, "T", ("TARGETID", "PROGRAM", "Z"), ("EBV", "NOTHING"))
    assert [*columns] == ["TARGETID", "PROGRAM", "Z", "EBV"]
    assert columns["PROGRAM"].tolist() == ["dark", "bright", ""]
    assert columns["TARGETID"].dtype == np.dtype("=i8")
    assert all(values.dtype.isnative for values in columns.values())
    with pytest.raises(DataError, match="no column ONE, TWO"):
        read_columns(path, "T", ("ONE", "Z", "TWO"))
    with pytest.raises(DataError, match="no HDU OTHER"):
        read_columns(path, "OTHER", ("Z",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coadd(tmp_path / "coadd-main-dark-1.fits", IDS, FLUX, IVAR)


@pytest.mark.parametrize("is_packed", [False, True])
def test_short_last_block(path: Path, is_packed: bool) -> None:
    usual, _ = read(path)
    raw = path.read_bytes().rstrip(b"\0")
    end = open_coadd(local_file(path)).hdu("Z_MASK")
    raw = raw.ljust(end.data + end.n_bytes, b"\0")
    assert len(raw) % 2880
    if is_packed:
        path = path.with_name(f"{path.name}.gz")
    path.write_bytes(gzip.compress(raw, 1) if is_packed else raw)
    same(read(path, is_strict=True)[0], usual)


def test_file_cut_off_behind_all_that_is_read(path: Path) -> None:
    usual, _ = read(path)
    table = fits.BinTableHDU.from_columns(
        [fits.Column("A", "D", array=np.ones(N_VARIANT))], name="SCORES"
    )
    rewrite(path, lambda hdus: hdus.append(table))
    whole, end = path.read_bytes(), open_coadd(local_file(path)).hdu("SCORES").data
    path.write_bytes(whole[: end + 5])
    spectra, [note] = read(path)
    same(spectra, usual)
    assert "truncated in HDU SCORES" in note
    assert "truncated in HDU SCORES" in refuse(path, is_strict=True)


@pytest.mark.parametrize("name", ["FIBERMAP", "B_MASK", "R_IVAR", "Z_WAVELENGTH", "Z_MASK"])
def test_file_cut_off_in_what_is_read_lacks_no_arm(path: Path, name: str) -> None:
    hdu = open_coadd(local_file(path)).hdu(name)
    path.write_bytes(path.read_bytes()[: hdu.data + hdu.n_bytes - 1])
    assert f"truncated in HDU {name}" in refuse(path)


def test_name_that_is_not_true_of_the_compression(path: Path) -> None:
    usual, _ = read(path)
    packed = path.with_name("a.fits.gz")
    packed.write_bytes(path.read_bytes())
    same(read(packed)[0], usual)
    path.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert "let its name end in .gz" in refuse(path)


def test_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "coadd.fits.gz"
    path.write_bytes(gzip.compress(bytes(2**27), 9))
    assert "too large to unpack" in refuse(path)


@pytest.mark.parametrize("form", ["J", "K", "unsigned", "D"])
def test_identifiers_of_any_width_and_never_floats(path: Path, form: str) -> None:
    usual, _ = read(path)

    def change(hdus: fits.HDUList) -> None:
        column = fits.Column("TARGETID", "K" if form == "unsigned" else form, array=IDS)
        if form == "unsigned":
            column = fits.Column("TARGETID", "K", bzero=2**63, array=IDS.astype(np.uint64))
        hdus["FIBERMAP"] = fits.BinTableHDU.from_columns([column], name="FIBERMAP")

    rewrite(path, change)
    if form == "D":
        assert "TARGETID holds float64" in refuse(path)
    else:
        same(read(path)[0], usual)


def test_rows_of_all_tables_are_the_same_targets(path: Path) -> None:
    def append(ids: np.ndarray) -> Change:
        columns = [fits.Column("TARGETID", "K", array=ids)]
        hdu = fits.BinTableHDU.from_columns(columns, name="SCORES")
        return lambda hdus: fits.HDUList([h for h in hdus if h.name != "SCORES"] + [hdu])

    read(rewrite(path, append(IDS)))
    for ids in (IDS[::-1], IDS[:-1]):
        told = refuse(rewrite(path, append(ids)))
        assert "FIBERMAP and SCORES list different targets" in told


def test_names_and_order_of_hdus(path: Path) -> None:
    usual, _ = read(path)

    def change(hdus: fits.HDUList) -> fits.HDUList:
        first, *others = hdus
        for hdu in others:
            hdu.header["EXTNAME"] = f" {hdu.name.lower()} "
        return fits.HDUList([first, *others[::-1]])

    same(read(rewrite(path, change))[0], usual)


def test_two_hdus_of_one_name_are_refused(path: Path) -> None:
    def change(hdus: fits.HDUList) -> None:
        hdus.append(hdus["R_FLUX"].copy())

    assert "2 HDUs R_FLUX" in refuse(rewrite(path, change))


@pytest.mark.parametrize(
    ("name", "told"),
    [("REDSHIFTS", "as --redshifts"), ("ZCATALOG", "as --redshifts"), ("OTHER", "no HDU FIBERMAP")],
)
def test_other_files_are_told_by_their_name(tmp_path: Path, name: str, told: str) -> None:
    path = tmp_path / "file.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("TARGETID", "K", array=IDS)], name=name)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    assert told in refuse(path)


def test_real_coadds(real_data: Path) -> None:
    assert check_coadd(real_data / "desi" / "coadd-sv3-dark-26065.fits") == 5
    assert check_coadd(real_data / "desi" / "coadd-4-80613-thru20210324.fits") == 1
    for arm in read_arms(real_data / "desi" / "coadd-4-80613-thru20210324.fits", np.array([0])):
        assert arm.mask.dtype.kind in "iu"


def test_real_file_without_two_arms_is_refused_by_name(real_data: Path) -> None:
    message = explain(real_data / "desi" / "badformat-spectra-main-dark-9144.fits")
    assert "B_WAVELENGTH" in message
    assert "arm b is incomplete" in message


def test_real_compressed_mask(real_data: Path) -> None:
    """MASK of the spectra file is tile-compressed; two of its fibres missed their targets."""
    path = real_data / "desi" / "spectra-sv3-dark-26065.fits"
    n = check_coadd(path)
    b, *_ = read_arms(path, np.arange(n)[::-1])
    is_usable = np.array([True, True, True, False, False])
    expected = np.where(is_usable[:, None], fits.getdata(path, "B_MASK"), 0)
    np.testing.assert_array_equal(b.mask, expected[::-1])
    assert not b.ivar[:2].any()
