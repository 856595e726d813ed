"""Which HDUs of a coadd hold its spectra, where on the joined grid, and in which units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE, WAVE_START, WAVE_STEP
from pipeline.errors import DataError
from pipeline.fits.compressed_image import unpack_image
from pipeline.fits.index import PIXEL_TYPES, FileIndex, Hdu, ReadAhead
from pipeline.fits.table_columns import apply_scale
from pipeline.spectra.flux_units import Factor, flux_factor, ivar_factor, wavelength_factor
from pipeline.transport.sources import SourceFile

# What desispec's coadd_cameras writes of neighbouring arms: one band, no overlap.
_CAMERA_PIXELS = {
    "brz": (0, WAVE_SIZE),
    "br": (0, ARM_PIXELS["r"][1]),
    "rz": (ARM_PIXELS["r"][0], WAVE_SIZE),
}
_NEEDED = ("WAVELENGTH", "FLUX", "IVAR")
# Wavelengths are multiples of 0.8 Å to rounding; a shift of 1 % of a pixel is another grid.
_WAVE_TOLERANCE = 0.01 * WAVE_STEP
# Words for what else is given as spectra.
_STRANGERS = {
    "REDSHIFTS": "redshifts and no spectra: give the coadd beside it, and it as --redshifts",
    "ZBEST": "redshifts and no spectra: give the coadd beside it, and it as --redshifts",
    "ZCATALOG": "a redshift catalogue and no spectra: give coadds, and it as --redshifts",
    "RESOLUTION": "a frame of one camera: give the coadd that desispec makes of it",
}


@dataclass(frozen=True)
class Arm:
    """HDUs of one arm, and its first and one past its last pixel on the joined grid."""

    name: str
    pixels: tuple[int, int]
    wavelength: Hdu
    flux: Hdu
    ivar: Hdu
    mask: Hdu | None

    @property
    def images(self) -> tuple[Hdu, ...]:
        """Flux, ivar and, if there is one, mask."""
        return (self.flux, self.ivar) if self.mask is None else (self.flux, self.ivar, self.mask)

    @property
    def wave(self) -> NDArray[np.float64]:
        """Wavelengths (Å) of its pixels, vacuum."""
        return WAVE_START + WAVE_STEP * np.arange(*self.pixels, dtype=np.float64)


def find_arms(file: SourceFile, index: FileIndex) -> list[Arm]:
    """Return the arms that a file has: b, r, z, or one band of joined cameras.

    Raises
    ------
    DataError
        Naming the HDU that an arm lacks, or what the file holds in the place of spectra.
    """
    named: dict[str, list[Hdu]] = {}
    for hdu in index.hdus:
        named.setdefault(hdu.name, []).append(hdu)
    for bands in (ARM_PIXELS, _CAMERA_PIXELS):
        found = [
            name for name in bands if any(f"{name.upper()}_{kind}" in named for kind in _NEEDED)
        ]
        if found:
            break
    else:
        raise DataError(f"{file}: {_explain(index)}")
    if bands is _CAMERA_PIXELS and len(found) > 1:
        raise DataError(f"{file}: spectra in the bands {', '.join(found)}: leave one")
    return [_make_arm(file, named, name, bands[name]) for name in found]


def has_all(index: FileIndex) -> bool:
    """Say whether a file has its targets and every HDU of all the arms, or of all joined."""
    names = {hdu.name for hdu in index.hdus}
    return "FIBERMAP" in names and any(
        all(f"{arm.upper()}_{kind}" in names for arm in arms for kind in (*_NEEDED, "MASK"))
        for arms in (ARM_PIXELS, ("brz",))
    )


def check_whole(file: SourceFile, arms: Sequence[Arm], is_strict: bool) -> None:
    """Check that no arm and no mask is missing, or too many.

    Parameters
    ----------
    file : SourceFile
    arms : sequence of Arm
    is_strict : bool
        Of a survey's file nothing may be missing: it may have been cut off between two HDUs. A
        file from elsewhere may lack one arm, and masks.

    Raises
    ------
    DataError
    """
    missing = _find_missing(arms)
    if missing and (is_strict or len(missing) > 1):
        raise _incomplete(file, missing[0], "WAVELENGTH")
    without = [arm.name for arm in arms if arm.mask is None]
    if is_strict and 0 < len(without) < len(arms):
        raise _incomplete(file, without[0], "MASK")


def describe_lacking(file: SourceFile, arms: Sequence[Arm]) -> tuple[str, ...]:
    """Say in a line each what a file lacks."""
    missing = _find_missing(arms)
    without = [arm.name for arm in arms if arm.mask is None]
    notes = []
    if missing:
        notes.append(f"{file.name}: no arm {', '.join(missing)}: its pixels are bad, coverage 0")
    if without:
        notes.append(
            f"{file.name}: no mask of arm {', '.join(without)}: ivar alone says what is bad"
        )
    return tuple(notes)


def check_arm(ahead: ReadAhead, arm: Arm, n_rows: int) -> None:
    """Check shapes, units and wavelengths of an arm.

    Raises
    ------
    DataError
        Naming the HDU that has another grid, shape or unit.
    """
    first, last = arm.pixels
    for hdu in arm.images:
        expected = (n_rows, last - first)
        if hdu.shape != expected:
            turned = ": it is transposed" if hdu.shape[::-1] == expected else ""
            raise DataError(
                f"{ahead.file}: HDU {hdu.name} has shape {hdu.shape}, not {expected} "
                f"(rows of FIBERMAP, pixels of arm {arm.name}){turned}"
            )
    if arm.mask is not None and not arm.mask.is_compressed and arm.mask.bitpix < 0:
        raise DataError(f"{ahead.file}: HDU {arm.mask.name} holds floats, not bits of a mask")
    find_factors(ahead.file, arm)
    _check_grid(ahead, arm)


def find_factors(file: SourceFile, arm: Arm) -> tuple[Factor, Factor]:
    """Return what flux and ivar of an arm are multiplied by to be in our units."""
    flux, ivar = (f"{file}: HDU {hdu.name}" for hdu in (arm.flux, arm.ivar))
    return (
        flux_factor(flux, arm.flux.unit, arm.wave),
        ivar_factor(ivar, arm.ivar.unit, arm.wave),
    )


def read_image(ahead: ReadAhead, hdu: Hdu) -> NDArray:
    """Return a whole image, native and scaled."""
    if hdu.is_compressed:
        return unpack_image(ahead.file, hdu, ahead.read(hdu.start, hdu.stop))
    raw = ahead.read(hdu.data, hdu.data + hdu.n_bytes)
    values = np.frombuffer(raw, PIXEL_TYPES[hdu.bitpix]).reshape(hdu.shape)
    return apply_scale(values, hdu.bzero, hdu.bscale)


def _find_missing(arms: Sequence[Arm]) -> list[str]:
    covered = "".join(arm.name for arm in arms)
    return [name for name in ARM_PIXELS if name not in covered]


def _check_grid(ahead: ReadAhead, arm: Arm) -> None:
    hdu, grid = arm.wavelength, arm.wave
    where = f"{ahead.file}: HDU {hdu.name}"
    if hdu.is_air:
        raise DataError(f"{where} has wavelengths in air, says its header; give those in vacuum")
    wave = read_image(ahead, hdu) * wavelength_factor(where, hdu.unit)
    if wave.ndim in (1, 2) and wave.size and wave.shape[-1] == grid.size:
        # Not `>`: a NaN must not pass.
        if np.abs(wave - grid).max() <= _WAVE_TOLERANCE:
            return
        if np.abs(wave - _to_air(grid)).max() <= WAVE_STEP / 4:
            raise DataError(f"{where} has wavelengths in air; give those in vacuum")
        for unit, factor in (("nm", 10.0), ("um", 1e4), ("m", 1e10)):
            if not hdu.unit and np.abs(wave * factor - grid).max() <= _WAVE_TOLERANCE:
                raise DataError(f"{where} has wavelengths in {unit}; let BUNIT say so")
    raise DataError(
        f"{where} is not DESI's grid ({grid[0]:.1f} to {grid[-1]:.1f} Å in steps of {WAVE_STEP} Å)"
    )


def _to_air(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert vacuum wavelengths (Å) to air: Morton (1991), as SDSS does."""
    square = wave**-2
    return wave / (1 + 2.735182e-4 + 131.4182 * square + 2.76249e8 * square**2)


