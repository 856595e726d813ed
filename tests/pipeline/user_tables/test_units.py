"""Units as people write them: in plural, in other case, ångströms for short."""

import pytest

from pipeline.user_tables.units import find_factor, parse_unit


@pytest.mark.parametrize(
    ("text", "wanted", "factor"),
    [
        ("A", "nm", 0.1),
        (" ang ", "Angstrom", 1),
        ("Angstroms", "um", 1e-4),
        ("NM", "Angstrom", 10),
        ("microns", "Angstrom", 1e4),
        ("arcsec", "deg", 1 / 3600),
        ("degrees", "arcmin", 60),
        ("mas/yr", "arcsec/yr", 1e-3),
        ("erg/s/cm2/A", "W/m2/nm", 1e-2),
        ("10^-17 erg/(s cm2 A)", "erg/s/cm2/Angstrom", 1e-17),
    ],
)
def test_factor_between_units(text: str, wanted: str, factor: float) -> None:
    assert find_factor(text, wanted) == pytest.approx(factor)
    assert find_factor(wanted, text) == pytest.approx(1 / factor)


def test_an_ampere_in_a_word_stays_what_it_is() -> None:
    assert parse_unit("mA").is_equivalent("ampere")
    assert not parse_unit("A").is_equivalent("ampere")


@pytest.mark.parametrize("text", ["quasars", "no unit", "1.2.3", "s//m", "Å per"])
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no unit"):
        parse_unit(text)


def test_units_of_different_kinds_have_no_factor() -> None:
    with pytest.raises(ValueError, match="not convertible"):
        find_factor("km", "s")
