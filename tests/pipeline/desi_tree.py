"""Writes small trees in the DR1 layout: plain quasars, and any fault that a test asks for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE, WAVE_START, WAVE_STEP
from pipeline.lake.layout import Shard
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.tree import REDUCTION, HealpixTree
from pipeline.spectra.mock.identity import draw_positions
from pipeline.transport.sources import open_source

WAVE = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)
# Rest wavelength (Å), height over the continuum and width (Å) of the broad lines.
_LINES = ((1549.0, 2.0, 18.0), (1909.0, 1.0, 25.0), (2798.0, 0.8, 30.0))
_FORMATS = {"f": "D", "i": "K", "b": "L", "U": "12A"}
# QuasarNet's columns of confidence, one a line.
CONFIDENCES = ("C_LYA", "C_CIV", "C_CIII", "C_MgII", "C_Hbeta", "C_Halpha")

Rows = dict[str, NDArray]

# Gate: columns that make a row fail it, in the order of the gates.
FAULTS: dict[str, dict[str, object]] = {
    "no_redshift": {"Z": np.nan},
    "not_a_target": {"OBJTYPE": "SKY"},
    "negative_targetid": {"TARGETID": [-5]},
    "not_quasar": {"SPECTYPE": "GALAXY"},
    "redshift_warning": {"ZWARN": 4},
    "bad_fiberstatus": {"COADD_FIBERSTATUS": 16},
    "not_primary": {"ZCAT_PRIMARY": False},
    "redshift_outside_range": {"Z": 7.0},
    "position_outside_pixel": {"TARGET_RA": 300.0},
}


def make_rows(n: int, first_id: int = 1, **columns: object) -> Rows:
    """Return zcatalog rows that pass every gate, with some columns replaced."""
    ids = np.arange(first_id, first_id + n, dtype=np.int64)
    rng = np.random.default_rng(first_id)
    rows: dict[str, object] = {
        "TARGETID": ids,
        "SURVEY": "main",
        "PROGRAM": "dark",
        "HEALPIX": 100,
        "Z": rng.uniform(1.5, 1.9, n),
        "ZERR": 1e-4,
        "ZWARN": 0,
        "SPECTYPE": "QSO",
        "DELTACHI2": 100.0,
        "OBJTYPE": "TGT",
        "COADD_FIBERSTATUS": 0,
        "EBV": rng.uniform(0, 0.1, n),
        "FLUX_G": 2.0,
        "ZCAT_PRIMARY": True,
        **columns,
    }
    pixels = np.broadcast_to(np.asarray(rows["HEALPIX"]), (n,))
    places = dict(zip(("TARGET_RA", "TARGET_DEC"), draw_positions(rng, pixels), strict=True))
    rows = {**places, **rows}
    return {name: np.broadcast_to(np.asarray(values), (n,)) for name, values in rows.items()}


def join_rows(*parts: Rows) -> Rows:
    """Append rows that have the same columns."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def write_table(path: Path, **tables: Mapping[str, NDArray]) -> Path:
    """Write binary tables as named HDUs of one FITS file."""
    hdus = [fits.PrimaryHDU(), *(_make_hdu(name, rows) for name, rows in tables.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def write_zcatalog(root: Path, rows: Rows) -> Path:
    """Write the merged redshift catalogue of a tree."""
    return write_table(LocalTree(root).redshift_catalogue, ZCATALOG=rows)


def write_coadd(
    path: Path,
    targetid: NDArray,
    flux: NDArray,
    ivar: NDArray,
    mask: NDArray | None = None,
    fibermap: Mapping[str, NDArray] | None = None,
    exposures: Mapping[str, NDArray] | None = None,
    scores: Mapping[str, NDArray] | None = None,
    has_sums: bool = False,
) -> Path:
    """Write joined spectra (n, 7781) as the three arms of a coadd file."""
    mask = np.zeros(flux.shape, np.uint32) if mask is None else mask
    names = fibermap or {"TARGETID": np.asarray(targetid, np.int64)}
    hdus = [fits.PrimaryHDU(), _make_hdu("FIBERMAP", names)]
    if exposures:
        hdus.append(_make_hdu("EXP_FIBERMAP", exposures))
    for arm, (first, last) in ARM_PIXELS.items():
        name = arm.upper()
        hdus += [
            fits.ImageHDU(WAVE[first:last], name=f"{name}_WAVELENGTH"),
            fits.ImageHDU(flux[:, first:last].astype(np.float32), name=f"{name}_FLUX"),
            fits.ImageHDU(ivar[:, first:last].astype(np.float32), name=f"{name}_IVAR"),
            fits.ImageHDU(mask[:, first:last].astype(np.uint32), name=f"{name}_MASK"),
        ]
    if scores:
        hdus.append(_make_hdu("SCORES", scores))
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path, overwrite=True, checksum=has_sums)
    return path


def make_scores(targetid: NDArray, flux: NDArray) -> Rows:
    """Return SCORES of joined spectra: their median fluxes in r and z."""
    r, z = (WAVE >= 5800) & (WAVE < 7600), (WAVE >= 7600) & (WAVE < 9800)
    return {
        "TARGETID": np.asarray(targetid, np.int64),
        "MEDIAN_COADD_FLUX_R": np.median(flux[:, r], axis=1),
        "MEDIAN_COADD_FLUX_Z": np.median(flux[:, z], axis=1),
    }


def make_quasars(
    z: NDArray, seed: int = 0, noise: float = 0.1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return flux and ivar (n, 7781) of power laws with broad lines of varied height."""
    rng = np.random.default_rng(seed)
    rest = WAVE / (1 + z[:, None])
    flux = (rest / 2000) ** rng.normal(-1.5, 0.2, (len(z), 1))
    for centre, height, width in _LINES:
        heights = height * rng.lognormal(0, 0.3, (len(z), 1))
        flux *= 1 + heights * np.exp(-0.5 * ((rest - centre) / width) ** 2)
    sigma = noise * rng.lognormal(0, 0.3, (len(z), 1)) * np.ones_like(rest)
    observed = flux + sigma * rng.standard_normal(flux.shape)
    return observed.astype(np.float32), (1 / sigma**2).astype(np.float32)


def write_survey(root: Path, rows: Rows) -> "LocalTree":
    """Write a whole tree: the catalogue and a coadd per shard."""
    tree = LocalTree(root)
    write_zcatalog(root, rows)
    for pixel in np.unique(rows["HEALPIX"]):
        here = rows["HEALPIX"] == pixel
        flux, ivar = make_quasars(rows["Z"][here], int(pixel))
        path = tree.file("coadd", Shard("main", "dark", int(pixel)))
        write_coadd(path, rows["TARGETID"][here], flux, ivar)
    return tree


def _make_hdu(name: str, rows: Mapping[str, NDArray]) -> fits.BinTableHDU:
    columns = [
        fits.Column(n, _FORMATS[np.asarray(v).dtype.kind], array=np.asarray(v))
        for n, v in rows.items()
    ]
    return fits.BinTableHDU.from_columns(columns, name=name)


class LocalTree:
    """A tree in the DR1 layout as paths of this machine, to write to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tree = HealpixTree(open_source(str(root), AcquireSettings()))

    @property
    def reduction(self) -> Path:
        """Folder of the named reduction."""
        return self.root / REDUCTION

    @property
    def redshift_catalogue(self) -> Path:
        """Merged redshift catalogue."""
        return self.root / self._tree.redshift_catalogue.path

    def file(self, kind: str, shard: Shard) -> Path:
        """Path of a shard's file."""
        return self.root / self._tree.file(kind, shard).path
