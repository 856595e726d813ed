"""Units in their spellings: the same factor as astropy's, squared for ivar, or one line."""

import numpy as np
import pytest
from astropy import units
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.spectra.flux_units import flux_factor, ivar_factor, wavelength_factor

WAVE = np.array([3600.0, 5000.0, 9824.0])
OURS = 1e-17 * units.erg / units.s / units.cm**2 / units.AA


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1e-17 erg/s/cm2/Angstrom",
        "10**-17 erg/(s cm2 Angstrom)",
        "10^(-17) erg s^-1 cm^-2 A^-1",
        "1E-17 ergs/sec/cm^2/Ang",
        "10**(-17) erg/cm**2/s/Angstroms",
        "1e-17*erg/s/cm2/AA",
        "1e-17 erg s-1 cm-2 Å-1",
        "1e-17 erg / (Angstrom cm2 s)",
        "1.0e-17 erg/second/cm2/Angström",
        "1e-19 W/m2/nm",
    ],
)
def test_our_unit_in_any_spelling_changes_no_bit(text: str) -> None:
    factor = flux_factor("f", text, WAVE)
    assert np.all(np.asarray(factor) == 1.0)


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("erg/s/cm2/Angstrom", 1e17),
        ("1e-16 erg/s/cm2/Angstrom", 10),
        ("W/m2/um", 1e17 * 1e3 / 1e4),
        ("1e-20 erg/s/cm2/Angstrom", 1e-3),
        ("erg/s/cm2/nm", 1e16),
    ],
)
def test_other_flux_densities_are_scaled(text: str, factor: float) -> None:
    assert flux_factor("f", text, WAVE) == pytest.approx(factor, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "janskys"),
    [
        ("Jy", 1.0),
        ("mJy", 1e-3),
        ("uJy", 1e-6),
        ("nanomaggies", 3.631e-6),
        ("nmgy", 3.631e-6),
        ("nanomaggy", 3.631e-6),
        ("1e-3 nanomaggies", 3.631e-9),
    ],
)
def test_flux_by_frequency_is_turned_at_each_wavelength(text: str, janskys: float) -> None:
    """f_λ = f_ν c / λ²."""
    expected = janskys * 1e-23 * 2.99792458e18 / WAVE**2 * 1e17
    np.testing.assert_allclose(flux_factor("f", text, WAVE), expected, rtol=1e-9)


FLUXES = st.sampled_from(
    ["erg/s/cm2/Angstrom", "1e-16 erg/s/cm2/Angstrom", "W/m2/um", "mJy", "nanomaggies"]
)


@given(text=FLUXES)
def test_an_inverse_variance_goes_with_the_square(text: str) -> None:
    """The signal-to-noise ratio does not hang on the unit."""
    flux = np.asarray(flux_factor("f", text, WAVE))
    for squared in (f"({text})^-2", f"({text})**(-2)", f"1/({text})^2", f"1 / ({text}) ** 2"):
        ivar = np.asarray(ivar_factor("f", squared, WAVE))
        np.testing.assert_allclose(flux**2 * ivar, 1, rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1e34 s2 cm4 Angstrom2 / erg2",
        "1e+34 (erg/s/cm2/Angstrom)^-2",
        "(1e-17 erg/s/cm2/Angstrom)**-2",
        "(10**-17 erg/(s cm2 Angstrom))**-2",
        "1/(10^-17 ergs/s/cm^2/Ang)^2",
        "10**+34 (s2 cm4 Angstrom2) / erg2",
    ],
)
def test_our_inverse_variance_is_ours(text: str) -> None:
    assert np.all(np.asarray(ivar_factor("f", text, WAVE)) == 1.0)


@pytest.mark.parametrize(
    ("text", "factor"),
    [("", 1), ("Angstrom", 1), ("A", 1), ("nm", 10), ("um", 1e4), ("m", 1e10), ("Å", 1)],
)
def test_wavelengths_are_scaled(text: str, factor: float) -> None:
    assert wavelength_factor("w", text) == pytest.approx(factor)


@pytest.mark.parametrize(
    "text",
    [
        "counts",
        "mag",
        "erg",
        "nanofurlong",
        "1e-17",
        "(((",
        "()^-2",
        "(1e300 m)^9",
        "(1e-300 m)^9",
        "(1e-300 m)^-9",
        "(m)^",
        "W/m2/sr",
        "W/m2",
        "1e-17 erg/s/cm2",
        "x" * 300,
        "0 erg/s/cm2/A",
    ],
)
def test_what_is_no_flux_density_is_one_line(text: str) -> None:
    for convert in (flux_factor, ivar_factor):
        with pytest.raises(DataError) as caught:
            convert("f.fits: B_FLUX", text, WAVE)
        message = str(caught.value)
        assert message.startswith("f.fits: B_FLUX is in")
        assert "\n" not in message
        assert "1e-17 erg/s/cm2/Angstrom" in message
        assert len(message) < 300


def test_a_unit_that_is_asked_for_is_read() -> None:
    for convert in (flux_factor, ivar_factor):
        with pytest.raises(DataError) as caught:
            convert("f", "counts", WAVE)
        wanted = str(caught.value).partition("; give it in ")[2]
        assert np.all(np.asarray(convert("f", wanted, WAVE)) == 1.0)


def test_powers_of_parts_are_not_powers_of_the_whole() -> None:
    """Only what is in one pair of brackets is raised."""
    with pytest.raises(DataError):
        flux_factor("f", "(erg/s)/(cm2 Angstrom)**-1", WAVE)
    assert flux_factor("f", "(erg/s/cm2)/(Angstrom)", WAVE) == pytest.approx(1e17)


def test_an_energy_flux_is_not_taken_for_wavelength_times_flux_density() -> None:
    with pytest.raises(DataError, match="not an inverse variance of a flux density"):
        ivar_factor("f", "(erg/s/cm2)^-2", WAVE)


def test_a_flux_is_no_inverse_variance_nor_the_other_way() -> None:
    with pytest.raises(DataError, match="not an inverse variance of a flux density"):
        ivar_factor("f", "erg/s/cm2/Angstrom", WAVE)
    with pytest.raises(DataError, match="not a flux density"):
        flux_factor("f", "1e34 (erg/s/cm2/Angstrom)^-2", WAVE)


@pytest.mark.parametrize("text", ["Hz", "s", "eV", "nonsense"])
def test_what_is_no_wavelength_is_one_line(text: str) -> None:
    with pytest.raises(DataError, match=r"^w is in '.*', which is no (wavelength|unit)"):
        wavelength_factor("w", text)


@given(st.text(max_size=30))
def test_any_text_gives_a_factor_or_one_line(text: str) -> None:
    for convert in (flux_factor, ivar_factor):
        try:
            factor = np.asarray(convert("f", text, WAVE))
        except DataError as error:
            assert "\n" not in str(error).replace(text[:60], "")  # noqa: PT017
        else:
            assert np.isfinite(factor).all()
            assert (factor > 0).all()
