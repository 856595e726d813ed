"""Quasar spectra of a tile or pixel of DESI as Parquet files, one for each coadd file."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog_schema import desi
from catalog_schema.column import Table
from catalog_schema.columns import spectra as columns
from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from pipeline.errors import DataError, UserError
from pipeline.lake.store import Stamp, Store, columns_to_table, digest
from pipeline.settings.spectra import ExtractSettings, TargetSettings
from pipeline.spectra.loose.chosen_spectra import ChosenSpectra, read_chosen, read_redrock
from pipeline.spectra.loose.coadds import is_fits
from pipeline.spectra.loose.redshift_table import NO_REDSHIFTS, Redshifts, read_redshifts
from pipeline.spectra.sampled import attach_sampling
from pipeline.transport.sources import local_file

# What a file holds, for the fingerprint: raise it when the same input gives other rows.
_REVISION = 1
_NIGHT = re.compile(r"\d{8}", re.ASCII)
_CATALOGUE = re.compile(r"qso_cat\w*\.fits(\.gz)?", re.ASCII | re.IGNORECASE)
# Gate of a spectrum whose good pixels all lie outside the wavelengths that are asked for.
_EMPTY = "no_good_pixel_in_range"

TILES = Table(
    "tiles",
    "Spectra of quasars between two observed wavelengths, as they were observed.",
    ("TARGETID",),
    (
        desi.TARGETID,
        desi.TARGET_RA,
        desi.TARGET_DEC,
        desi.Z,
        columns.flux,
        columns.ivar,
        columns.mask,
    ),
)


@dataclass(frozen=True)
class Extraction:
    """What came of a folder.

    Attributes
    ----------
    paths : tuple of Path
        Parquet files, one for each coadd that could be read.
    n_spectra : int
        Spectra in them.
    n_done : int
        Files that were found done and left alone.
    dropped : dict
        Spectra of the coadds that are in no file, by the reason; with `n_spectra` they are all.
    notes : tuple of str
        What is to be known of how the files were read.
    failed : dict of Path to str
        Coadds that could not be read, and why.
    """

    paths: tuple[Path, ...] = ()
    n_spectra: int = 0
    n_done: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failed: dict[Path, str] = field(default_factory=dict)


def extract_qso_tile_to_parquet(
    data_dir: str | Path,
    output_dir: str | Path,
    min_wave: float = SAMPLING.grid.ends[0],
    max_wave: float = SAMPLING.grid.ends[1],
    redshifts: str | Path | None = None,
) -> Extraction:
    """Write the quasar spectra of a DESI tile or pixel as Parquet.

    What is a quasar, and its redshift, say in this order: the table `redshifts`, a file
    ``QSO_cat*.fits`` in the folder, the redrock file beside each coadd. The gates are those of the
    core parent sample, and those of a coadd file.

    A file appears whole or not at all, and one that the same input has made is left alone: an
    interrupted call goes on where it stopped.

    Parameters
    ----------
    data_dir : str or Path
        Folder of ``coadd-*.fits`` files, or one above: of several nights of a tile the latest.
    output_dir : str or Path
        Gets a file for each coadd, at the same place below it as the coadd below `data_dir`.
    min_wave, max_wave : float
        Observed wavelengths in Å, vacuum, that are kept, ends included.
    redshifts : str or Path, optional
        Any table with Z and TARGETID; see `read_redshifts`.

    Returns
    -------
    Extraction
        The rows are TARGETID, TARGET_RA, TARGET_DEC (ICRS, degrees; null where no file says), Z,
        and flux (1e-17 erg/s/cm²/Å), ivar and mask, lists of one size. The schema's metadata say
        under ``wavelength`` how the pixels follow from their number.

    Raises
    ------
    UserError
        If there is no coadd or no redshift, the wavelengths are no range of the grid, or the
        folder cannot be written.
    DataError
        If none of the coadds can be read.
    """
    source, store = Path(data_dir), Store(Path(output_dir))
    sampling, pixels = _cut(min_wave, max_wave)
    paths = _find_coadds(source)
    table = Path(redshifts) if redshifts else _find_catalogue(source)
    given = read_redshifts(table) if table else None
    targets, floor = TargetSettings(), ExtractSettings().ivar_floor
    made: dict[Path, Stamp] = {}
    n_done, failed = 0, {}
    for path in paths:
        place = store.root / path.relative_to(source).with_name(f"{_strip(path)}.parquet")
        try:
            redrock = _read_redrock(path)
            known, beside = (given, redrock) if given else (redrock, NO_REDSHIFTS)
            inputs = local_file(path).stat().identity, known.fingerprint, beside.fingerprint
            rule = targets.model_dump(mode="json"), floor, sampling.to_json()
            fingerprint = digest(_REVISION, TILES.names, *inputs, *rule)
            stamp = store.find_done(place, fingerprint)
            if stamp:
                n_done += 1
            else:
                chosen = read_chosen(path, known, beside, targets, floor)
                stamp = _write(store, place, chosen, known, sampling, pixels, fingerprint)
            made[place] = stamp
        except DataError as error:
            failed[path] = str(error)
    if not made:
        path, why = next(iter(failed.items()))
        raise DataError(f"{source}: none of {len(failed)} coadd files can be read; {why}")
    return _sum_up(made, n_done, failed, given.notes if given else ())


def _cut(low: float, high: float) -> tuple[Sampling, slice]:
    # A comparison with NaN is false, so that it is refused too.
    if not low < high:
        raise UserError(f"min_wave {low} and max_wave {high}: no range of wavelengths in Å")
    sampling, pixels = SAMPLING.cut(low, high)
    if not sampling.grid.size:
        raise UserError(f"no pixel between {low} and {high} Å; the grid is {SAMPLING.grid}")
    return sampling, pixels


def _find_coadds(folder: Path) -> list[Path]:
    """List the coadd files of a folder; where there are none, those below it."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give that of a tile's or pixel's coadd files")
    found = _list(folder.iterdir, _is_coadd) or _list(lambda: folder.rglob("coadd-*"), _is_coadd)
    latest: dict[Path, str] = {}
    for path in found:
        if _NIGHT.fullmatch(path.parent.name):
            tile = path.parent.parent
            latest[tile] = max(latest.get(tile, ""), path.parent.name)
    left = [p for p in found if latest.get(p.parent.parent, p.parent.name) == p.parent.name]
    if not left:
        raise UserError(f"{folder}: no file coadd-*.fits in it or below")
    return left


