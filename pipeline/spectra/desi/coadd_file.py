"""One coadd file: checked by its headers, its targets listed, the spectra of some rows read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import ARM_PIXELS, GOOD_FIBERSTATUS
from pipeline.errors import DataError
from pipeline.fits.image_rows import Plane, row_bytes, to_image
from pipeline.fits.index import (
    BLOCK,
    FileIndex,
    Hdu,
    ReadAhead,
    load_index,
    save_index,
    walk_headers,
)
from pipeline.fits.integrity import decompress
from pipeline.fits.tables import find_hdu, read_table
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_arms import (
    Arm,
    check_arm,
    check_whole,
    describe_lacking,
    find_arms,
    find_factors,
    has_all,
)
from pipeline.spectra.desi.single_exposures import Exposed, coadd_arm
from pipeline.spectra.flux_units import Factor
from pipeline.spectra.science.coadd import ArmSpectra
from pipeline.spectra.science.exposures import Exposures
from pipeline.transport.ranges import Link, Plan, Range, cut_ranges, plan_ranges
from pipeline.transport.sources import FileStat, SourceFile

_N_DIAGONALS = 11
_EXPOSURE_COLUMNS = ("TARGETID", "NIGHT", "PETAL_LOC", "FIBER", "EXPTIME")
# Tables whose rows are those of the spectra.
_ROW_TABLES = ("FIBERMAP", "SCORES")


@dataclass(frozen=True)
class CoaddFile:
    """A coadd whose headers are known."""

    ahead: ReadAhead
    index: FileIndex

    @property
    def file(self) -> SourceFile:
        """The file, decompressed if it was not plain."""
        return self.ahead.file

    @property
    def n_rows(self) -> int:
        """Number of spectra; DataError if the file does not list them."""
        fibermap = self.hdu("FIBERMAP")
        if not fibermap.is_table:
            raise DataError(f"{self.file}: HDU FIBERMAP is not a binary table")
        return fibermap.shape[0]

    @cached_property
    def arms(self) -> list[Arm]:
        """Arms in order; DataError if there are none, or an incomplete one."""
        return find_arms(self.file, self.index)

    @cached_property
    def exposed(self) -> Exposed | None:
        """Whose exposure each row is, in a file of single ones; None in a file of coadds."""
        names = ("EXPID", "TARGETID", "FIBERSTATUS")
        fibermap = read_table(self.ahead, self.index, "FIBERMAP", (), names)
        return Exposed.of(fibermap) if {"EXPID", "TARGETID"} <= fibermap.keys() else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the file lacks, in a line each."""
        cut = self.index.cut
        told: tuple[str, ...] = (f"{self.file.name}: {cut}, which is not read",) if cut else ()
        if self.exposed:
            told += (
                f"{self.file.name}: {len(self.exposed.target)} single exposures of "
                f"{len(self.exposed.first)} targets, coadded by inverse variance",
            )
        return told + describe_lacking(self.file, self.arms)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What cannot be verified, in a line."""
        unsummed = [hdu.name for hdu in self.images() if hdu.datasum is None]
        what = f"{self.file.name}: no DATASUM of {', '.join(unsummed)}: damage to it is not seen"
        return (what,) if unsummed else ()

    def hdu(self, name: str) -> Hdu:
        """Return an HDU; DataError if the file lacks it."""
        return find_hdu(self.file, self.index, name)

    def images(self) -> list[Hdu]:
        """Return flux, ivar and mask of the arms, in this order."""
        return [hdu for arm in self.arms for hdu in arm.images]


def open_coadd(
    file: SourceFile, kept: Path | None = None, identity: str | None = None
) -> CoaddFile:
    """Find the HDUs of a coadd, from the kept index if the file is still the same.

    Parameters
    ----------
    file : SourceFile
        May end in ``.gz``.
    kept : Path, optional
        Index of this file in the lake; written when it is not there.
    identity : str, optional
        What the file must be; with a kept index no request is needed.

    Raises
    ------
    DataError
        If the file is missing, changed, truncated or no FITS file.
    """
    if file.path.endswith(".gz"):
        ahead = ReadAhead(decompress(file, identity))
        return CoaddFile(ahead, walk_headers(ahead, may_be_cut=True))
    index = load_index(kept, identity) if kept and identity else None
    stat = FileStat(index.size, index.identity) if index else file.stat()
    if identity and stat.identity != identity:
        raise DataError(f"{file}: changed since it was listed; run again")
    ahead = ReadAhead(file, stat)
    index = index or (load_index(kept, stat.identity) if kept else None)
    if index is None:
        index = walk_headers(ahead, guess=_guess_headers, may_be_cut=True)
        if kept:
            save_index(kept, index)
    return CoaddFile(ahead, index)


def check_coadd(coadd: CoaddFile, is_strict: bool = True) -> None:
    """Check that arms are there, shapes, units, wavelengths, and that rows are the same objects.

    Parameters
    ----------
    coadd : CoaddFile
    is_strict : bool
        Whether no arm may be missing, see `check_whole`, and no HDU that is not read be cut off.

    Raises
    ------
    DataError
        Naming the HDU that is missing, or that has another grid, shape or unit.
    """
    if coadd.index.cut and (is_strict or not has_all(coadd.index)):
        raise DataError(f"{coadd.file}: {coadd.index.cut}; fetch it again")
    check_whole(coadd.file, coadd.arms, is_strict)
    for arm in coadd.arms:
        check_arm(coadd.ahead, arm, coadd.n_rows)
    _check_rows(coadd)


def read_targetids(coadd: CoaddFile) -> NDArray[np.int64]:
    """Return the TARGETID of every row, or of every target of single exposures."""
    listed = read_table(coadd.ahead, coadd.index, "FIBERMAP", ("TARGETID",))["TARGETID"]
    return listed[coadd.exposed.first] if coadd.exposed else listed


def read_tables(coadd: CoaddFile) -> tuple[NDArray[np.int64], Exposures]:
    """Return the TARGETID of every row, and the exposures by good fibres.

    There are none where the file does not list them.
    """
    fibermap, listed = coadd.hdu("FIBERMAP"), coadd.index.find("EXP_FIBERMAP")
    if coadd.exposed and _lists_exposures(coadd):
        listed = fibermap
    if listed is None:
        return read_targetids(coadd), Exposures(*np.zeros((5, 0), np.int64))
    if listed.start == fibermap.stop:
        # Both tables by one request.
        coadd.ahead.read(fibermap.start, listed.stop)
    names = (*_EXPOSURE_COLUMNS, "FIBERSTATUS")
    columns = read_table(coadd.ahead, coadd.index, listed.name, names)
    is_good = np.isin(columns["FIBERSTATUS"], GOOD_FIBERSTATUS)
    exposures = Exposures(*(columns[name][is_good] for name in _EXPOSURE_COLUMNS))
    return read_targetids(coadd), exposures


def plan_arms(
    coadd: CoaddFile, rows: NDArray[np.intp], settings: AcquireSettings, link: Link | None = None
) -> Plan:
    """Plan the ranges that hold the spectra of some rows."""
    images = [to_image(hdu) for hdu in coadd.images()]
    return plan_ranges(images, rows, link or coadd.file.source.link, settings.mode, settings.gap)


def read_arms(
    coadd: CoaddFile, rows: NDArray[np.intp], settings: AcquireSettings
) -> list[ArmSpectra]:
    """Read the spectra of some rows; an HDU that was fetched whole is verified.

    Parameters
    ----------
    coadd : CoaddFile
    rows : ndarray of int, shape (n,)
        As `read_targetids` lists them; single exposures are coadded.
    settings : AcquireSettings

    Returns
    -------
    list of ArmSpectra
        b, r, z with values in native byte order.

    Raises
    ------
    DataError
        If bytes cannot be had or are damaged.
    """
    exposed = coadd.exposed
    rows = exposed.find_rows(rows) if exposed else rows
    planes = _make_planes(coadd, rows)
    plan = plan_arms(coadd, rows, settings)
    is_plain = not any(hdu.is_compressed for hdu in coadd.images())
    if plan.mode == "rows" and is_plain and not coadd.file.source.is_remote:
        places = [place for plane in planes for place in plane.places()]
        coadd.file.read_into(places, coadd.index.identity)
    else:
        _take_ranges(coadd, planes, plan.ranges, settings.max_raw_bytes)
    values = [plane.native() for plane in planes]
    taken = iter(values)
    arms = [_to_spectra(coadd, arm, [next(taken) for _ in arm.images]) for arm in coadd.arms]
    if exposed is None:
        return arms
    names = [arm.name for arm in coadd.arms]
    return [coadd_arm(n, arm, rows, exposed) for n, arm in zip(names, arms, strict=True)]


def _lists_exposures(coadd: CoaddFile) -> bool:
    """Say whether a FIBERMAP of single exposures has what a list of exposures has."""
    names = (*_EXPOSURE_COLUMNS, "FIBERSTATUS")
    return len(read_table(coadd.ahead, coadd.index, "FIBERMAP", (), names)) == len(names)


def _to_spectra(coadd: CoaddFile, arm: Arm, values: list[NDArray]) -> ArmSpectra:
    """Bring an arm's values to our units; without a mask no bit is set."""
    flux_by, ivar_by = find_factors(coadd.file, arm)
    flux, ivar = _multiply(values[0], flux_by), _multiply(values[1], ivar_by)
    mask = _to_mask(values[2]) if arm.mask else np.zeros(flux.shape, np.uint32)
    return ArmSpectra(arm.pixels[0], flux, ivar, mask)


