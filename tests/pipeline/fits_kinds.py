"""Kinds of FITS files that the pipeline reads, each with a small whole one and its reader."""

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import lamost_source
import numpy as np
import pyarrow as pa
import sdss_source
from astropy.io import fits
from desi_tree import (
    CONFIDENCES,
    LocalTree,
    make_quasars,
    make_rows,
    write_coadd,
    write_table,
    write_zcatalog,
)
from spec_files import write_spec

from catalog_schema.desi import SAMPLING
from pipeline.lake.layout import Shard
from pipeline.settings.spectra import TargetSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.candidates import select_candidates
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.desi.afterburners import read_findings
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd, read_tables
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.desi.redshift_catalogue import read_catalogue
from pipeline.spectra.desi.selection import choose_blocks
from pipeline.spectra.desi.tree import HealpixTree
from pipeline.spectra.lamost.survey import LamostSurvey
from pipeline.spectra.science.exposures import find_main_places
from pipeline.spectra.sdss.spec_file import read_spectrum
from pipeline.spectra.sdss.survey import SdssSurvey
from pipeline.spectra.single_files import SingleFiles
from pipeline.spectra.stages.adopt import adopt_redshifts, lend_redshifts
from pipeline.transport.sources import local_file, open_source

SHARD = Shard("main", "dark", 100)
N = 3
IDS = np.arange(1, N + 1)


class Kind(NamedTuple):
    """A kind of file.

    `write` makes the file of a folder, and what else must lie there, and returns its path; `read`
    reads it as the pipeline does; what is packed is damaged before it is packed, too.
    """

    write: Callable[[Path], Path]
    read: Callable[[Path], object]
    is_packed: bool = False


def _write_coadd(folder: Path) -> Path:
    flux, ivar = make_quasars(np.array([1.0, 1.5, 2.0]))
    fibermap = {"TARGETID": IDS, "TARGET_RA": IDS * 1.0, "OBJTYPE": np.array(["TGT"] * N)}
    exposures = {
        "TARGETID": IDS,
        "NIGHT": IDS,
        "PETAL_LOC": IDS,
        "FIBER": IDS,
        "EXPTIME": IDS * 1.0,
        "FIBERSTATUS": IDS * 0,
    }
    path = folder / "coadd-main-dark-100.fits"
    return write_coadd(
        path, IDS, flux, ivar, fibermap=fibermap, exposures=exposures, scores={"TARGETID": IDS}
    )


def _write_packed(folder: Path) -> Path:
    plain = _write_coadd(folder)
    path = plain.with_name(f"{plain.name}.gz")
    path.write_bytes(gzip.compress(plain.read_bytes(), 1))
    plain.unlink()
    return path


def _write_compressed(folder: Path) -> Path:
    path = _write_coadd(folder)
    with fits.open(path) as hdus:
        copies = [
            fits.CompImageHDU(hdu.data, hdu.header, compression_type=method)
            if method
            else hdu.copy()
            for hdu in hdus
            for method in [{"MASK": "GZIP_2", "FLUX": "RICE_1"}.get(hdu.name[2:])]
        ]
        fits.HDUList(copies).writeto(path, overwrite=True)
    return path


def _read_coadd(path: Path) -> None:
    coadd = open_coadd(local_file(path))
    check_coadd(coadd, is_strict=False)
    listed, exposures = read_tables(coadd)
    spectra, *_ = join_file(coadd, np.arange(coadd.n_rows), listed, 1e-6, AcquireSettings())
    spectra_to_table(SHARD, spectra, SAMPLING, find_main_places(exposures, spectra.targetid))


def _write_zcatalog(folder: Path) -> Path:
    rows = make_rows(20, DESI_TARGET=4, SCND_TARGET=0, DESINAME="DESI J000.1")
    return write_zcatalog(folder, rows)