def _find_catalogue(folder: Path) -> Path | None:
    found = _list(folder.iterdir, lambda path: bool(_CATALOGUE.fullmatch(path.name)))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UserError(f"{folder}: several quasar catalogues ({names}); name one as redshifts")
    return found[0] if found else None


def _list(walk: Callable, is_wanted: Callable[[Path], bool]) -> list[Path]:
    return sorted(path for path in walk() if is_wanted(path) and path.is_file())


def _is_coadd(path: Path) -> bool:
    return path.name.startswith("coadd-") and is_fits(path)


def _read_redrock(coadd: Path) -> Redshifts:
    """Return the redshifts beside a coadd; what is wrong with them is of this coadd alone."""
    try:
        return read_redrock(coadd)
    except UserError as error:
        raise DataError(str(error)) from None


def _strip(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".fz").removesuffix(".fits")


def _write(
    store: Store,
    place: Path,
    chosen: ChosenSpectra,
    known: Redshifts,
    sampling: Sampling,
    pixels: slice,
    fingerprint: str,
) -> Stamp:
    spectra = chosen.spectra
    is_seen = (spectra.ivar[:, pixels] > 0).any(axis=1)
    row = chosen.row[is_seen]
    # Where the table of redshifts has no position, the FIBERMAP's counts.
    ra, dec = (
        np.where(np.isfinite(told[row]), told[row], own[is_seen])
        for told, own in ((known.ra, chosen.ra), (known.dec, chosen.dec))
    )
    rows = columns_to_table(
        TILES,
        {
            "TARGETID": spectra.targetid[is_seen],
            "TARGET_RA": pa.array(ra, mask=~np.isfinite(ra)),
            "TARGET_DEC": pa.array(dec, mask=~np.isfinite(dec)),
            "Z": known.z[row],
            "flux": spectra.flux[is_seen, pixels],
            "ivar": spectra.ivar[is_seen, pixels],
            "mask": spectra.mask[is_seen, pixels],
        },
    )
    dropped = {**chosen.dropped, _EMPTY: int((~is_seen).sum())}
    told = rows.replace_schema_metadata({"wavelength": sampling.grid.describe()})
    return store.write(
        place,
        attach_sampling(told, sampling),
        TILES,
        fingerprint=fingerprint,
        n_expected=rows.num_rows + sum(dropped.values()),
        n_made=rows.num_rows,
        dropped={name: n for name, n in dropped.items() if n},
        notes=chosen.notes,
    )


def _sum_up(
    made: dict[Path, Stamp], n_done: int, failed: dict[Path, str], notes: tuple[str, ...]
) -> Extraction:
    dropped: Counter[str] = Counter()
    for stamp in made.values():
        dropped.update(stamp.dropped)
    return Extraction(
        tuple(made),
        sum(stamp.n_made for stamp in made.values()),
        n_done,
        dict(dropped),
        (*notes, *(note for stamp in made.values() for note in stamp.notes)),
        failed,
    )