def _multiply(image: NDArray, factor: Factor) -> NDArray[np.float32]:
    # A factor of 1 leaves every bit; what single precision cannot hold becomes a bad pixel.
    with np.errstate(over="ignore", invalid="ignore"):
        is_one = isinstance(factor, float) and factor == 1
        return (image if is_one else image * factor).astype(np.float32, copy=False)


def _to_mask(image: NDArray) -> NDArray[np.integer]:
    """Return a mask of 32 bits that is zero where the image is."""
    if image.dtype.kind not in "iu":
        return (image != 0).astype(np.uint32)
    if image.dtype.itemsize == 8:
        return image.astype(np.uint32) | (image >> 32 != 0)
    return image if image.dtype.itemsize == 4 else image.astype(np.uint32)


def _check_rows(coadd: CoaddFile) -> None:
    """Check that the tables list the same targets in the same order."""
    listed = {}
    for name in _ROW_TABLES:
        table = coadd.index.find(name)
        if table and table.is_table:
            listed[name] = read_table(coadd.ahead, coadd.index, name, (), ("TARGETID",))
    own = listed["FIBERMAP"]
    if "TARGETID" not in own:
        raise DataError(f"{coadd.file}: HDU FIBERMAP has no column TARGETID")
    scores = listed.get("SCORES", {}).get("TARGETID", own["TARGETID"])
    if not np.array_equal(scores, own["TARGETID"]):
        raise DataError(
            f"{coadd.file}: FIBERMAP and SCORES list different targets: rows are out of order"
        )


