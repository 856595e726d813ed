"""Coadds unlike DESI's own: read where that is right, else refused in one line that fits."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from coadd_variants import (
    FLUX,
    IDS,
    IVAR,
    IVAR_UNIT,
    N_VARIANT,
    UNIT,
    drop,
    name_units,
    read,
    refuse,
    replace,
    rewrite,
    same,
)
from desi_tree import WAVE, write_coadd

from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE
from pipeline.spectra.desi.coadd_file import open_coadd
from pipeline.spectra.science.coadd import measure_coverage
from pipeline.transport.sources import local_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coadd(tmp_path / "coadd-main-dark-1.fits", IDS, FLUX, IVAR)


def test_without_masks_no_pixel_is_masked(path: Path) -> None:
    usual, _ = read(path)
    spectra, [note] = read(rewrite(path, drop("B_MASK", "R_MASK", "Z_MASK")))
    same(spectra, usual)
    assert note == ("coadd-main-dark-1.fits: no mask of arm b, r, z: ivar alone says what is bad")


def test_a_survey_file_without_one_mask_is_refused(path: Path) -> None:
    rewrite(path, drop("R_MASK"))
    message = refuse(path, is_strict=True)
    assert "no HDU R_MASK: arm r is incomplete" in message
    assert "fetch it again" not in message
    assert "no mask of arm r" in read(path)[1][0]


@pytest.mark.parametrize("arm", ["b", "r", "z"])
def test_two_arms_are_two_arms(path: Path, arm: str) -> None:
    usual, _ = read(path)
    names = [f"{arm.upper()}_{kind}" for kind in ("WAVELENGTH", "FLUX", "IVAR", "MASK")]
    spectra, [note] = read(rewrite(path, drop(*names)))
    assert f"no arm {arm}" in note
    others = [pixels for name, pixels in ARM_PIXELS.items() if name != arm]
    is_covered = np.zeros(WAVE_SIZE, bool)
    for first, last in others:
        is_covered[first:last] = True
    assert (spectra.ivar[:, ~is_covered] == 0).all()
    assert (measure_coverage(spectra.ivar[:, is_covered]) == 1).all()
    alone = is_covered.copy()
    alone[slice(*ARM_PIXELS[arm])] = False
    np.testing.assert_array_equal(spectra.flux[:, alone], usual.flux[:, alone])
    strict = refuse(path, is_strict=True)
    assert f"no HDU {arm.upper()}_WAVELENGTH: arm {arm} is incomplete" in strict
    assert "fetch it again" not in strict


def test_one_arm_or_part_of_an_arm_is_too_little(path: Path) -> None:
    rewrite(path, drop("R_IVAR"))
    assert "no HDU R_IVAR: arm r is incomplete" in refuse(path)
    rewrite(path, drop("R_FLUX", "R_WAVELENGTH", "Z_FLUX", "Z_IVAR", "Z_WAVELENGTH"))
    assert "arm r is incomplete" in refuse(path)


def make_cameras(path: Path, band: str = "BRZ", first: int = 0, last: int = WAVE_SIZE) -> None:
    usual, _ = read(path)
    images = {
        "WAVELENGTH": WAVE[first:last],
        "FLUX": usual.flux[:, first:last],
        "IVAR": usual.ivar[:, first:last],
        "MASK": np.zeros((N_VARIANT, last - first), np.uint32),
    }
    hdus = [fits.ImageHDU(values, name=f"{band}_{kind}") for kind, values in images.items()]
    rewrite(path, lambda old: fits.HDUList([old[0], old["FIBERMAP"], *hdus]))


def test_joined_cameras_are_the_joined_spectrum(path: Path) -> None:
    usual, _ = read(path)
    make_cameras(path)
    for is_strict in (False, True):
        spectra, notes = read(path, is_strict)
        same(spectra, usual)
        assert notes == ()


def test_two_joined_cameras_lack_the_third(path: Path) -> None:
    usual, _ = read(path)
    make_cameras(path, "BR", 0, ARM_PIXELS["r"][1])
    spectra, [note] = read(path)
    assert "no arm z" in note
    at = slice(0, ARM_PIXELS["z"][0])
    np.testing.assert_array_equal(spectra.flux[:, at], usual.flux[:, at])
    assert (spectra.ivar[:, ARM_PIXELS["r"][1] :] == 0).all()


@pytest.mark.parametrize(
    ("unit", "ivar_unit", "factor"),
    [
        ("erg / (Angstrom s cm2)", "cm4 s2 Angstrom2 / erg2", 1e-17),
        ("1E-16 erg/cm^2/s/Ang", "1e32 s2 cm4 A2 erg-2", 0.1),
        ("W m-2 um-1", "W-2 m4 um2", 1e-16),
        ("10^-17 ergs s-1 cm-2 A-1", "", 1.0),
    ],
)
def test_units_are_converted(path: Path, unit: str, ivar_unit: str, factor: float) -> None:
    usual, _ = read(path)

    def change(hdus: fits.HDUList) -> None:
        for arm in "BRZ":
            hdus[f"{arm}_FLUX"].data = hdus[f"{arm}_FLUX"].data.astype(float) * factor
            hdus[f"{arm}_IVAR"].data = hdus[f"{arm}_IVAR"].data.astype(float) / factor**2
        name_units(hdus, unit, ivar_unit)

    spectra, _ = read(rewrite(path, change))
    same(spectra, usual, rtol=1e-5)
    assert spectra.flux.dtype == spectra.ivar.dtype == np.float32


def test_flux_by_frequency_is_converted_pixel_by_pixel(path: Path) -> None:
    usual, _ = read(path)

    def change(hdus: fits.HDUList) -> None:
        for arm, pixels in ARM_PIXELS.items():
            factor = WAVE[slice(*pixels)] ** 2 / 2.99792458e18 * 1e-17 * 1e23
            for kind, power in (("FLUX", 1), ("IVAR", -2)):
                hdu = hdus[f"{arm.upper()}_{kind}"]
                hdu.data = hdu.data.astype(float) * factor**power
        name_units(hdus, "Jy", "1 / Jy2")

    same(read(rewrite(path, change))[0], usual, rtol=1e-5)


def test_our_own_unit_changes_no_bit(path: Path) -> None:
    usual, _ = read(path)
    same(read(rewrite(path, name_units))[0], usual)


@pytest.mark.parametrize(
    ("flux", "ivar", "told"),
    [
        ("electron/Angstrom", IVAR_UNIT, "B_FLUX is in 'electron/Angstrom', which is not a flux"),
        ("photons or so", IVAR_UNIT, "B_FLUX is in 'photons or so', which is no unit"),
        (UNIT, UNIT, "B_IVAR is in '10**-17 erg/(s cm2 Angstrom)', which is not an inverse"),
        (UNIT, "10**-34 erg2/(s2 cm4 Angstrom2)", "which is not an inverse variance"),
    ],
)
def test_other_units_are_refused(path: Path, flux: str, ivar: str, told: str) -> None:
    assert told in refuse(rewrite(path, lambda hdus: name_units(hdus, flux, ivar)))


@pytest.mark.parametrize(("unit", "factor"), [("nm", 0.1), ("um", 1e-4), ("0.1 nm", 1.0)])
def test_wavelengths_in_another_unit_are_converted(path: Path, unit: str, factor: float) -> None:
    grid = WAVE[slice(*ARM_PIXELS["r"])]
    usual, _ = read(path)
    same(read(rewrite(path, replace("R_WAVELENGTH", grid * factor, BUNIT=unit)))[0], usual)
    with fits.open(path, mode="update") as hdus:
        hdus["R_WAVELENGTH"].header["BUNIT"] = "Hz"
    assert "which is no wavelength" in refuse(path)
    with fits.open(path, mode="update") as hdus:
        del hdus["R_WAVELENGTH"].header["BUNIT"]
    if factor < 1:
        assert f"has wavelengths in {unit}; let BUNIT say so" in refuse(path)


def test_wavelengths_in_air_are_recognised(path: Path) -> None:
    grid = WAVE[slice(*ARM_PIXELS["z"])]
    air = grid / (1 + 2.735182e-4 + 131.4182 / grid**2 + 2.76249e8 / grid**4)
    told = "Z_WAVELENGTH has wavelengths in air"
    assert told in refuse(rewrite(path, replace("Z_WAVELENGTH", air)))
    for card in ({"AIRORVAC": "air"}, {"VACUUM": False}, {"CTYPE1": "AWAV"}):
        assert told in refuse(rewrite(path, replace("Z_WAVELENGTH", grid, **card)))
    rewrite(path, replace("Z_WAVELENGTH", grid, AIRORVAC="vac", VACUUM=True, CTYPE1="WAVE"))
    assert read(path)[1] == ()


def test_shape_of_wavelengths(path: Path) -> None:
    grid = WAVE[slice(*ARM_PIXELS["z"])]
    usual, _ = read(path)
    for values in (np.tile(grid, (N_VARIANT, 1)), grid[None], grid.astype(np.float32)):
        same(read(rewrite(path, replace("Z_WAVELENGTH", values)))[0], usual)
    twice = np.stack([grid, grid + 0.8])
    assert "not DESI's grid" in refuse(rewrite(path, replace("Z_WAVELENGTH", twice)))


def test_shapes_are_named(path: Path) -> None:
    flux = FLUX[:, slice(*ARM_PIXELS["r"])]
    told = refuse(rewrite(path, replace("R_FLUX", flux.T.copy())))
    assert "R_FLUX has shape (2326, 4), not (4, 2326)" in told
    assert "transposed" in told


@pytest.mark.parametrize("dtype", [np.float64, ">f4", np.int16])
def test_pixels_of_another_type(path: Path, dtype: object) -> None:
    flux = np.round(FLUX[:, slice(*ARM_PIXELS["r"])] * 100).astype(dtype)
    rewrite(path, replace("R_FLUX", flux, BUNIT="1e-19 erg/s/cm2/Angstrom"))
    with fits.open(path) as hdus:
        assert hdus["R_FLUX"].data.dtype.itemsize == np.dtype(dtype).itemsize
    spectra, _ = read(path)
    np.testing.assert_allclose(
        spectra.flux[:, 3000:4900], np.round(FLUX[:, 3000:4900] * 100) / 100, rtol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64, np.uint64])
def test_mask_of_any_integer(path: Path, dtype: type) -> None:
    mask = np.zeros((N_VARIANT, 2326), dtype)
    mask[1, 7] = 4
    spectra, _ = read(rewrite(path, replace("R_MASK", mask)))
    assert spectra.mask[1, 2707] in (0, 4)
    mask[:, 1000] = 2
    spectra, _ = read(rewrite(path, replace("R_MASK", mask)))
    assert (spectra.ivar[:, 3700] == 0).all()
    assert (spectra.mask[:, 3700] == 2).all()
    assert "holds floats" in refuse(rewrite(path, replace("R_MASK", mask.astype(np.float32))))


@pytest.mark.parametrize("method", ["RICE_1", "GZIP_1", "GZIP_2"])
def test_compressed_images(path: Path, method: str) -> None:
    usual, _ = read(path)

    def change(hdus: fits.HDUList) -> fits.HDUList:
        level = -1e-4 if method == "RICE_1" else 0
        return fits.HDUList(
            [
                fits.CompImageHDU(
                    hdu.data, hdu.header, compression_type=method, quantize_level=level
                )
                if isinstance(hdu, fits.ImageHDU) and hdu.data.dtype.itemsize == 4
                else hdu
                for hdu in hdus
            ]
        )

    packed = rewrite(path, change).rename(path.with_name("coadd.fits.fz"))
    spectra, _ = read(packed)
    np.testing.assert_allclose(spectra.flux, usual.flux, atol=0 if method != "RICE_1" else 1e-3)
    np.testing.assert_array_equal(spectra.ivar > 0, usual.ivar > 0)
    with packed.open("r+b") as handle:
        handle.seek(open_coadd(local_file(packed)).hdu("R_FLUX").data + 20_000)
        handle.write(b"\xff" * 2000)
    refuse(packed)
