"""LAMOST's catalogue of low-resolution spectra, or what the header of each file says in its place.

Columns: obsid, lmjd, planid, spid, fiberid, position, class, z, z_err, fibertype and the
signal-to-noise ratios, in whatever case and of whatever release (lamost.org, general catalogue).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, UserError
from pipeline.lake.layout import is_remote
from pipeline.names import is_name
from pipeline.spectra.lamost.names import Name, parse_name
from pipeline.spectra.lamost.spec_file import SpecFile, open_spec
from pipeline.spectra.listed_files import ListedFiles
from pipeline.spectra.single_files import FaultList
from pipeline.spectra.survey import Columns
from pipeline.transport.sources import Source
from pipeline.user_tables.reader import open_tables
from pipeline.user_tables.table import UserTable
from pipeline.user_tables.values import read_ids, read_numbers, read_words

SURVEY = "lamost"
_NEEDED = {
    "obsid": ("obsid",),
    "lmjd": ("lmjd", "mjd"),
    "planid": ("planid",),
    "spid": ("spid",),
    "fiberid": ("fiberid",),
    "ra": ("ra_obs", "ra", "objra"),
    "dec": ("dec_obs", "dec", "objdec"),
    "class": ("class",),
    "z": ("z",),
}
_OPTIONAL = {
    "z_err": ("z_err",),
    "fibertype": ("fibertype",),
    "snr": ("snri", "snrg", "snrr"),
    "designation": ("designation",),
    "fibermask": ("fibermask",),
}
_NUMBERS = ("ra", "dec", "z", "z_err", "snr", "fibermask")
_IDS = ("obsid", "lmjd", "spid", "fiberid")
_UNDEREDDENED = "LAMOST has no E(B-V): its spectra are not dereddened"


def read_catalogue(
    source: Source, files: ListedFiles[Name], notes: list[str]
) -> tuple[Columns, NDArray[np.str_]]:
    """Return the catalogue under our names, with the gate of the rows without a spectrum.

    A row more stands for each file of the same spectrum as another (`duplicate_row`), and for each
    that the catalogue does not list (`not_in_catalogue`). A file that cannot be read is
    `unreadable_spectrum` where there is no catalogue.

    Parameters
    ----------
    source : Source
    files : ListedFiles
    notes : list of str
        Filled with what is to be told.

    Raises
    ------
    UserError
        If the catalogue cannot be read.
    """
    notes.append(_UNDEREDDENED)
    read = _read_table if files.table else _read_headers
    rows, names, fault = read(source, files, notes)
    is_listed = set(names)
    further = {
        "duplicate_row": files.repeats,
        "not_in_catalogue": [name for name in files.paths if name not in is_listed],
    }
    blocks = [(rows, fault)]
    for gate, lacking in further.items():
        blocks.append((_stand_for(lacking), np.full(len(lacking), gate)))
    joined = {name: np.concatenate([block[name] for block, _ in blocks]) for name in rows}
    return joined, np.concatenate([gates for _, gates in blocks])


def check_identity(spec: SpecFile) -> int:
    """Return the OBSID of a file.

    Raises
    ------
    DataError
        If its keywords name another spectrum than its name.
    """
    header, own = spec.header, parse_name(spec.file.name)
    said = Name(
        header.integer("LMJD", own.lmjd if own else 0),
        header.text("PLANID", own.plan if own else ""),
        header.integer("SPID", own.spectrograph if own else 0),
        header.integer("FIBERID", own.fibre if own else 0),
    )
    if said != own:
        raise DataError(f"{spec.file}: its keywords are those of {said}")
    return header.integer("OBSID", low=1)


def _read_table(
    source: Source, files: ListedFiles[Name], notes: list[str]
) -> tuple[Columns, list[Name], NDArray[np.str_]]:
    if is_remote(source.location):
        raise UserError(f"{source.location}: LAMOST's catalogue is read from a local folder only")
    table = open_tables(Path(source.location, files.table), "catalogue")[0]
    notes += table.notes
    cells = _read_cells(table)
    names = [
        Name(int(lmjd), str(plan), int(spectrograph), int(fibre))
        for lmjd, plan, spectrograph, fibre in zip(
            *(cells[name] for name in ("lmjd", "planid", "spid", "fiberid")), strict=True
        )
    ]
    is_there = np.array([name in files.paths for name in names], bool)
    return _to_rows(cells), names, np.where(is_there, "", "no_spectrum_file")


def _read_cells(table: UserTable) -> dict[str, list | NDArray]:
    """Return the columns of a table by our words; UserError if one is lacking."""
    bare = [name.strip().lower() for name in table.names]
    places = {}
    for ours, theirs in (_NEEDED | _OPTIONAL).items():
        found = [bare.index(name) for name in theirs if name in bare]
        if found:
            places[ours] = found[0]
    lacking = [name for name in _NEEDED if name not in places]
    if lacking:
        raise UserError(
            f"{table.origin}: no column {', '.join(lacking)}; {table.describe_columns()}"
        )
    columns = dict(zip(places, table.read_whole(list(places.values())), strict=True))
    cells: dict[str, list | NDArray] = {}
    for name, column in columns.items():
        spelt = table.names[places[name]]
        if name in _NUMBERS:
            cells[name] = read_numbers(table.origin, spelt, column, table.has_decimal_comma)
        elif name in _IDS:
            ids = read_ids(table.origin, spelt, column)
            if None in ids:
                row = ids.index(None) + 1
                raise UserError(f"{table.origin}: column {spelt}, row {row}: no number in it")
            cells[name] = ids
        else:
            cells[name] = [word or "" for word in read_words(column)]
    for row, plan in enumerate(cells["planid"], 1):
        if not is_name(plan):
            raise UserError(f"{table.origin}: row {row}: planid {plan!r:.40} is no name of a plan")
    return cells


def _read_headers(
    source: Source, files: ListedFiles[Name], notes: list[str]
) -> tuple[Columns, list[Name], NDArray[np.str_]]:
    faults = FaultList()
    cells: dict[str, list] = {name: [] for name in (*_NEEDED, *_OPTIONAL)}
    names, broken = [], []
    for name, path in files.paths.items():
        try:
            found = _read_header(open_spec(source.file(path)))
        except DataError as error:
            faults.add(error)
            broken.append(name)
            continue
        names.append(name)
        for key, value in found.items():
            cells[key].append(value)
    notes += faults.notes
    rows, unread = _to_rows(cells), _stand_for(broken)
    joined = {key: np.concatenate([rows[key], unread[key]]) for key in rows}
    fault = np.repeat(["", "unreadable_spectrum"], [len(names), len(broken)])
    return joined, [*names, *broken], fault


def _read_header(spec: SpecFile) -> dict[str, object]:
    header, obsid = spec.header, check_identity(spec)
    name = parse_name(spec.file.name)
    assert name is not None
    return {
        "obsid": obsid,
        "lmjd": name.lmjd,
        "planid": name.plan,
        "spid": name.spectrograph,
        "fiberid": name.fibre,
        "ra": header.number("RA", np.nan),
        "dec": header.number("DEC", np.nan),
        "class": header.text("CLASS"),
        "z": header.number("Z", np.nan),
        "z_err": header.number("Z_ERR", np.nan),
        "fibertype": header.text("FIBERTYP"),
        "fibermask": header.number("FIBERMAS", 0),
        "snr": header.number("SNRI", np.nan),
        "designation": header.text("DESIG"),
    }


def _stand_for(names: Sequence[Name]) -> Columns:
    """Return rows of which nothing is known but the name."""
    n, unknown = len(names), np.full(len(names), np.nan)
    lmjd, plan, spectrograph, fibre = zip(*names, strict=True) if names else ([], [], [], [])
    numbers = np.array([*spectrograph], np.int64) * 1000 + np.array([*fibre], np.int64)
    words = {name: [""] * n for name in ("class", "fibertype", "designation")}
    reals = dict.fromkeys(_NUMBERS, unknown)
    return _to_rows({"obsid": numbers, "lmjd": lmjd, "planid": plan, **words, **reals})


def _to_rows(cells: dict) -> Columns:
    """Return cells under our names."""
    n = len(cells["obsid"])
    unknown = np.full(n, np.nan)

    def take(name: str, dtype: type, absent: object) -> NDArray:
        return np.asarray(cells.get(name, absent), dtype).reshape(-1)

    z, zerr = take("z", float, unknown), take("z_err", float, unknown)
    fibre = take("fibertype", str, [""] * n)
    lmjd, is_sky = take("lmjd", np.int64, []), np.char.upper(fibre) == "SKY"
    return {
        "SURVEY": np.full(n, SURVEY),
        "PROGRAM": take("planid", str, []),
        "HEALPIX": lmjd,
        "TARGETID": take("obsid", np.int64, []),
        "DESINAME": take("designation", str, [""] * n),
        "TARGET_RA": take("ra", float, unknown),
        "TARGET_DEC": take("dec", float, unknown),
        # -9999 means none; a sky fibre, which has none either, is lent one.
        "Z": np.where(z > -1, z, np.where(is_sky, 0.0, np.nan)),
        "ZERR": np.where(zerr > 0, zerr, np.nan),
        "SPECTYPE": np.char.upper(take("class", str, [""] * n)),
        "OBJTYPE": np.where(is_sky, "SKY", "TGT"),
        "MEAN_MJD": lmjd.astype(np.float64),
        "fibre": fibre,
        "has_fault": np.nan_to_num(take("fibermask", float, unknown)) != 0,
        "snr": take("snr", float, unknown),
    }
