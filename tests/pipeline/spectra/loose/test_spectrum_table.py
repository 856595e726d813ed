"""Spectra in tables: however the columns are called and whatever their units, or one line."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.table import Table

from catalog_schema.desi import WAVE_SIZE
from catalog_schema.grids import Grid
from pipeline.errors import DataError, UserError
from pipeline.spectra.loose.spectrum_table import check_spectrum, is_table, read_spectrum

WAVE = 3600 + 0.8 * np.arange(WAVE_SIZE)
ROWS = slice(1000, 1400)
RNG = np.random.default_rng(5)
FLUX, IVAR = RNG.normal(3, 1, WAVE_SIZE), RNG.uniform(0.5, 2, WAVE_SIZE)


def write(path: Path, header: str, columns: list, delimiter: str = ",", above: str = "") -> Path:
    rows = np.column_stack([np.asarray(column)[ROWS] for column in columns])
    lines = [delimiter.join(f"{value:.9g}" for value in row) for row in rows]
    path.write_text("\n".join([*([above] if above else []), header, *lines, ""]))
    return path


def check(path: Path) -> tuple[str, ...]:
    check_spectrum(path)
    found = read_spectrum(path)
    np.testing.assert_allclose(found.flux[ROWS], FLUX[ROWS], rtol=1e-6)
    np.testing.assert_allclose(found.ivar[ROWS], IVAR[ROWS], rtol=1e-6)
    assert not found.ivar[: ROWS.start].any()
    assert not found.ivar[ROWS.stop :].any()
    return found.notes


@pytest.mark.parametrize(
    "header",
    [
        "wave,flux,ivar",
        "WAVELENGTH,FLUX,IVAR",
        "lambda,Flux,inverse_variance",
        "wave [AA],flux (1e-17 erg/s/cm2/A),ivar",
        "wave,flux [10^-17 erg s^-1 cm^-2 A^-1],ivar",
        "wave (Angstrom),flux,ivar",
        "Wavelength [A],flux_density,inv var",
        "\ufeffwave,flux,ivar",
        '"wave","flux","ivar"',
        "# wave,flux,ivar",
        "wavelength_angstrom,f_lambda,flux_ivar",
    ],
)
def test_columns_are_known_by_their_usual_names(tmp_path: Path, header: str) -> None:
    notes = check(write(tmp_path / "a.csv", header, [WAVE, FLUX, IVAR]))
    assert len(notes) == header.startswith("#")


def test_order_delimiter_and_comments_do_not_matter(tmp_path: Path) -> None:
    check(write(tmp_path / "a.csv", "ivar,n,wave,flux", [IVAR, WAVE, WAVE, FLUX]))
    check(write(tmp_path / "a.dat", "wave flux ivar", [WAVE, FLUX, IVAR], "   "))
    check(write(tmp_path / "a.tsv", "wave\tflux\tivar", [WAVE, FLUX, IVAR], "\t", "# by a program"))
    columns = [column[ROWS][::-1] for column in (WAVE, FLUX, IVAR)]
    Table(columns, names=["wave", "flux", "ivar"]).write(tmp_path / "a.ecsv", format="ascii.ecsv")
    check(tmp_path / "a.ecsv")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("error", IVAR**-0.5),
        ("flux_err", IVAR**-0.5),
        ("variance", 1 / IVAR),
        ("sigma", IVAR**-0.5),
    ],
)
def test_an_error_in_the_place_of_ivar_is_converted(tmp_path: Path, name: str, values) -> None:
    [note] = check(write(tmp_path / "a.csv", f"wave,flux,{name}", [WAVE, FLUX, values]))
    assert name in note


@pytest.mark.parametrize(
    ("header", "factor"), [("wave (nm)", 0.1), ("wavelength_nm", 0.1), ("lambda [um]", 1e-4)]
)
def test_units_of_wavelength_are_converted(tmp_path: Path, header: str, factor: float) -> None:
    [note] = check(write(tmp_path / "a.csv", f"{header},flux,ivar", [WAVE * factor, FLUX, IVAR]))
    assert "converted from" in note


def test_units_of_flux_are_converted_with_their_errors(tmp_path: Path) -> None:
    ours = units.Unit("1e-17 erg / (s cm2 Angstrom)")
    for unit in ("erg / (s cm2 Angstrom)", "W / (m2 um)", "mJy", str(ours)):
        wave = WAVE[ROWS] * units.Angstrom
        flux = (FLUX[ROWS] * ours).to(unit, units.spectral_density(wave))
        scale = flux.value / FLUX[ROWS]
        table = Table({"wave": wave, "flux": flux, "ivar": IVAR[ROWS] / scale**2})
        table.write(tmp_path / "a.ecsv", format="ascii.ecsv", overwrite=True)
        check(tmp_path / "a.ecsv")


def make_grid(kind: str) -> np.ndarray:
    """Return wavelengths that are not the model's."""
    return {
        "linear": np.arange(4400, 4720, 1.3),
        "fine": np.arange(4400, 4720, 0.31),
        "log": 10 ** np.arange(3.6435, 3.674, 1e-4),
        "irregular": np.sort(RNG.uniform(4400, 4720, 300)),
        "falling": np.arange(4720, 4400, -1.3),
    }[kind]


