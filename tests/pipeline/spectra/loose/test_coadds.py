"""FITS files of a folder: which is a coadd, which goes with one, and why the rest is left out."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from desi_tree import make_quasars, write_coadd, write_table

from pipeline.spectra.loose.coadds import explain_stranger, find_redrock, is_companion, is_fits

IDS = np.array([1, 2])


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("a.fits", True),
        ("a.FITS", True),
        ("a.fit", True),
        ("a.fts", True),
        ("a.fits.gz", True),
        ("a.fits.fz", True),
        ("a.b.Fit.GZ", True),
        ("a.fits.bz2", False),
        ("afits", False),
        (".fits", False),
        ("a.fits.txt", False),
        ("a.fitsx", False),
        ("a.csv", False),
    ],
)
def test_a_fits_file_is_known_by_its_name(name: str, answer: bool) -> None:
    assert is_fits(Path("folder.fits") / name) is answer


@pytest.mark.parametrize("packed", ["", ".gz", ".fz"])
@pytest.mark.parametrize("own", ["", ".gz", ".fz"])
def test_redshifts_beside_a_coadd_are_found_packed_or_not(
    tmp_path: Path, packed: str, own: str
) -> None:
    coadd = tmp_path / f"coadd-main-dark-7.fits{own}"
    assert find_redrock(coadd) is None
    touch(tmp_path, f"redrock-main-dark-7.fits{packed}", "redrock-main-dark-77.fits", coadd.name)
    beside = tmp_path / f"redrock-main-dark-7.fits{packed}"
    assert find_redrock(coadd) == beside
    assert is_companion(beside)
    assert not is_companion(coadd)
    assert not is_companion(tmp_path / "redrock-main-dark-77.fits")


def test_the_plain_file_is_taken_before_a_packed_one(tmp_path: Path) -> None:
    touch(tmp_path, "redrock-x.fits", "redrock-x.fits.gz")
    assert find_redrock(tmp_path / "coadd-x.fits") == tmp_path / "redrock-x.fits"


@pytest.mark.parametrize("name", ["spectra-x.fits", "x.fits", "zcoadd-x.fits", "redrock-x.fits"])
def test_what_is_no_coadd_by_name_has_no_redshifts_beside_it(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "redrock-x.fits", name)
    assert find_redrock(tmp_path / name) is None


def test_a_coadd_by_its_name_is_no_stranger_in_any_state(tmp_path: Path) -> None:
    touch(tmp_path, "coadd-x.fits")
    assert explain_stranger(tmp_path / "coadd-x.fits") is None
    assert explain_stranger(tmp_path / "coadd-gone.fits") is None


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_what_goes_with_a_coadd_is_told_with_its_name(tmp_path: Path, packed: str) -> None:
    touch(tmp_path, f"coadd-x.fits{packed}", "spectra-x.fits")
    assert explain_stranger(tmp_path / "spectra-x.fits") == f"coadd-x.fits{packed} is there"


def test_spectra_under_another_name_are_read(tmp_path: Path) -> None:
    flux, ivar = make_quasars(np.array([1.0, 1.5]))
    path = write_coadd(tmp_path / "mine.fits", IDS, flux, ivar)
    assert explain_stranger(path) is None
    packed = tmp_path / "packed-mine.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert explain_stranger(packed) is None


def test_strangers_are_explained_in_one_line_without_their_path(tmp_path: Path) -> None:
    table = {"TARGETID": IDS, "Z": IDS * 0.5}
    write_table(tmp_path / "table.fits", REDSHIFTS=table)
    touch(tmp_path, "empty.fits")
    (tmp_path / "page.fits").write_text("<html>not found</html>" * 300)
    for name in ("table.fits", "empty.fits", "page.fits"):
        reason = explain_stranger(tmp_path / name)
        assert reason, name
        assert str(tmp_path) not in reason
        assert "\n" not in reason
