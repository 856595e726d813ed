"""Mock catalogues of two other surveys, for the cross-match: X-ray sources and radio sources."""

from pathlib import Path

import numpy as np
from astropy import units
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import healpix_to_lonlat, lonlat_to_healpix

from catalog_schema.desi import HEALPIX_ORDER
from pipeline.spectra.mock import fits

XRAY_SHARE = 0.3
BLEND_SHARE = 0.1
RADIO_SHARE = 0.15
RADIO_DEC_MIN = 15.0
_BACKGROUND_PER_PIXEL = 400
_FINE_DEPTH = 18
_XRAY = np.dtype([("SRCID", "U12"), ("RA", "f8"), ("DEC", "f8"), ("POSERR", "f4"), ("FLUX", "f4")])


def write_catalogues(folder: Path, rows: np.ndarray, seed: int) -> None:
    """Write both catalogues: counterparts of some targets, blends, and unrelated sources.

    The X-ray survey (``xray.fits``, positional errors of arcsec, some targets with two sources)
    leaves out every fourth pixel of the mock; ``xray_moc.json`` is its footprint. The radio survey
    (``radio.csv``) ends at declination `RADIO_DEC_MIN`.

    Parameters
    ----------
    folder : Path
    rows : structured array
        Of ZCATALOG.
    seed : int
    """
    rng = np.random.default_rng([seed, 77])
    is_target = (rows["OBJTYPE"].astype(str) == "TGT") & (rows["TARGETID"] > 0)
    _, first = np.unique(rows["TARGETID"][is_target], return_index=True)
    targets = rows[is_target][first]
    ra, dec = targets["TARGET_RA"], targets["TARGET_DEC"]
    pixels = np.unique(_find_pixels(ra, dec))
    folder.mkdir(parents=True, exist_ok=True)
    _write_xray(folder, rng, ra, dec, pixels)
    _write_radio(folder, rng, ra, dec, pixels)


def _write_xray(
    folder: Path, rng: np.random.Generator, ra: np.ndarray, dec: np.ndarray, pixels: np.ndarray
) -> None:
    from mocpy import MOC

    covered = np.delete(pixels, np.s_[3::4])
    order = np.uint8(HEALPIX_ORDER)
    moc = MOC.from_healpix_cells(covered.astype(np.uint64), order, order)
    moc.save(folder / "xray_moc.json", format="json")
    chosen = rng.random(len(ra)) < XRAY_SHARE
    ra, dec = ra[chosen], dec[chosen]
    error = rng.uniform(0.5, 2.0, len(ra))
    seen = _scatter(rng, ra, dec, error)
    blend = rng.random(len(ra)) < BLEND_SHARE
    second = _scatter(rng, ra[blend], dec[blend], 2 * error[blend])
    background = _draw_background(rng, pixels)
    places = [np.concatenate(parts) for parts in zip(seen, second, background, strict=True)]
    errors = np.concatenate([error, error[blend], rng.uniform(0.5, 2.0, len(background[0]))])
    inside = np.isin(_find_pixels(*places), covered)
    table = np.zeros(inside.sum(), _XRAY)
    table["SRCID"] = [f"X{number:06d}" for number in range(inside.sum())]
    table["RA"], table["DEC"] = (values[inside] for values in places)
    table["POSERR"] = errors[inside]
    table["FLUX"] = 10 ** rng.normal(-13.5, 0.5, inside.sum())
    fits.write_tables(folder / "xray.fits", {}, {"SOURCES": table})


def _write_radio(
    folder: Path, rng: np.random.Generator, ra: np.ndarray, dec: np.ndarray, pixels: np.ndarray
) -> None:
    chosen = rng.random(len(ra)) < RADIO_SHARE
    seen = _scatter(rng, ra[chosen], dec[chosen], np.full(chosen.sum(), 0.4))
    background = _draw_background(rng, pixels)
    places = [np.concatenate(parts) for parts in zip(seen, background, strict=True)]
    inside = places[1] >= RADIO_DEC_MIN
    flux = 10 ** rng.normal(0.5, 0.6, len(inside))
    lines = [
        f"R{number:06d},{x:.7f},{y:.7f},{jansky:.4f}"
        for number, (x, y, jansky) in enumerate(
            zip(places[0][inside], places[1][inside], flux[inside], strict=True)
        )
    ]
    (folder / "radio.csv").write_text("\n".join(["name,ra,dec,peak_mJy", *lines]) + "\n")


def _scatter(
    rng: np.random.Generator, ra: np.ndarray, dec: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    east, north = rng.normal(size=(2, len(ra))) * error / 3600
    return np.mod(ra + east / np.cos(np.radians(dec)), 360), dec + north


def _draw_background(rng: np.random.Generator, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pixel = np.repeat(pixels, _BACKGROUND_PER_PIXEL)
    cells = rng.integers(0, 4 ** (_FINE_DEPTH - HEALPIX_ORDER), len(pixel))
    fine = (pixel.astype(np.int64) << 2 * (_FINE_DEPTH - HEALPIX_ORDER)) + cells
    lon, lat = healpix_to_lonlat(fine.astype(np.uint64), np.uint8(_FINE_DEPTH))
    return lon.to_value(units.deg), lat.to_value(units.deg)


def _find_pixels(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    places = Longitude(ra, units.deg), Latitude(dec, units.deg)
    return lonlat_to_healpix(*places, np.uint8(HEALPIX_ORDER)).astype(np.int64)