def _make_arm(
    file: SourceFile, named: Mapping[str, list[Hdu]], name: str, pixels: tuple[int, int]
) -> Arm:
    needed = []
    for kind in _NEEDED:
        hdu = _find(file, named, name, kind)
        if hdu is None:
            raise _incomplete(file, name, kind)
        needed.append(hdu)
    wave, flux, ivar = needed
    return Arm(name, pixels, wave, flux, ivar, _find(file, named, name, "MASK"))


def _find(file: SourceFile, named: Mapping[str, list[Hdu]], arm: str, kind: str) -> Hdu | None:
    name = f"{arm.upper()}_{kind}"
    found = named.get(name, [])
    if len(found) > 1:
        raise DataError(f"{file}: {len(found)} HDUs {name}; leave one")
    if found and not found[0].is_image:
        raise DataError(f"{file}: HDU {name} is not an image")
    return found[0] if found else None


def _incomplete(file: SourceFile, arm: str, kind: str) -> DataError:
    return DataError(
        f"{file}: no HDU {arm.upper()}_{kind}: arm {arm} is incomplete; leave the file out, unless "
        "the source has a whole one"
    )


def _explain(index: FileIndex) -> str:
    names = [hdu.name for hdu in index.hdus]
    strange = next((words for name, words in _STRANGERS.items() if name in names), None)
    if strange:
        return f"it holds {strange}"
    if "FIBERMAP" not in names:
        return "no HDU FIBERMAP: not a DESI file; give coadd files"
    return "no HDU B_FLUX, R_FLUX, Z_FLUX or BRZ_FLUX: no spectra in it; give coadd files"
