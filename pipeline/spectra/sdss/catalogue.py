"""SDSS's catalogue: spAll or specObj, or the row of it that each spec file carries."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, UserError
from pipeline.fits.tables import iterate_columns, list_tables
from pipeline.spectra.listed_files import ListedFiles
from pipeline.spectra.sdss.names import make_targetid, split_targetid
from pipeline.spectra.sdss.spec_file import open_spec
from pipeline.spectra.single_files import FaultList
from pipeline.spectra.survey import Columns
from pipeline.transport.sources import Source, SourceFile

SURVEY = "sdss"
# The last plates of the old spectrographs, which had 640 fibres, are below this one.
FIRST_BOSS_PLATE = 3510
IDENTITY = ("PLATE", "MJD", "FIBERID")
_REQUIRED = (*IDENTITY, "Z", "ZWARNING", "CLASS")
_POSITIONS = (("PLUG_RA", "PLUG_DEC"), ("RA", "DEC"))
_PROGRAMS = ("SURVEY", "PROGRAMNAME", "CHUNK")
_OPTIONAL = (
    *(name for pair in _POSITIONS for name in pair),
    *_PROGRAMS,
    "Z_ERR",
    "OBJTYPE",
    "SPECPRIMARY",
    "RCHI2DIFF",
    "DOF",
    "EXTINCTION",
)
# A_g and A_r over E(B-V) of SFD98 in EXTINCTION (u, g, r, i, z): of Schlafly & Finkbeiner 2011,
# Table 6, since DR9's photometry; of Stoughton et al. 2002 before.
_NEW_G, _NEW_R, _OLD_G, _OLD_R = 3.303, 2.285, 3.793, 2.751
_FILES_AT_A_TIME = 1000


def read_catalogue(
    source: Source, files: ListedFiles[int], notes: list[str]
) -> Iterator[tuple[Columns, NDArray[np.str_]]]:
    """Yield the catalogue in blocks under our names, with the gate of rows without a spectrum.

    A row more stands for each file of the same spectrum as another (`duplicate_row`), and for each
    that the summary catalogue does not list (`not_in_catalogue`).

    Parameters
    ----------
    source : Source
    files : ListedFiles
    notes : list of str
        Filled with the faults of single files.

    Raises
    ------
    UserError
        If the summary catalogue cannot be read.
    """
    if files.table:
        try:
            yield from _read_table(source.file(files.table), files)
        except DataError as error:
            raise UserError(str(error)) from None
    else:
        faults = FaultList()
        paths = list(files.paths.items())
        for first in range(0, len(paths), _FILES_AT_A_TIME):
            yield _read_files(source, paths[first : first + _FILES_AT_A_TIME], faults)
        notes += faults.notes
    yield _stand_for(files.repeats, "duplicate_row")


def name_programs(rows: Columns) -> NDArray[np.str_]:
    """Return sdss (the old spectrographs), boss or eboss for each row, shape (n,)."""
    plate = np.asarray(rows["PLATE"], np.int64)
    is_eboss = np.zeros(len(plate), bool)
    for name in _PROGRAMS:
        if name in rows:
            words = np.char.lower(rows[name].astype(str))
            is_eboss |= np.char.startswith(words, "eboss") | np.char.startswith(words, "elg_")
    return np.where(plate < FIRST_BOSS_PLATE, "sdss", np.where(is_eboss, "eboss", "boss"))


def find_reddening(extinction: NDArray) -> NDArray[np.float64]:
    """Return E(B-V) of SFD98, shape (n,), of EXTINCTION in u, g, r, i, z; NaN where there is none.

    Which coefficients it was made with, the ratio of g and r tells: 1.446 or 1.379.
    """
    a_g, a_r = (np.asarray(extinction[:, band], np.float64) for band in (1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        is_new = a_g / a_r > 0.5 * (_NEW_G / _NEW_R + _OLD_G / _OLD_R)
        ebv = a_r / np.where(is_new, _NEW_R, _OLD_R)
    return np.where(np.isfinite(ebv) & (a_r > 0), ebv, np.nan)


def convert(rows: Mapping[str, NDArray], where: object) -> dict[str, NDArray]:
    """Return rows of spAll or specObj under our names; DataError without a position."""
    pair = next((pair for pair in _POSITIONS if set(pair) <= set(rows)), None)
    if pair is None:
        raise DataError(f"{where}: no column PLUG_RA and PLUG_DEC, nor RA and DEC")
    n = len(rows["PLATE"])
    fibre = rows.get("OBJTYPE", np.full(n, ""))
    is_sky = (fibre == "SKY") | (rows["ZWARNING"].astype(np.int64) & 1 != 0)
    found = {
        "SURVEY": np.full(n, SURVEY),
        "PROGRAM": name_programs(rows),
        "HEALPIX": rows["PLATE"].astype(np.int64),
        "TARGETID": make_targetid(*(rows[name] for name in IDENTITY)),
        "TARGET_RA": rows[pair[0]],
        "TARGET_DEC": rows[pair[1]],
        "Z": rows["Z"].astype(np.float64),
        "ZWARN": rows["ZWARNING"].astype(np.int64),
        "SPECTYPE": rows["CLASS"],
        "OBJTYPE": np.where(is_sky, "SKY", "TGT"),
        "MEAN_MJD": rows["MJD"].astype(np.float64),
        "fibre": fibre,
    }
    if "Z_ERR" in rows:
        found["ZERR"] = np.where(rows["Z_ERR"] > 0, rows["Z_ERR"], np.nan)
    if "SPECPRIMARY" in rows:
        found["is_primary"] = rows["SPECPRIMARY"].astype(np.int64) > 0
    if {"RCHI2DIFF", "DOF"} <= set(rows):
        found["DELTACHI2"] = rows["RCHI2DIFF"].astype(np.float64) * rows["DOF"]
    if "EXTINCTION" in rows and rows["EXTINCTION"].ndim == 2:
        found["EBV"] = find_reddening(rows["EXTINCTION"])
    return found


def _read_table(
    file: SourceFile, files: ListedFiles[int]
) -> Iterator[tuple[Columns, NDArray[np.str_]]]:
    tables = list(list_tables(file))
    if not tables:
        raise DataError(f"{file}: no table in it; give spAll or specObj")
    there = np.array(sorted(files.paths), np.int64)
    is_listed = np.zeros(len(there), bool)
    for block in iterate_columns(file, tables[0], _REQUIRED, _OPTIONAL):
        rows = convert(block, file)
        is_there = np.isin(rows["TARGETID"], there)
        is_listed |= np.isin(there, rows["TARGETID"])
        yield rows, np.where(is_there, "", "no_spectrum_file")
    yield _stand_for(there[~is_listed].tolist(), "not_in_catalogue")


def _read_files(
    source: Source, paths: list[tuple[int, str]], faults: FaultList
) -> tuple[Columns, NDArray[np.str_]]:
    blocks, broken = [], []
    for targetid, path in paths:
        try:
            spec = open_spec(source.file(path))
            row = convert(spec.read_summary(_REQUIRED, _OPTIONAL), spec.file)
            if row["TARGETID"][0] != targetid:
                told = "-".join(map(str, split_targetid(int(row["TARGETID"][0]))))
                raise DataError(f"{spec.file}: its row of the catalogue is that of {told}")
            blocks.append(row)
        except DataError as error:
            faults.add(error)
            broken.append(targetid)
    rows, gate = _stand_for(broken, "unreadable_spectrum")
    return _join([rows, *blocks]), np.concatenate([gate, np.full(len(blocks), "")])


def _stand_for(targetids: list[int] | tuple[int, ...], gate: str) -> tuple[Columns, NDArray]:
    """Return rows of which nothing is known but the name, each with its gate."""
    names = [split_targetid(targetid) for targetid in targetids]
    n, unknown = len(names), np.full(len(names), np.nan)
    plate, mjd, fibre = np.array(names, np.int64).reshape(-1, 3).T
    rows = {
        **dict(zip(IDENTITY, (plate, mjd, fibre), strict=True)),
        "PLUG_RA": unknown,
        "PLUG_DEC": unknown,
        "Z": unknown,
        "ZWARNING": np.zeros(n, np.int64),
        "CLASS": np.full(n, ""),
    }
    return convert(rows, ""), np.full(n, gate)


def _join(blocks: list[dict[str, NDArray]] | list[Columns]) -> dict[str, NDArray]:
    """Put rows that may have different columns one after another; what is unknown is NaN."""
    names = dict.fromkeys(name for block in blocks for name in block)
    fill = {"is_primary": True}
    return {
        name: np.concatenate(
            [
                block.get(name, np.full(len(block["TARGETID"]), fill.get(name, np.nan)))
                for block in blocks
            ]
        )
        for name in names
    }
