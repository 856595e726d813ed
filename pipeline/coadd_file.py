"""One coadd file: checked by its headers, its targets listed, the spectra of some rows read."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from catalog_schema.desi import ARM_PIXELS, GOOD_FIBERSTATUS, WAVE_SIZE, WAVE_START, WAVE_STEP
from pipeline.config import AcquireSettings
from pipeline.desi_files import find_hdu, read_table
from pipeline.errors import DataError
from pipeline.fits_index import (
    BLOCK,
    FileIndex,
    Hdu,
    ReadAhead,
    load_index,
    save_index,
    walk_headers,
)
from pipeline.integrity import check_datasum, decompress
from pipeline.ranges import Image, Link, Plan, Range, cut_ranges, plan_ranges
from pipeline.science.coadd import ArmSpectra
from pipeline.science.exposures import Exposures
from pipeline.sources import FileStat, SourceFile
from pipeline.table_columns import apply_scale

KINDS = ("FLUX", "IVAR", "MASK")
# Wavelengths are multiples of 0.8 Å to rounding; a shift of 1 % of a pixel is another grid.
_WAVE_TOLERANCE = 0.01 * WAVE_STEP
_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_N_DIAGONALS = 11
_EXPOSURE_COLUMNS = ("TARGETID", "NIGHT", "PETAL_LOC", "FIBER", "EXPTIME")


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
        """Number of spectra."""
        return self.hdu("FIBERMAP").shape[0]

    def hdu(self, name: str) -> Hdu:
        """Return an HDU; DataError if the file lacks it."""
        return find_hdu(self.file, self.index, name)

    def images(self) -> list[Hdu]:
        """Return flux, ivar and mask of b, r, z, in this order."""
        return [self.hdu(f"{arm.upper()}_{kind}") for arm in ARM_PIXELS for kind in KINDS]


class _Plane:
    """Values of some rows of one image, filled as parts of the file come in."""

    def __init__(
        self, file: SourceFile, hdu: Hdu, rows: NDArray[np.intp], memory: NDArray[np.uint8]
    ) -> None:
        self.start, self.stop = hdu.start, hdu.stop
        self._file, self._hdu, self._image = file, hdu, _to_image(hdu)
        self._order = np.argsort(rows, kind="stable")
        self._rows = rows[self._order]
        self._starts = (self._image.start + self._rows * self._image.row_bytes).tolist()
        values = memory[: len(rows) * _row_bytes(hdu)].view(_TYPES[hdu.bitpix])
        self._values: NDArray = values.reshape(len(rows), hdu.shape[1])

    def take(self, start: int, data: bytes) -> None:
        """Copy the rows that lie in a part; `start` is its place in the file."""
        image, stop = self._image, start + len(data)
        if start <= image.start and image.stop <= stop:
            self._take_whole(data[image.start - start : image.stop - start])
        elif not self._hdu.is_compressed:
            low = bisect_left(self._starts, start)
            high = bisect_right(self._starts, stop - image.row_bytes)
            if low < high:
                first, last = int(self._rows[low]), int(self._rows[high - 1])
                n_values = (last - first + 1) * self._hdu.shape[1]
                part = np.frombuffer(
                    data, self._values.dtype, n_values, self._starts[low] - start
                ).reshape(-1, self._hdu.shape[1])
                is_run = last - first == high - low - 1
                taken = part if is_run else part[self._rows[low:high] - first]
                self._values[self._order[low:high]] = taken

    def places(self) -> list[tuple[int, memoryview]]:
        """Return where each row begins in the file and where its bytes are to go."""
        size = self._image.row_bytes
        rows = self._values.reshape(-1).view(np.uint8).data
        pairs = zip(self._order.tolist(), self._starts, strict=True)
        return [(start, rows[size * at : size * (at + 1)]) for at, start in pairs]

    def native(self) -> NDArray:
        """Return the values, scaled, in native byte order."""
        if self._hdu.is_compressed:
            return self._values
        # In place: these arrays are most of what a shard takes of memory.
        values = self._values
        if not values.dtype.isnative:
            values = values.byteswap(inplace=True).view(values.dtype.newbyteorder("="))
        return apply_scale(values, self._hdu.bzero, self._hdu.bscale, in_place=True)

    def _take_whole(self, data: bytes) -> None:
        hdu = self._hdu
        if hdu.is_compressed:
            whole = _decompress_image(self._file, hdu, data)
            self._values = np.empty(self._values.shape, whole.dtype)
        else:
            check_datasum(self._file, hdu, data)
            whole = np.frombuffer(data, self._values.dtype).reshape(hdu.shape)
        self._values[self._order] = whole[self._rows]


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
        return CoaddFile(ahead, walk_headers(ahead))
    index = load_index(kept, identity) if kept and identity else None
    stat = FileStat(index.size, index.identity) if index else file.stat()
    if identity and stat.identity != identity:
        raise DataError(f"{file}: changed since it was listed; run again")
    ahead = ReadAhead(file, stat)
    index = index or (load_index(kept, stat.identity) if kept else None)
    if index is None:
        index = walk_headers(ahead, guess=_guess_headers)
        if kept:
            save_index(kept, index)
    return CoaddFile(ahead, index)


def check_coadd(coadd: CoaddFile) -> None:
    """Check shapes and wavelengths.

    Raises
    ------
    DataError
        Naming the HDU that is missing, or that has another grid or shape.
    """
    for arm, (first, last) in ARM_PIXELS.items():
        _check_grid(coadd, f"{arm.upper()}_WAVELENGTH", first, last)
        for kind in KINDS:
            hdu = coadd.hdu(f"{arm.upper()}_{kind}")
            expected = (coadd.n_rows, last - first)
            if hdu.shape != expected:
                raise DataError(
                    f"{coadd.file}: HDU {hdu.name} has shape {hdu.shape}, not {expected}"
                )


def read_targetids(coadd: CoaddFile) -> NDArray[np.int64]:
    """Return the TARGETID of every row."""
    blocks = read_table(coadd.ahead, coadd.index, "FIBERMAP", ("TARGETID",))
    return np.concatenate([block["TARGETID"] for block in blocks])


def read_tables(coadd: CoaddFile) -> tuple[NDArray[np.int64], Exposures]:
    """Return the TARGETID of every row, and the exposures by good fibres.

    There are none where the file does not list them.
    """
    fibermap, listed = coadd.hdu("FIBERMAP"), coadd.index.find("EXP_FIBERMAP")
    if listed is None:
        return read_targetids(coadd), Exposures(*np.zeros((5, 0), np.int64))
    if listed.start == fibermap.stop:
        # Both tables by one request.
        coadd.ahead.read(fibermap.start, listed.stop)
    names = (*_EXPOSURE_COLUMNS, "FIBERSTATUS")
    blocks = list(read_table(coadd.ahead, coadd.index, listed.name, names))
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in names}
    is_good = np.isin(columns["FIBERSTATUS"], GOOD_FIBERSTATUS)
    exposures = Exposures(*(columns[name][is_good] for name in _EXPOSURE_COLUMNS))
    return read_targetids(coadd), exposures


def plan_arms(
    coadd: CoaddFile, rows: NDArray[np.intp], settings: AcquireSettings, link: Link | None = None
) -> Plan:
    """Plan the ranges that hold the spectra of some rows."""
    images = [_to_image(hdu) for hdu in coadd.images()]
    return plan_ranges(images, rows, link or coadd.file.source.link, settings.mode, settings.gap)


def read_arms(
    coadd: CoaddFile, rows: NDArray[np.intp], settings: AcquireSettings
) -> list[ArmSpectra]:
    """Read the spectra of some rows; an HDU that was fetched whole is verified.

    Parameters
    ----------
    coadd : CoaddFile
    rows : ndarray of int, shape (n,)
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
    planes = _make_planes(coadd, rows)
    plan = plan_arms(coadd, rows, settings)
    is_plain = not any(hdu.is_compressed for hdu in coadd.images())
    if plan.mode == "rows" and is_plain and not coadd.file.source.is_remote:
        places = [place for plane in planes for place in plane.places()]
        coadd.file.read_into(places, coadd.index.identity)
    else:
        _take_ranges(coadd, planes, plan.ranges, settings.max_raw_bytes)
    values = [plane.native() for plane in planes]
    starts = [first for first, _ in ARM_PIXELS.values()]
    return [ArmSpectra(first, *values[3 * at : 3 * at + 3]) for at, first in enumerate(starts)]