def _make_planes(coadd: CoaddFile, rows: NDArray[np.intp]) -> list[Plane]:
    hdus = coadd.images()
    sizes = [-(-len(rows) * row_bytes(hdu) // 64) * 64 for hdu in hdus]
    # In one piece, which the system maps in large pages and the next file uses again: faults of
    # small pages would take longer than the reading.
    pieces = np.split(np.empty(sum(sizes), np.uint8), np.cumsum(sizes)[:-1])
    return [Plane(coadd.file, hdu, rows, piece) for hdu, piece in zip(hdus, pieces, strict=True)]


def _take_ranges(
    coadd: CoaddFile, planes: Sequence[Plane], ranges: Sequence[Range], limit: int
) -> None:
    begins = [plane.start for plane in planes]
    for batch in _batches(cut_ranges(ranges, begins, limit), limit):
        data = coadd.file.read(batch, coadd.index.identity)
        for (start, stop), part in zip(batch, data, strict=True):
            for plane in planes:
                if plane.start < stop and start < plane.stop:
                    plane.take(start, part)


def _guess_headers(hdus: Sequence[Hdu]) -> list[Range]:
    """Guess, from the number of targets, where the headers of the arms are."""
    tables = {hdu.name: hdu for hdu in hdus}
    if hdus[-1].name != "EXP_FIBERMAP" or "FIBERMAP" not in tables:
        return []
    n_rows, place, ranges = tables["FIBERMAP"].shape[0], hdus[-1].stop, []
    for first, last in ARM_PIXELS.values():
        n = last - first
        for size in (8 * n, *[4 * n * n_rows] * 3, 4 * n * n_rows * _N_DIAGONALS):
            # The wavelengths are checked, so they come along with their header.
            span = BLOCK + (-(-size // BLOCK) * BLOCK if size == 8 * n else 0)
            ranges.append((place, place + span))
            place += BLOCK + -(-size // BLOCK) * BLOCK
    return [*ranges, (place, place + 4 * BLOCK)]


def _batches(ranges: Sequence[Range], limit: int) -> list[list[Range]]:
    batches: list[list[Range]] = []
    room = 0
    for start, stop in ranges:
        if not batches or stop - start > room:
            batches.append([])
            room = limit
        batches[-1].append((start, stop))
        room -= stop - start
    return batches
