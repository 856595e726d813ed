"""Units of flux, inverse variance and wavelength in a file, and what turns them into ours."""

import re
import warnings
from functools import lru_cache

import numpy as np
from astropy import units
from numpy.typing import NDArray

from pipeline.errors import DataError

Factor = float | NDArray[np.float64]

_FLUX = 1e-17 * units.erg / (units.s * units.cm**2 * units.AA)
_NANOMAGGY = units.def_unit("ABnanomaggy", 3.631e-6 * units.Jy)
_LONGEST = 200
_OURS = "1e-17 erg/s/cm2/Angstrom"
_NO_UNIT = (ValueError, TypeError, ArithmeticError, RecursionError)
_FORMATS = ("generic", "ogip", "cds", "vounit")
# A power of ten in front, in its spellings: 10**-17, 10^(-17), 1e-17, 1.0E-17.
_POWER = re.compile(
    r"^\s*(?:10\s*(?:\*\*|\^)\s*\(?\s*(?P<power>[+-]?\d+)\s*\)?|(?P<number>\d*\.?\d+(?:[eE][+-]?\d+)?))"
    r"(?=[\s*x/(A-Za-z])\s*(?:[*x]\s*)?(?P<rest>.+)$"
)
# A unit in brackets to a power, or one over it; of brackets inside there is one level.
_RAISED = re.compile(
    r"^\s*(?P<over>/)?\s*\((?P<inner>[^()]*(?:\([^()]*\)[^()]*)*)\)"
    r"\s*(?:\*\*|\^)\s*\(?\s*(?P<power>[+-]?\d)\s*\)?\s*$"
)
_SPELLINGS = (
    (re.compile(r"(?i)\bergs?\b"), "erg"),
    (re.compile(r"(?i)\bsec(onds?)?(?=\b|\d)"), "s"),
    (re.compile(r"(?i)\b(nanomagg(y|ies)|nmgy)(?=\b|\d)"), "ABnanomaggy"),
    (re.compile(r"(?i)\bang(s|str(o|ö)ms?)?(?=\b|\d)|Å"), "Angstrom"),
    # No flux is by the ampere.
    (re.compile(r"(?<![A-Za-z])A(?=$|[\s)/*^.\d-])"), "Angstrom"),
)


def flux_factor(where: str, text: str, wave: NDArray[np.float64]) -> Factor:
    """Return what a flux is multiplied by to be in 1e-17 erg/s/cm²/Å.

    Parameters
    ----------
    where : str
        File and HDU, for messages.
    text : str
        The unit as the file has it; an empty one is taken for ours.
    wave : ndarray, shape (p,)
        Wavelengths (Å): flux per frequency is converted pixel by pixel.

    Raises
    ------
    DataError
        If it is no unit, or not one of a flux density.
    """
    if not text:
        return 1.0
    return _to_flux(where, text, 1, wave, "a flux density", _OURS)


def ivar_factor(where: str, text: str, wave: NDArray[np.float64]) -> Factor:
    """Return what an inverse variance of a flux is multiplied by; see `flux_factor`."""
    if not text:
        return 1.0
    what = "an inverse variance of a flux density"
    return _to_flux(where, text, -0.5, wave, what, f"({_OURS})**-2") ** -2


def wavelength_factor(where: str, text: str) -> float:
    """Return what a wavelength is multiplied by to be in Å; see `flux_factor`."""
    try:
        return float(_parse(where, text, "Angstrom").to(units.AA)) if text else 1.0
    except units.UnitConversionError:
        raise DataError(f"{where} is in {text!r}, which is no wavelength") from None


def _to_flux(
    where: str, text: str, power: float, wave: NDArray[np.float64], what: str, wanted: str
) -> Factor:
    """Return the factor of a unit that, to this power, is one of a flux density."""
    known = _find_factor(text, power)
    if known is not None:
        return known
    unit = _parse(where, text, wanted) ** power
    # Astropy takes an energy flux for wavelength times flux density, which nobody has said it is.
    if unit.is_equivalent(units.W / units.m**2):
        raise _refuse(where, text, what, wanted)
    try:
        return np.asarray(unit.to(_FLUX, 1.0, units.spectral_density(wave * units.AA)))
    except units.UnitConversionError:
        raise _refuse(where, text, what, wanted) from None


def _refuse(where: str, text: str, what: str, wanted: str) -> DataError:
    return DataError(f"{where} is in {text!r}, which is not {what}; give {wanted}")


@lru_cache(maxsize=64)
def _find_factor(text: str, power: float) -> float | None:
    """Return the factor that is the same at all wavelengths, or None."""
    unit = _read_unit(text)
    try:
        return None if unit is None else _snap(float((unit**power).to(_FLUX)))
    except units.UnitConversionError:
        return None


def _snap(factor: float) -> float:
    """Take a factor of 1 to rounding for 1, so that our own unit changes no bit."""
    return 1.0 if abs(factor - 1) < 1e-9 else factor


@lru_cache(maxsize=64)
def _read_unit(text: str) -> units.UnitBase | None:
    if len(text) > _LONGEST:
        return None
    match = _POWER.match(text)
    scale, rest = 1.0, text
    if match:
        scale = float(f"1e{match['power']}" if match["power"] else match["number"])
        rest = match["rest"]
    if raised := _RAISED.match(rest):
        return _raise_unit(scale, raised)
    for pattern, word in _SPELLINGS:
        rest = pattern.sub(word, rest)
    with warnings.catch_warnings(), units.add_enabled_units([_NANOMAGGY]):
        warnings.simplefilter("ignore")
        for form in _FORMATS:
            try:
                return _check_scale(units.Unit(scale * units.Unit(rest, format=form)))
            except _NO_UNIT:
                continue
    return None


def _raise_unit(scale: float, raised: re.Match[str]) -> units.UnitBase | None:
    inner = _read_unit(raised["inner"])
    power = int(raised["power"]) * (-1 if raised["over"] else 1)
    try:
        return None if inner is None else _check_scale(units.Unit(scale * inner**power))
    except _NO_UNIT:
        return None


def _check_scale(unit: units.UnitBase) -> units.UnitBase | None:
    return unit if 0 < unit.decompose().scale < np.inf else None


def _parse(where: str, text: str, wanted: str) -> units.UnitBase:
    unit = _read_unit(text)
    if unit is None:
        raise DataError(f"{where} is in {text[:60]!r}, which is no unit; give it in {wanted}")
    return unit