def _make_planes(coadd: CoaddFile, rows: NDArray[np.intp]) -> list[_Plane]:
    hdus = coadd.images()
    sizes = [-(-len(rows) * _row_bytes(hdu) // 64) * 64 for hdu in hdus]
    # In one piece, which the system maps in large pages and the next file uses again: faults of
    # small pages would take longer than the reading.
    pieces = np.split(np.empty(sum(sizes), np.uint8), np.cumsum(sizes)[:-1])
    return [_Plane(coadd.file, hdu, rows, piece) for hdu, piece in zip(hdus, pieces, strict=True)]


def _row_bytes(hdu: Hdu) -> int:
    return hdu.shape[1] * np.dtype(_TYPES[hdu.bitpix]).itemsize


def _take_ranges(
    coadd: CoaddFile, planes: Sequence[_Plane], ranges: Sequence[Range], limit: int
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


def _check_grid(coadd: CoaddFile, name: str, first: int, last: int) -> None:
    hdu = coadd.hdu(name)
    raw = coadd.ahead.read(hdu.data, hdu.data + hdu.n_bytes)
    wave = apply_scale(np.frombuffer(raw, _TYPES[hdu.bitpix]), hdu.bzero, hdu.bscale)
    grid = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)[first:last]
    # Not `>`: a NaN must not pass.
    if wave.shape != grid.shape or not np.abs(wave - grid).max() <= _WAVE_TOLERANCE:
        raise DataError(
            f"{coadd.file}: HDU {name} is not DESI's grid "
            f"({grid[0]:.1f} to {grid[-1]:.1f} Å in steps of {WAVE_STEP} Å)"
        )


def _to_image(hdu: Hdu) -> Image:
    if hdu.is_compressed:
        # The header says how to decompress the data.
        return Image(hdu.start, hdu.stop - hdu.start, 1)
    return Image(hdu.data, hdu.n_bytes // max(hdu.shape[0], 1), hdu.shape[0])


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


def _decompress_image(file: SourceFile, hdu: Hdu, raw: bytes) -> NDArray:
    first = hdu.data - hdu.start
    check_datasum(file, hdu, raw[first : first + hdu.n_bytes])
    alone = fits.PrimaryHDU().header.tostring().encode() + raw
    try:
        with fits.open(BytesIO(alone)) as hdus:
            return np.asarray(hdus[1].data)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise DataError(f"{file}: HDU {hdu.name} cannot be decompressed ({error})") from None