@pytest.mark.parametrize("kind", ["linear", "fine", "log", "irregular", "falling"])
def test_any_grid_is_resampled_with_its_weights(tmp_path: Path, kind: str) -> None:
    wave = make_grid(kind)
    light = 5 + np.sin(wave / 30)
    table = Table({"wave": wave, "flux": light, "ivar": np.full(len(wave), 4.0)})
    table.write(tmp_path / "a.ecsv", format="ascii.ecsv")
    found = read_spectrum(tmp_path / "a.ecsv")
    is_there = found.ivar > 0
    inside = is_there & (WAVE > 4410) & (WAVE < 4710)
    np.testing.assert_allclose(found.flux[inside], 5 + np.sin(WAVE[inside] / 30), atol=0.03)
    # The information is neither more nor less.
    assert found.ivar.sum() == pytest.approx(4.0 * len(wave), rel=1e-5)
    mean = np.average(found.flux[is_there], weights=found.ivar[is_there])
    assert mean == pytest.approx(light.mean(), rel=1e-4)
    assert "are resampled to the model's grid" in found.notes[0]
    assert "share their noise" in found.notes[0]


def test_a_gap_is_no_pixel(tmp_path: Path) -> None:
    wave = np.r_[np.arange(4400, 4500, 1.3), np.arange(4600, 4700, 1.3)]
    table = Table({"wave": wave, "flux": np.ones(len(wave)), "ivar": np.ones(len(wave))})
    table.write(tmp_path / "a.ecsv", format="ascii.ecsv")
    found = read_spectrum(tmp_path / "a.ecsv")
    assert not found.ivar[(WAVE > 4502) & (WAVE < 4598)].any()


def test_the_grid_is_that_of_the_model(tmp_path: Path) -> None:
    grid = Grid(3.6, 1e-4, 3000, is_log=True)
    rows = np.column_stack([grid.wave, np.ones(3000), np.ones(3000)])
    np.savetxt(tmp_path / "a.csv", rows, delimiter=",", header="wave,flux,ivar", comments="")
    found = read_spectrum(tmp_path / "a.csv", grid)
    assert (found.flux == 1).all()
    assert (found.ivar == 1).all()
    assert found.notes == ()


def test_what_says_that_it_is_in_air_is_converted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "wave_air,flux,ivar", [to_air(WAVE), FLUX, IVAR])
    found = read_spectrum(path)
    assert "in air are converted to vacuum" in found.notes[0]
    np.testing.assert_allclose(found.flux[ROWS], FLUX[ROWS], atol=0.05)


def to_air(wave: np.ndarray) -> np.ndarray:
    """Convert to air (Ciddor 1996 as given by Morton 2000)."""
    s = (1e4 / wave) ** 2
    return wave / (1 + 8.34254e-5 + 2.406147e-2 / (130 - s) + 1.5998e-4 / (38.9 - s))


@pytest.mark.parametrize(
    ("header", "wave", "fault"),
    [
        ("wave,flux,ivar", to_air(WAVE), "they are in air"),
        ("wave,flux,ivar", to_air(WAVE).round(1), "they are in air"),
        ("wave,flux,ivar", WAVE / 10, "they are in nm"),
        ("wave,flux,ivar", np.log10(WAVE), "logarithms"),
        ("wave,flux,ivar", WAVE + 6000, "not on the model's grid.*run from 10400"),
        ("wave,flux,ivar", WAVE.round(-1), "more than one row"),
        ("wave,flux,ivar", np.roll(WAVE, 1200) + 0.3, "neither rise nor fall.*after row 200"),
        ("wave [Jy],flux,ivar", WAVE, "no length"),
        ("wave,flux [m],ivar", WAVE, "fluxes are in 'm'"),
        ("wave,flux,weight", WAVE, "no column ivar; it has wave, flux, weight"),
        ("wave,lambda,flux,ivar", WAVE, "could each be wave"),
        ("a,b,c", WAVE, "no column wave, flux, ivar"),
    ],
)
def test_what_is_no_spectrum_is_one_line(
    tmp_path: Path, header: str, wave: np.ndarray, fault: str
) -> None:
    columns = [wave, FLUX, IVAR] if header.count(",") == 2 else [wave, wave, FLUX, IVAR]
    if "lambda" in header:
        header = header.replace("wave,", "wavelength,")
    path = write(tmp_path / "a.csv", header, columns)
    with pytest.raises(DataError, match=fault) as caught:
        read_spectrum(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("4000.1,1,1\n", "one wavelength is no spectrum"),
        ("", "no rows"),
        ("4000,1\n", "row 1 has 2 cells"),
        ("4000,bad,1\n", "column flux, row 1: 'bad' is no number"),
        (",1,1\n", "no row has a wavelength"),
        ("4000,1,1\n4000,2,1\n", "more than one row"),
    ],
)
def test_rows_that_are_none_are_one_line(tmp_path: Path, rows: str, fault: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("wave,flux,ivar\n" + rows)
    with pytest.raises(DataError, match=fault):
        read_spectrum(path)


def test_bad_pixels_have_no_weight(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "wave,flux,error,mask\n4000,1,0.5,0\n4000.8,1,0.5,4\n4001.6,1,,0\n4002.4,,1,0\n"
        "4003.2,1,-1,0\n"
    )
    found = read_spectrum(path)
    assert np.flatnonzero(np.isfinite(found.flux) & (found.ivar > 0)).tolist() == [500]


def test_other_tables_are_told_from_spectra(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    for content in (b"", b"object,remark\n1,\xc5ngstr\xf6m\n", bytes(range(128, 256)), b"a\0b"):
        path.write_bytes(content)
        with pytest.raises(UserError):
            check_spectrum(path)
    assert [is_table(Path(n)) for n in ("A.CSV", "a.txt.gz", "a.fits", "a.dat")] == [
        True,
        True,
        False,
        True,
    ]
