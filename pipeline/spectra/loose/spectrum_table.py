"""A spectrum that a user hands over as a table of wavelength, flux and inverse variance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Grid
from pipeline.errors import DataError, UserError
from pipeline.spectra.loose.placement import place
from pipeline.spectra.science.air import to_vacuum
from pipeline.user_tables.names import simplify
from pipeline.user_tables.reader import open_tables
from pipeline.user_tables.table import UserTable
from pipeline.user_tables.units import find_factor, parse_unit
from pipeline.user_tables.values import read_numbers

_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".tab", ".ecsv")
# What strangers call the columns, simplified.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "wave": (
        "wave",
        "wavelength",
        "lambda",
        "lam",
        "wl",
        "wavelen",
        "obswave",
        "obswavelength",
        "observedwavelength",
        "waveobs",
        "wavelengthobs",
        "lambdaobs",
        "wavevac",
        "wavelengthvac",
        "vacuumwavelength",
        "lambdavac",
        "waveangstrom",
        "waveaa",
        "wavelengthangstrom",
        "wavelengthaa",
        "lambdaangstrom",
        "wavenm",
        "wavelengthnm",
        "lambdanm",
        "waveum",
        "wavelengthum",
        "wavelengthmicron",
    ),
    "flux": ("flux", "flam", "flambda", "fluxlambda", "fluxdensity", "fluxobs", "spectrum"),
    "ivar": ("ivar", "inversevariance", "invvar", "invvariance", "fluxivar", "ivarflux"),
    "sigma": (
        "sigma",
        "error",
        "err",
        "fluxerr",
        "fluxerror",
        "eflux",
        "errflux",
        "errorflux",
        "fluxsigma",
        "sigmaflux",
        "uncertainty",
        "fluxuncertainty",
        "unc",
        "fluxunc",
        "std",
        "stddev",
        "noise",
        "dflux",
        "rms",
    ),
    "variance": ("variance", "var", "fluxvar", "fluxvariance", "varflux"),
    "mask": ("mask",),
}
_WIDTHS = ("ivar", "sigma", "variance")
_AIR = re.compile(r"(wave|wavelength|lambda|wl)\w*air|air(wave|wavelength|lambda)", re.IGNORECASE)
_UNIT_IN_NAME = re.compile(r"[\[(](.*)[\])]\s*$")
_UNIT_AT_END = {"nm": "nm", "um": "um", "micron": "um", "angstrom": "Angstrom", "aa": "Angstrom"}
_FLUX_UNIT = "1e-17 erg / (s cm2 Angstrom)"


@dataclass(frozen=True)
class TableSpectrum:
    """Flux and ivar on a grid, shape (size,), ivar 0 where there is no pixel; notes.

    A pixel of the grid whose flux or ivar is missing has NaN.
    """

    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    notes: tuple[str, ...]


def is_table(path: Path) -> bool:
    """Say whether a file's name is that of a table, packed or not."""
    name = path.name.lower()
    for packed in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(packed)
    return name.endswith(_SUFFIXES)


def check_spectrum(path: Path) -> None:
    """Raise UserError, in one line, unless a table has the columns of a spectrum."""
    try:
        _find_columns(_open(path))
    except DataError as error:
        raise UserError(str(error)) from None


def read_spectrum(path: Path, grid: Grid = SAMPLING.grid) -> TableSpectrum:
    """Read a spectrum, and put it on the grid of a model.

    Columns are known by their usual names. Wavelengths may be in any unit of length that the table
    states, fluxes in any that the stated unit can be converted to; without a unit they are Å and
    1e-17 erg s-1 cm-2 Å-1. An error or a variance in the place of ivar is converted, wavelengths
    in a column that says air to vacuum.

    Raises
    ------
    DataError
        If it is no such table, or its wavelengths are in no order or not the grid's range.
    """
    try:
        return _read(_open(path), grid)
    except UserError as error:
        raise DataError(str(error)) from None


def _open(path: Path) -> UserTable:
    return open_tables(path, "spectrum")[0]


