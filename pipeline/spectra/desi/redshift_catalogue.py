"""The redshift catalogue, or the redrock files in its place, read in blocks of rows."""

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, UserError
from pipeline.fits.tables import iterate_columns, read_columns
from pipeline.lake.layout import Shard
from pipeline.spectra.desi.placement import PIXEL, PIXEL_ORDER
from pipeline.spectra.desi.tree import DesiTree
from pipeline.transport.sources import SourceFile

REQUIRED = ("TARGETID", "Z", "ZWARN", "SPECTYPE", "TARGET_RA", "TARGET_DEC", "OBJTYPE")
_TARGET_BITS = (
    "DESI_TARGET",
    "SCND_TARGET",
    "SV1_DESI_TARGET",
    "SV2_DESI_TARGET",
    "SV3_DESI_TARGET",
)
OPTIONAL = (
    "ZERR",
    "DELTACHI2",
    "COADD_FIBERSTATUS",
    "EBV",
    "COADD_NUMEXP",
    "COADD_EXPTIME",
    "MEAN_MJD",
    "DESINAME",
    "ZCAT_PRIMARY",
    "FLUX_G",
    "FLUX_R",
    "FLUX_Z",
    "FLUX_W1",
    "FLUX_W2",
    *_TARGET_BITS,
)
_KEY = ("SURVEY", "PROGRAM")
# What the catalogue of version 2 keeps in row-matched files beside it, by HDU.
_PARTS = {
    "ZCATALOG_IMAGING": (
        "TARGETID",
        "EBV",
        "FLUX_G",
        "FLUX_R",
        "FLUX_Z",
        "FLUX_W1",
        "FLUX_W2",
    ),
    "ZCATALOG_EXTRA": ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE", "DELTACHI2"),
}
_BANDS = ("g", "r", "z", "w1", "w2")
NANOJANSKY_PER_NANOMAGGY = 3631.0
_REDSHIFT_COLUMNS = ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE", "DELTACHI2")

Columns = dict[str, NDArray]


def identify_catalogue(tree: DesiTree) -> list[str]:
    """Return the identities of the files that `read_catalogue` reads."""
    if catalogue := _find_catalogue(tree):
        try:
            return [file.stat().identity for file in catalogue.values()]
        except DataError as error:
            raise UserError(str(error)) from None
    return [
        tree.identify(kind, s) for s in tree.find_shards("redrock") for kind in ("redrock", "coadd")
    ]


def _find_catalogue(tree: DesiTree) -> dict[str, SourceFile]:
    try:
        return tree.find_redshift_catalogue()
    except DataError as error:
        raise UserError(str(error)) from None


def read_catalogue(tree: DesiTree, unreadable: dict[Shard, str]) -> Iterator[Columns]:
    """Yield the redshift catalogue in blocks of rows: DR1's does not fit in memory.

    Parameters
    ----------
    tree : DesiTree
    unreadable : dict
        Where there is no catalogue, filled with the redrock files that cannot be read, and why.

    Yields
    ------
    dict
        Name to values, shape (n,); a column that the source lacks is left out.

    Raises
    ------
    UserError
        If there is neither a catalogue nor a readable redrock file.
    """
    catalogue = _find_catalogue(tree)
    if not catalogue:
        yield _convert_fluxes(_read_redrock_files(tree, unreadable))
        return
    # Of a catalogue in parts each has its columns, and TARGETID to see that rows are the same.
    apart = _PARTS if len(catalogue) > 1 else {}
    elsewhere = {name for names in apart.values() for name in names[1:]}
    own = [name for name in (*REQUIRED, *OPTIONAL) if name not in elsewhere]
    names = {"ZCATALOG": [*_KEY, *tree.file_columns, *own], **apart}
    try:
        blocks = [
            iterate_columns(
                file,
                hdu,
                [n for n in names[hdu] if n not in OPTIONAL],
                [n for n in names[hdu] if n in OPTIONAL],
            )
            for hdu, file in catalogue.items()
        ]
        for rows in _zip_blocks(blocks, tree.root):
            numbers = tree.number(rows)
            yield _convert_fluxes(_clear_undefined_bits({**rows, **_place(tree, numbers)}))
    except DataError as error:
        raise UserError(str(error)) from None


def _place(tree: DesiTree, numbers: NDArray[np.int64]) -> Columns:
    """Return the file's number of each row, as the shards' column, and the pixel it stands for."""
    order, pixel = tree.find_pixels(numbers)
    return {"HEALPIX": numbers, PIXEL_ORDER: order, PIXEL: pixel}


