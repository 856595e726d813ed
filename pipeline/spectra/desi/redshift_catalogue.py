"""The redshift catalogue, or the redrock files in its place, read in blocks of rows."""

from collections.abc import Iterator
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from catalog_schema.tables import SHARD_KEY
from pipeline.errors import DataError, UserError
from pipeline.lake.layout import Shard
from pipeline.spectra.desi.fits_tables import iterate_columns, read_columns
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
_REDSHIFT_COLUMNS = ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE", "DELTACHI2")

Columns = dict[str, NDArray]


def identify_catalogue(tree: DesiTree) -> list[str]:
    """Return the identities of the files that `read_catalogue` reads."""
    catalogue = _find_catalogue(tree)
    if catalogue:
        return [catalogue.stat().identity]
    return [
        tree.identify(kind, s) for s in tree.find_shards("redrock") for kind in ("redrock", "coadd")
    ]


def _find_catalogue(tree: DesiTree) -> SourceFile | None:
    try:
        file = tree.find_redshift_catalogue()
        return file if file.exists() else None
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
    if catalogue is None:
        yield _read_redrock_files(tree, unreadable)
        return
    required = (*SHARD_KEY, *REQUIRED)
    try:
        for rows in iterate_columns(catalogue, "ZCATALOG", required, OPTIONAL):
            yield _clear_undefined_bits(rows)
    except DataError as error:
        raise UserError(str(error)) from None


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
    # Each survey's files have their own columns of target bits.
    lacking = [name for name in _TARGET_BITS if name not in rows]
    return {
        **rows,
        **{name: np.zeros(n, np.int64) for name in lacking},
        "SURVEY": np.full(n, shard.survey),
        "PROGRAM": np.full(n, shard.program),
        "HEALPIX": np.full(n, shard.healpix),
    }


def _clear_undefined_bits(rows: Columns) -> Columns:
    """Take an undefined set of target bits, which is read as -1, for none."""
    bits = {name: rows[name] for name in _TARGET_BITS if name in rows}
    return rows | {name: np.where(values == -1, 0, values) for name, values in bits.items()}


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
