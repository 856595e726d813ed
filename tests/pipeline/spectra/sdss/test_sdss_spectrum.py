"""SDSS's spec files: read as they are, refused by name where they are not what they should be."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from spec_files import LOGLAM, write_spec

from pipeline.errors import DataError, MissingFileError
from pipeline.spectra.sdss.spec_file import LOG10_STEP, LogSpectrum, read_spectrum
from pipeline.transport.sources import local_file


def read(path: Path) -> LogSpectrum:
    return read_spectrum(local_file(path))


def test_pixels_keep_their_place_and_their_noise(tmp_path: Path) -> None:
    flux = np.arange(len(LOGLAM), dtype=np.float32)
    ivar = np.full(len(LOGLAM), 4, np.float32)
    found = read(write_spec(tmp_path / "spec.fits", flux=flux, ivar=ivar))
    np.testing.assert_array_equal(found.flux, flux)
    np.testing.assert_array_equal(found.ivar, ivar)
    assert found.log10_first == pytest.approx(3.5810, abs=1e-6)


def test_what_is_no_light_is_bad_and_bright_sky_is_not(tmp_path: Path) -> None:
    flux, ivar = np.ones((2, len(LOGLAM)), np.float32)
    mask = np.zeros(len(LOGLAM), np.int32)
    flux[1], ivar[2], ivar[3], ivar[4] = np.nan, np.nan, -1, 0
    mask[5], mask[6], mask[7] = 1 << 24, 1 << 23, 1 << 28
    found = read(write_spec(tmp_path / "spec.fits", flux=flux, ivar=ivar, and_mask=mask))
    bad = np.isin(np.arange(len(LOGLAM)), [1, 2, 3, 4, 5, 7])
    np.testing.assert_array_equal(found.ivar == 0, bad)
    assert np.isfinite(found.flux).all()


def test_a_gap_is_filled_with_bad_pixels(tmp_path: Path) -> None:
    kept = np.delete(np.arange(len(LOGLAM)), np.s_[100:110])
    flux, ivar = np.ones((2, len(kept)), np.float32)
    path = write_spec(
        tmp_path / "spec.fits",
        loglam=LOGLAM[kept].astype(np.float32),
        flux=flux,
        ivar=ivar,
        and_mask=np.zeros(len(kept), np.int32),
    )
    found = read(path)
    assert len(found.flux) == len(LOGLAM)
    np.testing.assert_array_equal(np.flatnonzero(found.ivar == 0), np.arange(100, 110))


def test_a_table_without_a_name_in_upper_case_is_read(tmp_path: Path) -> None:
    path = write_spec(tmp_path / "spec.fits", name="")
    with fits.open(path, mode="update") as hdus:
        for column in list(hdus[1].columns.names):
            hdus[1].columns.change_name(column, column.upper())
    assert (read(path).flux == 10).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"loglam": LOGLAM[::-1].astype(np.float32)}, "does not rise in steps"),
        ({"loglam": (LOGLAM * 1.1).astype(np.float32)}, "does not rise in steps"),
        ({"loglam": (10**LOGLAM).astype(np.float32)}, "no wavelengths"),
        ({"loglam": np.full(len(LOGLAM), np.nan, np.float32)}, "no wavelengths"),
    ],
)
def test_another_grid_is_refused(tmp_path: Path, columns: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write_spec(tmp_path / "spec.fits", **columns))


def test_unit_of_the_flux_is_converted_or_refused(tmp_path: Path) -> None:
    path = write_spec(tmp_path / "spec.fits")
    for unit, factor in (("1E-17 erg/cm^2/s/Ang", 1), ("1E-16 erg/cm^2/s/Ang", 10)):
        fits.setval(path, "BUNIT", value=unit, ext=0)
        found = read(path)
        np.testing.assert_allclose(found.flux, 10 * factor)
        np.testing.assert_allclose(found.ivar, factor**-2.0)
    fits.setval(path, "BUNIT", value="ADU", ext=0)
    with pytest.raises(DataError, match=r"its flux is in 'ADU', which is no"):
        read(path)


def test_damaged_and_foreign_files_are_refused_by_name(tmp_path: Path) -> None:
    whole = write_spec(tmp_path / "spec.fits").read_bytes()
    (tmp_path / "short.fits").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"short\.fits.*truncated"):
        read(tmp_path / "short.fits")
    (tmp_path / "page.fits").write_text("<html>not found</html>" * 300)
    with pytest.raises(DataError, match=r"page\.fits.*unreadable"):
        read(tmp_path / "page.fits")
    fits.PrimaryHDU(np.ones((3, 3))).writeto(tmp_path / "image.fits")
    with pytest.raises(DataError, match=r"image\.fits: no table"):
        read(tmp_path / "image.fits")
    table = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=np.ones(3))])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "other.fits")
    with pytest.raises(DataError, match=r"other\.fits: no column loglam, ivar, and_mask"):
        read(tmp_path / "other.fits")
    with pytest.raises(MissingFileError):
        read(tmp_path / "nothing.fits")


def test_real_spectra_are_read(real_data: Path) -> None:
    paths = [*(real_data / "desi_clagn").glob("spec-*.fits"), *(real_data / "sdss").glob("*.fits")]
    assert len(paths) == 68
    for path in paths[::9]:
        found = read(path)
        assert 3.5 < found.log10_first < 3.6
        assert (found.ivar > 0).mean() > 0.7
        assert found.log10_first + LOG10_STEP * len(found.flux) > 3.95
