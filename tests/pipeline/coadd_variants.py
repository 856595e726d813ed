"""Coadds unlike DESI's own: how their files are changed, read and refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from desi_tree import make_quasars

from pipeline.errors import DataError
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.science.coadd import Spectra
from pipeline.transport.sources import local_file

N_VARIANT = 4
IDS = np.arange(1, N_VARIANT + 1)
FLUX, IVAR = make_quasars(np.linspace(1, 2, N_VARIANT))
UNIT, IVAR_UNIT = "10**-17 erg/(s cm2 Angstrom)", "10**+34 (s2 cm4 Angstrom2) / erg2"
Change = Callable[[fits.HDUList], object]


def rewrite(path: Path, change: Change) -> Path:
    """Write the file with its HDUs changed; where the change returns some, with these."""
    with fits.open(path) as hdus:
        copies = fits.HDUList([hdu.copy() for hdu in hdus])
    changed = change(copies)
    result = changed if isinstance(changed, fits.HDUList) else copies
    result.writeto(path, overwrite=True)
    return path


def read(path: Path, is_strict: bool = False) -> tuple[Spectra, tuple[str, ...]]:
    coadd = open_coadd(local_file(path))
    check_coadd(coadd, is_strict)
    spectra, _, notes = join_file(coadd, np.arange(N_VARIANT), IDS, 1e-6, AcquireSettings())
    return spectra, notes


def refuse(path: Path, is_strict: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        read(path, is_strict)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def drop(*names: str) -> Change:
    return lambda hdus: fits.HDUList([hdu for hdu in hdus if hdu.name not in names])


def replace(name: str, values: np.ndarray, **cards: object) -> Change:
    def change(hdus: fits.HDUList) -> None:
        hdus[name] = fits.ImageHDU(values, name=name)
        hdus[name].header.update(cards)

    return change


def name_units(hdus: fits.HDUList, flux: str = UNIT, ivar: str = IVAR_UNIT) -> None:
    for arm in "BRZ":
        hdus[f"{arm}_FLUX"].header["BUNIT"] = flux
        hdus[f"{arm}_IVAR"].header["BUNIT"] = ivar
        hdus[f"{arm}_WAVELENGTH"].header["BUNIT"] = "Angstrom"


def same(one: Spectra, two: Spectra, rtol: float = 0) -> None:
    np.testing.assert_allclose(one.flux, two.flux, rtol=rtol)
    np.testing.assert_allclose(one.ivar, two.ivar, rtol=rtol)
    np.testing.assert_array_equal(one.mask, two.mask)