def _write_redrock(folder: Path) -> Path:
    rows = make_rows(8)
    redshifts = ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE", "DELTACHI2")
    return write_table(
        LocalTree(folder).file("redrock", SHARD),
        REDSHIFTS={name: rows[name] for name in redshifts},
        FIBERMAP={n: v for n, v in rows.items() if n == "TARGETID" or n not in redshifts},
    )


def _find_tree(path: Path) -> HealpixTree:
    """Return the tree that a file lies in."""
    folder = path.parents[path.parts[::-1].index("spectro")]
    return HealpixTree(open_source(str(folder), AcquireSettings()))


def _read_zcatalog(path: Path) -> None:
    settings = TargetSettings()
    rows = read_catalogue(_find_tree(path), {})
    select_candidates(choose_blocks(rows, settings), settings)


def _candidates() -> pa.Table:
    rows = make_rows(N, DESI_TARGET=4)
    settings = TargetSettings()
    kept, _ = select_candidates(choose_blocks([rows], settings), settings)
    return lend_redshifts(kept)


def _write_mgii(folder: Path) -> Path:
    path = LocalTree(folder).file("qso_mgii", SHARD)
    return write_table(path, MGII={"TARGETID": IDS, "IS_QSO_MGII": IDS > 1})


def _write_qn(folder: Path) -> Path:
    path = LocalTree(folder).file("qso_qn", SHARD)
    columns = {
        "TARGETID": IDS,
        "IS_QSO_QN_NEW_RR": IDS > 1,
        "Z_NEW": IDS * 1.0,
        "ZERR_NEW": IDS * 0.1,
    }
    return write_table(path, QN_RR=columns | dict.fromkeys(CONFIDENCES, IDS * 0.3))


def _read_afterburner(path: Path) -> None:
    rows = _candidates()
    settings = TargetSettings()
    findings = read_findings(_find_tree(path), SHARD, rows, settings)
    adopt_redshifts(rows, findings, settings)


def _write_sdss(folder: Path) -> Path:
    return sdss_source.write_file(folder, sdss_source.make_row(1))


def _write_spall(folder: Path) -> Path:
    rows = [sdss_source.make_row(fibre) for fibre in range(1, 9)]
    sdss_source.write_files(folder, rows[:2])
    return sdss_source.write_catalogue(folder, rows)


def _write_lamost(folder: Path, is_old: bool) -> Path:
    return lamost_source.write_file(folder, lamost_source.make_row(1), is_old=is_old)


def _read_survey(path: Path, kind: type[SingleFiles]) -> None:
    survey, settings = kind(str(path.parent), AcquireSettings()), TargetSettings()
    select_candidates(survey.catalogue(settings, {}, []), settings)
    for name in path.parent.glob("spec-*"):
        survey.read_file(local_file(name))


KINDS = {
    "coadd": Kind(_write_coadd, _read_coadd),
    "coadd.gz": Kind(_write_packed, _read_coadd, is_packed=True),
    "compressed images": Kind(_write_compressed, _read_coadd),
    "zcatalog": Kind(_write_zcatalog, _read_zcatalog),
    "redrock": Kind(_write_redrock, _read_zcatalog),
    "qso_mgii": Kind(_write_mgii, _read_afterburner),
    "qso_qn": Kind(_write_qn, _read_afterburner),
    "SDSS spec": Kind(
        lambda folder: write_spec(folder / "spec.fits"),
        lambda path: read_spectrum(local_file(path)),
    ),
    "SDSS survey": Kind(_write_sdss, partial(_read_survey, kind=SdssSurvey)),
    "spAll": Kind(_write_spall, partial(_read_survey, kind=SdssSurvey)),
    "LAMOST image": Kind(
        partial(_write_lamost, is_old=True), partial(_read_survey, kind=LamostSurvey)
    ),
    "LAMOST table": Kind(
        partial(_write_lamost, is_old=False), partial(_read_survey, kind=LamostSurvey)
    ),
}
