"""Single exposures are coadded by target: usable fibres only, by inverse variance."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from coadd_variants import FLUX, IDS, IVAR, rewrite
from desi_tree import write_coadd

from catalog_schema.desi import ARM_PIXELS
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd, read_arms, read_targetids
from pipeline.transport.sources import local_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coadd(tmp_path / "spectra-main-dark-1.fits", IDS, FLUX, IVAR)


@pytest.mark.parametrize("bit", [None, 2, 3, 9, 16, 22, 23, 24])
def test_single_exposures_are_coadded_where_their_fibre_is_usable(
    path: Path, bit: int | None
) -> None:
    status = np.array([0, 0 if bit is None else 1 << bit, 0, 0])

    def change(hdus: fits.HDUList) -> None:
        columns = [
            fits.Column("TARGETID", "K", array=[1, 1, 2, 3]),
            fits.Column("EXPID", "J", array=IDS),
            fits.Column("FIBERSTATUS", "J", array=status),
        ]
        hdus["FIBERMAP"] = fits.BinTableHDU.from_columns(columns, name="FIBERMAP")

    coadd = open_coadd(local_file(rewrite(path, change)))
    check_coadd(coadd)
    assert read_targetids(coadd).tolist() == [1, 2, 3]
    assert "4 single exposures of 3 targets" in coadd.notes[0]
    # Bit 3 only says that the fibre's reach is restricted.
    lost = {None: "", 3: "", 22: "b", 23: "r", 24: "z"}.get(bit, "brz")
    for arm, found in zip(
        "brz", read_arms(coadd, np.array([2, 0]), AcquireSettings()), strict=True
    ):
        pixels = slice(*ARM_PIXELS[arm])
        flux, ivar = FLUX[:, pixels].astype(float), IVAR[:, pixels].astype(float)
        used = [0] if arm in lost else [0, 1]
        total = ivar[used].sum(axis=0)
        np.testing.assert_allclose(found.flux[0], flux[3], rtol=1e-6)
        np.testing.assert_allclose(found.ivar[1], total, rtol=1e-6)
        mean = (ivar[used] * flux[used]).sum(axis=0) / total
        np.testing.assert_allclose(found.flux[1], mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("masked", [(0,), (0, 1)])
def test_a_pixel_that_every_exposure_masks_keeps_all_their_bits(
    path: Path, masked: tuple[int, ...]
) -> None:
    def change(hdus: fits.HDUList) -> None:
        columns = [
            fits.Column("TARGETID", "K", array=[1, 1, 2, 3]),
            fits.Column("EXPID", "J", array=IDS),
        ]
        hdus["FIBERMAP"] = fits.BinTableHDU.from_columns(columns, name="FIBERMAP")
        for row in masked:
            hdus["B_MASK"].data[row, 100] = 1 << row

    coadd = open_coadd(local_file(rewrite(path, change)))
    b = read_arms(coadd, np.array([0]), AcquireSettings())[0]
    is_lost = len(masked) == 2
    assert b.mask[0, 100] == (3 if is_lost else 0)
    expected = IVAR[:2, 100].sum() if is_lost else IVAR[1, 100]
    assert b.ivar[0, 100] == pytest.approx(expected, rel=1e-6)