def _find_columns(table: UserTable) -> dict[str, int]:
    bare = [simplify(name) for name in table.names]
    places: dict[str, int] = {}
    for ours, spellings in _NAMES.items():
        found = [place for place, name in enumerate(bare) if name in spellings]
        exact = [place for place in found if table.names[place] == ours]
        is_needed = ours not in _WIDTHS or not set(_WIDTHS) & set(places)
        if len(found) > 1 and len(exact) != 1 and is_needed:
            could = " and ".join(repr(table.names[place]) for place in found)
            raise DataError(f"{table.origin}: {could} could each be {ours}; keep one of them")
        if found and is_needed:
            places[ours] = (exact or found)[0]
    air = [place for place, name in enumerate(table.names) if _AIR.search(name)]
    if len(air) == 1 and "wave" not in places:
        places["wave"] = air[0]
    lacking = [name for name in ("wave", "flux") if name not in places]
    if not set(_WIDTHS) & set(places):
        lacking.append("ivar")
    if lacking:
        raise DataError(
            f"{table.origin}: no column {', '.join(lacking)}; {table.describe_columns()}"
        )
    return places


def _read(table: UserTable, grid: Grid) -> TableSpectrum:
    places = _find_columns(table)
    width = next(name for name in _WIDTHS if name in places)
    wanted = [name for name in ("wave", "flux", width, "mask") if name in places]
    columns = table.read_whole([places[name] for name in wanted])
    values = {
        name: read_numbers(table.origin, table.names[places[name]], column, table.has_decimal_comma)
        for name, column in zip(wanted, columns, strict=True)
    }
    if not len(values["wave"]):
        raise DataError(f"{table.origin}: the table has no rows")
    notes = list(table.notes)
    is_filled = np.isfinite(values["wave"])
    if not is_filled.all():
        notes.append(f"{int((~is_filled).sum())} rows have no wavelength")
        values = {name: column[is_filled] for name, column in values.items()}
        if not len(values["wave"]):
            raise DataError(f"{table.origin}: no row has a wavelength")
    unit = _find_unit(table, places["wave"])
    if not unit:
        bare = simplify(table.names[places["wave"]])
        unit = next((known for end, known in _UNIT_AT_END.items() if bare.endswith(end)), "")
    wave = _to_angstrom(table, values["wave"], unit, notes)
    if _AIR.search(table.names[places["wave"]]):
        notes.append("wavelengths in air are converted to vacuum")
        wave = to_vacuum(wave)
    factor = _find_flux_factor(table, _find_unit(table, places["flux"]), wave)
    flux = values["flux"] * factor
    ivar = _to_ivar(values[width], width, factor)
    if width != "ivar":
        notes.append(f"ivar is made of column {table.names[places[width]]}, taken as {width}")
    if "mask" in values:
        ivar = np.where(values["mask"] == 0, ivar, 0.0)
    placed = place(table.origin, wave, flux, ivar, grid)
    name = Path(table.origin).name
    told = tuple(f"{name}: {note}" for note in (*notes, *placed.notes))
    return TableSpectrum(placed.flux, placed.ivar, told)


def _find_unit(table: UserTable, place: int) -> str:
    """Return the unit that a column states, in its name or beside it; empty where it does not."""
    column = table.columns[place]
    if column.unit:
        return column.unit
    inside = _UNIT_IN_NAME.search(column.name)
    return inside[1].strip() if inside else ""


def _to_angstrom(
    table: UserTable, wave: NDArray[np.float64], unit: str, notes: list[str]
) -> NDArray[np.float64]:
    if not unit:
        return wave
    try:
        factor = find_factor(unit, "Angstrom")
    except ValueError:
        raise DataError(
            f"{table.origin}: wavelengths are in {unit!r}, which is no length"
        ) from None
    if factor != 1:
        notes.append(f"wavelengths are converted from {unit} to Å")
    return wave * factor


def _find_flux_factor(
    table: UserTable, unit: str, wave: NDArray[np.float64]
) -> float | NDArray[np.float64]:
    """Return what turns fluxes of a unit into 1e-17 erg s-1 cm-2 Å-1."""
    if not unit:
        return 1.0
    from astropy import units

    try:
        equivalence = units.spectral_density(wave * units.Angstrom)
        factor = np.asarray(parse_unit(unit).to(parse_unit(_FLUX_UNIT), 1.0, equivalence))
    except ValueError:
        raise DataError(
            f"{table.origin}: fluxes are in {unit!r}; give 1e-17 erg s-1 cm-2 Å-1"
        ) from None
    # One part in 1e12 is the arithmetic of the units, not of the fluxes.
    return 1.0 if np.allclose(factor, 1, rtol=1e-12, atol=0) else factor


def _to_ivar(
    values: NDArray[np.float64], width: str, factor: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if width == "ivar":
            return values / factor**2
        variance = (values * factor) ** 2 if width == "sigma" else values * factor**2
        # A negative error is no error.
        return np.where((values > 0) & (variance > 0), 1 / variance, 0.0)
