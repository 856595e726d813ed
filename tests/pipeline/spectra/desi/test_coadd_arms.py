"""Coadds unlike DESI's own: read where that is right, else refused in one line that fits."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from desi_tree import WAVE, make_quasars, write_coadd

from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE
from pipeline.config import AcquireSettings
from pipeline.errors import DataError
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd
from pipeline.spectra.science.coadd import Spectra, measure_coverage
from pipeline.spectra.stages.extract import join_file
from pipeline.transport.sources import local_file

N = 4
IDS = np.arange(1, N + 1)
FLUX, IVAR = make_quasars(np.linspace(1, 2, N))
UNIT, IVAR_UNIT = "10**-17 erg/(s cm2 Angstrom)", "10**+34 (s2 cm4 Angstrom2) / erg2"
Change = Callable[[fits.HDUList], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coadd(tmp_path / "coadd-main-dark-1.fits", IDS, FLUX, IVAR)


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
    spectra, _, notes = join_file(coadd, np.arange(N), IDS, 1e-6, AcquireSettings())
    return spectra, notes


def explain(path: Path, is_strict: bool = False) -> str:
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


def test_without_masks_no_pixel_is_masked(path: Path) -> None:
    usual, _ = read(path)
    spectra, [note] = read(rewrite(path, drop("B_MASK", "R_MASK", "Z_MASK")))
    same(spectra, usual)
    assert note == ("coadd-main-dark-1.fits: no mask of arm b, r, z: ivar alone says what is bad")


def test_a_survey_file_without_one_mask_is_refused(path: Path) -> None:
    rewrite(path, drop("R_MASK"))
    message = explain(path, is_strict=True)
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
    strict = explain(path, is_strict=True)
    assert f"no HDU {arm.upper()}_WAVELENGTH: arm {arm} is incomplete" in strict
    assert "fetch it again" not in strict


def test_one_arm_or_part_of_an_arm_is_too_little(path: Path) -> None:
    rewrite(path, drop("R_IVAR"))
    assert "no HDU R_IVAR: arm r is incomplete" in explain(path)
    rewrite(path, drop("R_FLUX", "R_WAVELENGTH", "Z_FLUX", "Z_IVAR", "Z_WAVELENGTH"))
    assert "arm r is incomplete" in explain(path)


def make_cameras(path: Path, band: str = "BRZ", first: int = 0, last: int = WAVE_SIZE) -> None:
    usual, _ = read(path)
    images = {
        "WAVELENGTH": WAVE[first:last],
        "FLUX": usual.flux[:, first:last],
        "IVAR": usual.ivar[:, first:last],
        "MASK": np.zeros((N, last - first), np.uint32),
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
    assert told in explain(rewrite(path, lambda hdus: name_units(hdus, flux, ivar)))


@pytest.mark.parametrize(("unit", "factor"), [("nm", 0.1), ("um", 1e-4), ("0.1 nm", 1.0)])
def test_wavelengths_in_another_unit_are_converted(path: Path, unit: str, factor: float) -> None:
    grid = WAVE[slice(*ARM_PIXELS["r"])]
    usual, _ = read(path)
    same(read(rewrite(path, replace("R_WAVELENGTH", grid * factor, BUNIT=unit)))[0], usual)
    with fits.open(path, mode="update") as hdus:
        hdus["R_WAVELENGTH"].header["BUNIT"] = "Hz"
    assert "which is no wavelength" in explain(path)
    with fits.open(path, mode="update") as hdus:
        del hdus["R_WAVELENGTH"].header["BUNIT"]
    if factor < 1:
        assert f"has wavelengths in {unit}; let BUNIT say so" in explain(path)


def test_wavelengths_in_air_are_recognised(path: Path) -> None:
    grid = WAVE[slice(*ARM_PIXELS["z"])]
    air = grid / (1 + 2.735182e-4 + 131.4182 / grid**2 + 2.76249e8 / grid**4)
    told = "Z_WAVELENGTH has wavelengths in air"
    assert told in explain(rewrite(path, replace("Z_WAVELENGTH", air)))
    for card in ({"AIRORVAC": "air"}, {"VACUUM": False}, {"CTYPE1": "AWAV"}):
        assert told in explain(rewrite(path, replace("Z_WAVELENGTH", grid, **card)))
    rewrite(path, replace("Z_WAVELENGTH", grid, AIRORVAC="vac", VACUUM=True, CTYPE1="WAVE"))
    assert read(path)[1] == ()


def test_shape_of_wavelengths(path: Path) -> None:
    grid = WAVE[slice(*ARM_PIXELS["z"])]
    usual, _ = read(path)
    for values in (np.tile(grid, (N, 1)), grid[None], grid.astype(np.float32)):
        same(read(rewrite(path, replace("Z_WAVELENGTH", values)))[0], usual)
    twice = np.stack([grid, grid + 0.8])
    assert "not DESI's grid" in explain(rewrite(path, replace("Z_WAVELENGTH", twice)))


def test_shapes_are_named(path: Path) -> None:
    flux = FLUX[:, slice(*ARM_PIXELS["r"])]
    told = explain(rewrite(path, replace("R_FLUX", flux.T.copy())))
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
    mask = np.zeros((N, 2326), dtype)
    mask[1, 7] = 4
    spectra, _ = read(rewrite(path, replace("R_MASK", mask)))
    assert spectra.mask[1, 2707] in (0, 4)
    mask[:, 1000] = 2
    spectra, _ = read(rewrite(path, replace("R_MASK", mask)))
    assert (spectra.ivar[:, 3700] == 0).all()
    assert (spectra.mask[:, 3700] == 2).all()
    assert "holds floats" in explain(rewrite(path, replace("R_MASK", mask.astype(np.float32))))


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
    explain(packed)


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
    table = fits.BinTableHDU.from_columns([fits.Column("A", "D", array=np.ones(N))], name="SCORES")
    rewrite(path, lambda hdus: hdus.append(table))
    whole, end = path.read_bytes(), open_coadd(local_file(path)).hdu("SCORES").data
    path.write_bytes(whole[: end + 5])
    spectra, [note] = read(path)
    same(spectra, usual)
    assert "truncated in HDU SCORES" in note
    assert "truncated in HDU SCORES" in explain(path, is_strict=True)


@pytest.mark.parametrize("name", ["FIBERMAP", "B_MASK", "R_IVAR", "Z_WAVELENGTH", "Z_MASK"])
def test_file_cut_off_in_what_is_read_lacks_no_arm(path: Path, name: str) -> None:
    hdu = open_coadd(local_file(path)).hdu(name)
    path.write_bytes(path.read_bytes()[: hdu.data + hdu.n_bytes - 1])
    assert f"truncated in HDU {name}" in explain(path)


def test_name_that_is_not_true_of_the_compression(path: Path) -> None:
    usual, _ = read(path)
    packed = path.with_name("a.fits.gz")
    packed.write_bytes(path.read_bytes())
    same(read(packed)[0], usual)
    path.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert "let its name end in .gz" in explain(path)


def test_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "coadd.fits.gz"
    path.write_bytes(gzip.compress(bytes(2**27), 9))
    assert "too large to unpack" in explain(path)


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
        assert "TARGETID holds float64" in explain(path)
    else:
        same(read(path)[0], usual)


def test_rows_of_all_tables_are_the_same_targets(path: Path) -> None:
    def append(ids: np.ndarray) -> Change:
        columns = [fits.Column("TARGETID", "K", array=ids)]
        hdu = fits.BinTableHDU.from_columns(columns, name="SCORES")
        return lambda hdus: fits.HDUList([h for h in hdus if h.name != "SCORES"] + [hdu])

    read(rewrite(path, append(IDS)))
    for ids in (IDS[::-1], IDS[:-1]):
        told = explain(rewrite(path, append(ids)))
        assert "FIBERMAP and SCORES list different targets" in told


def test_single_exposures_are_no_coadd(path: Path) -> None:
    def change(hdus: fits.HDUList) -> None:
        columns = [
            fits.Column("TARGETID", "K", array=[1, 1, 2, 3]),
            fits.Column("EXPID", "J", array=IDS),
        ]
        hdus["FIBERMAP"] = fits.BinTableHDU.from_columns(columns, name="FIBERMAP")

    assert "4 single exposures of 3 targets" in explain(rewrite(path, change))


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

    assert "2 HDUs R_FLUX" in explain(rewrite(path, change))


@pytest.mark.parametrize(
    ("name", "told"),
    [("REDSHIFTS", "as --redshifts"), ("ZCATALOG", "as --redshifts"), ("OTHER", "no HDU FIBERMAP")],
)
def test_other_files_are_told_by_their_name(tmp_path: Path, name: str, told: str) -> None:
    path = tmp_path / "file.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("TARGETID", "K", array=IDS)], name=name)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    assert told in explain(path)
