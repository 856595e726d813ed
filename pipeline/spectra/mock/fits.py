"""Writes the files of the DR1 layout; the same content gives the same bytes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits

from pipeline.spectra.mock import columns
from pipeline.spectra.mock.instrument import ARM_SLICES, ARM_WAVE, N_SPECTROGRAPHS, resolution

_FLUX_UNIT = "10**-17 erg/(s cm2 Angstrom)"
_IVAR_UNIT = "10**+34 (s2 cm4 Angstrom2) / erg2"
_TEMPLATES = (
    ("GALAXY", "2.6"),
    ("QSO:::HIZ", "0.1"),
    ("QSO:::LOZ", "1.0"),
    ("STAR:::A", "0.1"),
    ("STAR:::B", "0.1"),
    ("STAR:::CV", "0.1"),
    ("STAR:::F", "0.1"),
    ("STAR:::G", "0.1"),
    ("STAR:::K", "0.1"),
    ("STAR:::M", "0.1"),
    ("STAR:::WD", "0.1"),
)

Header = Mapping[str, str | int | float | bool]


def shard_header(survey: str, program: str, healpix: int) -> dict[str, str | int | bool]:
    """Keywords of the primary HDU of a file that holds one healpix."""
    return {
        "SPGRP": "healpix",
        "SPGRPVAL": healpix,
        "HPXPIXEL": healpix,
        "HPXNSIDE": 64,
        "HPXNEST": "True",
        "SURVEY": survey,
        "PROGRAM": program,
    }


def redrock_header() -> dict[str, str | int | bool]:
    """Keywords that name the Redrock version and its templates."""
    header: dict[str, str | int | bool] = {"LONGSTRN": "OGIP 1.0", "RRVER": "0.17.0"}
    for number, (name, version) in enumerate(_TEMPLATES):
        header[f"TEMNAM{number:02d}"] = name
        header[f"TEMVER{number:02d}"] = version
    return header


def write_coadd(
    path: Path,
    header: Header,
    tables: Mapping[str, np.ndarray],
    spectra: tuple[np.ndarray, np.ndarray, np.ndarray],
    petal: np.ndarray,
    *,
    has_resolution: bool = True,
) -> None:
    """Write a coadd file.

    Parameters
    ----------
    tables : FIBERMAP, EXP_FIBERMAP and SCORES.
    spectra : flux, ivar (float32) and mask (uint32), each (n, 7958) arm pixels.
    petal : (n,) which spectrograph, 0-9, saw the target; chooses its resolution matrix.
    has_resolution : whether there are any.
    """
    source = path.name.replace("coadd", "spectra")
    keywords = {**header, "FIBERMIN": int(petal.min()) * 500, "INFIL000": source}
    hdus = [_primary(keywords), *(_table(n, tables[n]) for n in ("FIBERMAP", "EXP_FIBERMAP"))]
    for arm, pixels in ARM_SLICES.items():
        flux, ivar, mask = (np.ascontiguousarray(values[:, pixels]) for values in spectra)
        hdus += [
            _image(f"{arm}_WAVELENGTH", ARM_WAVE[pixels], "Angstrom"),
            _image(f"{arm}_FLUX", flux, _FLUX_UNIT),
            _image(f"{arm}_IVAR", ivar, _IVAR_UNIT),
            _image(f"{arm}_MASK", mask, None),
        ]
        if has_resolution:
            matrices = resolution(arm)[petal % N_SPECTROGRAPHS]
            hdus.append(_image(f"{arm}_RESOLUTION", matrices, None))
    _write(path, [*hdus, _table("SCORES", tables["SCORES"])])


def write_tables(path: Path, header: Header, tables: Mapping[str, np.ndarray]) -> None:
    """Write a file of binary tables, in the order given, after an empty primary HDU."""
    _write(path, [_primary(header), *(_table(name, table) for name, table in tables.items())])


def write_image(path: Path, header: Header, image: np.ndarray) -> None:
    """Write a file whose primary HDU is an image."""
    hdu = fits.PrimaryHDU(image)
    hdu.header.update(header)
    _write(path, [hdu])


def write_zcatalog(path: Path, table: np.ndarray) -> None:
    """Write zall-pix: the ZCATALOG table with its units."""
    definitions = fits.ColDefs(table)
    for name, _, unit in columns.parse(columns.ZCATALOG):
        definitions[name].unit = unit
    hdu = fits.BinTableHDU.from_columns(definitions, name="ZCATALOG")
    keywords = {**redrock_header(), "SPGRP": "healpix", "HPXNSIDE": 64, "HPXNEST": True}
    hdu.header.update({**keywords, "ZCATVER": "v1"})
    _write(path, [_primary({"ZCATVER": "v1"}), hdu])


def _primary(header: Header) -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU()
    hdu.header.update(header)
    return hdu


def _image(name: str, data: np.ndarray, unit: str | None) -> fits.ImageHDU:
    hdu = fits.ImageHDU(data, name=name)
    if unit is not None:
        hdu.header["BUNIT"] = unit
    return hdu


def _table(name: str, table: np.ndarray) -> fits.BinTableHDU:
    return fits.BinTableHDU(table, name=name)


def _write(path: Path, hdus: list[fits.hdu.base.ExtensionHDU]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for hdu in hdus:
        # astropy's own comment is the time of day, which would change the bytes.
        hdu.add_checksum(when="HDU checksum")
    fits.HDUList(hdus).writeto(path)