def _zip_blocks(parts: Sequence[Iterator[Columns]], where: str) -> Iterator[Columns]:
    """Join row-matched tables that come in blocks of different sizes.

    Raises
    ------
    DataError
        If their rows are not the same targets.
    """
    [first, *others] = parts
    waiting: list[Columns] = [{} for _ in others]
    for rows in first:
        n, joined = len(rows["TARGETID"]), Columns()
        for at, part in enumerate(others):
            while len(waiting[at].get("TARGETID", ())) < n and (more := next(part, None)):
                held = waiting[at]
                waiting[at] = {
                    name: np.concatenate([held[name], values]) if held else values
                    for name, values in more.items()
                }
            taken = {name: values[:n] for name, values in waiting[at].items()}
            waiting[at] = {name: values[n:] for name, values in waiting[at].items()}
            if not np.array_equal(taken.get("TARGETID", ()), rows["TARGETID"]):
                raise DataError(
                    f"{where}: the parts of its redshift catalogue list different targets; "
                    "fetch them again"
                )
            joined |= taken
        yield joined | rows
    if any(len(held.get("TARGETID", ())) for held in waiting):
        raise DataError(f"{where}: a part of its redshift catalogue has more rows; fetch it again")


def _read_redrock_files(tree: DesiTree, unreadable: dict[Shard, str]) -> Columns:
    parts = []
    shards = tree.find_shards("redrock")
    if not shards:
        raise UserError(
            f"source {tree.root}: neither a redshift catalogue nor a redrock file in it"
        )
    for shard in shards:
        try:
            parts.append(_read_redrock(tree, shard))
        except DataError as error:
            unreadable[shard] = str(error)
    if not parts:
        raise UserError(unreadable[shards[0]])
    shared = reduce(lambda names, part: names & part.keys(), parts[1:], set(parts[0]))
    rows = {n: np.concatenate([part[n] for part in parts]) for n in parts[0] if n in shared}
    rows["ZCAT_PRIMARY"] = _find_primary(rows)
    return rows


def _read_redrock(tree: DesiTree, shard: Shard) -> Columns:
    """Join a redrock file's tables; a target of the coadd without a redshift gets Z = NaN."""
    path = tree.find_file("redrock", shard)
    redshifts = read_columns(path, "REDSHIFTS", _REDSHIFT_COLUMNS)
    required = tuple(name for name in REQUIRED if name not in redshifts)
    optional = tuple(name for name in OPTIONAL if name not in redshifts)
    fibermap = read_columns(path, "FIBERMAP", ("TARGETID", *required), optional)
    if not np.array_equal(redshifts["TARGETID"], fibermap["TARGETID"]):
        raise DataError(f"{path}: REDSHIFTS and FIBERMAP list different targets; fetch it again")
    rows = {**fibermap, **redshifts}
    coadd = tree.find_file("coadd", shard)
    if coadd.exists():
        observed = read_columns(coadd, "FIBERMAP", ("TARGETID", *required), optional)
        rows = _append_unfitted(rows, observed)
    rows = _clear_undefined_bits(rows)
    n = len(rows["TARGETID"])
    numbers = np.full(n, shard.healpix)
    # Each survey's files have their own columns of target bits.
    lacking = [name for name in _TARGET_BITS if name not in rows]
    return {
        **rows,
        **{name: np.zeros(n, np.int64) for name in lacking},
        "SURVEY": np.full(n, shard.survey),
        "PROGRAM": np.full(n, shard.program),
        **_place(tree, numbers),
    }


def _clear_undefined_bits(rows: Columns) -> Columns:
    """Take an undefined set of target bits, which is read as -1, for none."""
    bits = {name: rows[name] for name in _TARGET_BITS if name in rows}
    return rows | {name: np.where(values == -1, 0, values) for name, values in bits.items()}


def _convert_fluxes(rows: Columns) -> Columns:
    """Return fluxes in nJy, under our names."""
    fluxes = {band: rows.get(f"FLUX_{band.upper()}") for band in _BANDS}
    return rows | {
        f"flux_{band}": (flux * NANOJANSKY_PER_NANOMAGGY).astype(np.float32)
        for band, flux in fluxes.items()
        if flux is not None
    }


def _append_unfitted(rows: Columns, observed: Columns) -> Columns:
    is_new = ~np.isin(observed["TARGETID"], rows["TARGETID"])
    if not is_new.any():
        return rows
    n = int(is_new.sum())
    unknown = {
        "Z": np.full(n, np.nan),
        "ZERR": np.full(n, np.nan),
        "DELTACHI2": np.full(n, np.nan),
        "ZWARN": np.zeros(n, np.int64),
        "SPECTYPE": np.full(n, ""),
    }
    added = {name: values[is_new] for name, values in observed.items()} | unknown
    return {name: np.concatenate([rows[name], added[name]]) for name in rows if name in added}


def _find_primary(rows: Columns) -> NDArray[np.bool_]:
    """Mark the best spectrum of each target: fitted, no warning, longest exposed, clearest."""
    exposed = rows.get("COADD_EXPTIME", np.zeros(len(rows["Z"])))
    is_doubtful = ~np.isfinite(rows["Z"]) | (rows["ZWARN"] != 0)
    order = np.lexsort((-rows["DELTACHI2"], -exposed, is_doubtful, rows["TARGETID"]))
    is_first = np.ones(len(order), bool)
    is_first[1:] = rows["TARGETID"][order][1:] != rows["TARGETID"][order][:-1]
    is_primary = np.empty(len(order), bool)
    is_primary[order] = is_first
    return is_primary
