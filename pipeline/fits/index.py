"""Where the HDUs of a FITS file lie: read from its headers in few requests, never assumed."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from pipeline.errors import DataError
from pipeline.fits.header import CARD, MAX_FIELDS, Header, find_cards
from pipeline.lake.files import opening, replacing
from pipeline.transport.ranges import Range, choose_gap, merge_ranges
from pipeline.transport.sources import FileStat, SourceFile

Made = TypeVar("Made")
BLOCK = 2880
# Of an image, by its BITPIX.
PIXEL_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# The first read takes a coadd's tables of some hundred targets; later ones a header and more.
_FIRST_READ = 2**18
_READ = 2**15
# More than any file of the surveys has; a file of more is damaged, and would take for ever.
_MAX_HDUS, _MAX_HEADER_BLOCKS, _MAX_AXES = 2000, 1000, 9
_BITPIX = tuple(PIXEL_TYPES)
_MAX_ROW_BYTES = 2**27
_METHODS = ("RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "NOCOMPRESS")
_PARAMETERS = {"BLOCKSIZE": (16, 32), "BYTEPIX": (1, 2, 4, 8)}
_MAX_PARAMETERS = 9
# No method makes an image smaller: deflate reaches 1032, where all pixels are alike.
_MAX_COMPRESSION = 2048
_END = b"END     "
# What a tape's last record may have behind the last HDU.
_TRAILER = 10 * BLOCK
# Of the kept indices; another one is made anew.
_FORMAT = b"4"


class Hdu(NamedTuple):
    """One HDU: bytes of its header and data, and how to take the data.

    `shape` is that of the image (also of a compressed one) or (rows, bytes per row) of a table;
    `unit` is what BUNIT says, `is_air` that its wavelengths are those in air.
    """

    name: str
    start: int
    data: int
    n_bytes: int
    bitpix: int
    bzero: float = 0.0
    bscale: float = 1.0
    unit: str = ""
    is_air: bool = False
    datasum: int | None = None
    is_table: bool = False
    is_compressed: bool = False
    shape: tuple[int, ...] = ()

    @property
    def is_image(self) -> bool:
        """Whether the data are pixels and nothing else, or pack pixels."""
        width = abs(self.bitpix) // 8
        is_plain = not self.is_table and self.n_bytes == width * math.prod(self.shape)
        return bool(self.shape) and (self.is_compressed or is_plain)

    @property
    def stop(self) -> int:
        """First byte of the next HDU."""
        return self.data + -(-self.n_bytes // BLOCK) * BLOCK


@dataclass(frozen=True)
class FileIndex:
    """The whole HDUs of a file that has this identity, and in which one it ends early, if so."""

    identity: str
    size: int
    hdus: tuple[Hdu, ...]
    cut: str = ""

    def find(self, name: str) -> Hdu | None:
        """Return the first HDU of this name."""
        return next((hdu for hdu in self.hdus if hdu.name == name), None)


class ReadAhead:
    """Reads a file in blocks and keeps them, so that one request serves several headers."""

    def __init__(self, file: SourceFile, stat: FileStat | None = None) -> None:
        self.file = file
        self.stat = stat or file.stat()
        self.size, self.identity = self.stat
        self._blocks: list[tuple[int, bytes]] = []
        self._made: dict[int, object] = {}

    def read(self, start: int, stop: int, ahead: int = _READ) -> bytes:
        """Return bytes; the file's end cuts them short."""
        stop = min(stop, self.size)
        for first, block in self._blocks:
            if first <= start and stop <= first + len(block):
                return block[start - first : stop - first]
        if stop <= start:
            return b""
        self.prefetch([(start, max(stop, start + ahead))])
        return self._blocks[-1][1][: stop - start]

    def prefetch(self, ranges: Sequence[Range]) -> None:
        """Fetch ranges at once that are likely to be asked for."""
        inside = [(start, min(stop, self.size)) for start, stop in ranges if start < self.size]
        merged = merge_ranges(inside, choose_gap(inside, self.file.source.link))
        data = self.file.read(merged, self.identity)
        self._blocks += [(start, block) for (start, _), block in zip(merged, data, strict=True)]

    def keep(self, start: int, make: Callable[[], Made]) -> Made:
        """Return what was made of the HDU at this place, made once."""
        if start not in self._made:
            self._made[start] = make()
        return self._made[start]  # type: ignore[return-value]


def walk_headers(
    ahead: ReadAhead,
    until: str | None = None,
    guess: Callable[[Sequence[Hdu]], Sequence[Range]] | None = None,
    may_be_cut: bool = False,
) -> FileIndex:
    """Read the headers of a file.

    Parameters
    ----------
    ahead : ReadAhead
    until : str, optional
        Stop after the HDU of this name.
    guess : callable, optional
        Told the HDUs so far, it may name ranges where the next headers probably are; a wrong
        guess costs bytes only.
    may_be_cut : bool
        Leave it to the caller that the data of the last HDU end early.

    Raises
    ------
    DataError
        If it is no FITS file, or shorter than its headers say.
    """
    hdus: list[Hdu] = []
    place = 0
    while place < ahead.size and not (hdus and _is_trailer(ahead, place)):
        header, data = read_header(ahead, place)
        hdu = _to_hdu(header, place, data, len(hdus))
        # The padding of the last HDU may be absent.
        if data + hdu.n_bytes > ahead.size:
            cut = f"truncated in HDU {hdu.name}: {ahead.size} bytes of {hdu.stop}"
            if may_be_cut:
                return FileIndex(ahead.identity, ahead.size, tuple(hdus), cut)
            raise DataError(f"{ahead.file}: {cut}; fetch it again")
        hdus.append(hdu)
        place = hdu.stop
        if hdu.name == until:
            break
        if len(hdus) == _MAX_HDUS:
            raise DataError(f"{ahead.file}: more than {_MAX_HDUS} HDUs; this is no survey file")
        if guess and (ranges := guess(hdus)):
            ahead.prefetch(ranges)
    if not hdus:
        raise DataError(f"{ahead.file}: empty; fetch it again")
    return FileIndex(ahead.identity, ahead.size, tuple(hdus))


def read_header(ahead: ReadAhead, start: int) -> tuple[Header, int]:
    """Return an HDU's keywords and where its data begin.

    Raises
    ------
    DataError
        If there is no header at this place, or no end of it.
    """
    lines: list[bytes] = []
    is_continued = False
    for place in range(start, start + _MAX_HEADER_BLOCKS * BLOCK, BLOCK):
        block = ahead.read(place, place + BLOCK, _READ if start else _FIRST_READ)
        if place == start and not block.startswith((b"SIMPLE  =", b"XTENSION=")):
            raise DataError(
                f"{ahead.file}: unreadable FITS (no header at byte {start}); {_advise(block)}"
            )
        if len(block) < BLOCK:
            raise DataError(f"{ahead.file}: truncated in a header at byte {start}; fetch it again")
        # Looks at the whole block cost less than those at each card.
        is_continued |= b"CONTINUE" in block
        end = block.find(_END)
        while end > 0 and end % CARD:
            end = block.find(_END, end + 1)
        lines += [block[at : at + CARD] for at in range(0, BLOCK if end < 0 else end, CARD)]
        if end >= 0:
            cards = find_cards(lines, is_continued)
            return Header(ahead.file, start, cards), place + BLOCK
    raise DataError(f"{ahead.file}: no end of the header at byte {start}; fetch it again")


def load_index(path: Path, identity: str) -> FileIndex | None:
    """Return the kept index of a file that still has this identity, if nothing has altered it."""
    index = _read_index(path)
    return index if index and index.identity == identity else None


def is_index_whole(path: Path) -> bool:
    """Say whether nothing has altered a kept index."""
    return _read_index(path) is not None


def _read_index(path: Path) -> FileIndex | None:
    try:
        with opening(path) as file:
            seal, text = file.read().split(b"\n", 1)
        if seal != _seal(text):
            return None
        identity, size, cut, values = json.loads(text)
        hdus = tuple(Hdu._make([*fields[:-1], tuple(fields[-1])]) for fields in values)
        return FileIndex(identity, size, hdus, cut)
    except (OSError, ValueError, TypeError):
        return None


def save_index(path: Path, index: FileIndex) -> None:
    """Keep an index, so that later an object needs no header."""
    values = [index.identity, index.size, index.cut, index.hdus]
    text = json.dumps(values, separators=(",", ":")).encode()
    with replacing(path) as partial:
        partial.write_bytes(_seal(text) + b"\n" + text)


def _seal(text: bytes) -> bytes:
    """Return what stands before a kept index of this format."""
    return hashlib.sha256(_FORMAT + text).hexdigest().encode()


def _is_trailer(ahead: ReadAhead, place: int) -> bool:
    """Say whether nothing but zeros follows."""
    if ahead.size - place > _TRAILER:
        return False
    return not ahead.read(place, ahead.size).strip(b"\0")


def _advise(block: bytes) -> str:
    if block.startswith(b"\x1f\x8b"):
        return "it is gzipped: let its name end in .gz"
    return "fetch it again"


def _to_hdu(header: Header, start: int, data: int, number: int) -> Hdu:
    bitpix = header.integer("BITPIX", low=-64, high=64)
    if bitpix not in _BITPIX:
        raise DataError(f"{header.where}: BITPIX is {bitpix}: damaged; fetch it again")
    shape = _read_axes(header, "NAXIS")
    axes = shape[:-1] if shape and header.flag("GROUPS") else shape
    n_values = math.prod(axes) if axes else 0
    n_values = header.integer("GCOUNT", 1, low=1) * (n_values + header.integer("PCOUNT", 0))
    is_compressed = header.flag("ZIMAGE")
    is_table = header.text("XTENSION") == "BINTABLE" and not is_compressed
    if (is_table or is_compressed) and not _is_sound_table(bitpix, shape):
        raise DataError(f"{header.where}: a table of shape {shape}: damaged; fetch it again")
    if is_compressed:
        shape = _read_compressed_axes(header, n_values)
    datasum = header.text("DATASUM")
    return Hdu(
        name=header.text("EXTNAME", "" if number else "PRIMARY").upper(),
        start=start,
        data=data,
        n_bytes=abs(bitpix) // 8 * n_values,
        bitpix=bitpix,
        shape=shape,
        bzero=header.number("BZERO", 0.0),
        bscale=header.number("BSCALE", 1.0),
        unit=header.text("BUNIT"),
        is_air=not is_table and _is_air(header),
        datasum=int(datasum) if datasum.isascii() and datasum.isdigit() else None,
        is_table=is_table,
        is_compressed=is_compressed,
    )


def _is_sound_table(bitpix: int, shape: tuple[int, ...]) -> bool:
    is_right = bitpix == 8 and len(shape) == 2 and shape[1] <= _MAX_ROW_BYTES
    # Rows without bytes could be any number.
    return is_right and (shape[1] > 0 or shape[0] == 0)


def _read_axes(header: Header, name: str) -> tuple[int, ...]:
    """Return the lengths of the axes, the slowest first."""
    n_axes = header.integer(name, high=_MAX_AXES)
    return tuple(header.integer(f"{name}{axis}") for axis in range(n_axes, 0, -1))


def _read_compressed_axes(header: Header, n_bytes: int) -> tuple[int, ...]:
    shape = _read_axes(header, "ZNAXIS")
    tile = [header.integer(f"ZTILE{len(shape) - at}", 1, low=1) for at in range(len(shape))]
    method = header.text("ZCMPTYPE")
    if method not in _METHODS:
        raise DataError(f"{header.where}: compressed by {method[:20]!r}, which is not read")
    # The library takes these on trust, and time or memory without end if they are wrong.
    header.integer("TFIELDS", high=MAX_FIELDS)
    for number in range(1, _MAX_PARAMETERS + 1):
        allowed = _PARAMETERS.get(header.text(f"ZNAME{number}"))
        if allowed and header.integer(f"ZVAL{number}") not in allowed:
            raise DataError(f"{header.where}: ZVAL{number} is not one of {allowed}: damaged")
    bitpix = header.integer("ZBITPIX", low=-64, high=64)
    if bitpix not in _BITPIX:
        raise DataError(f"{header.where}: ZBITPIX is none of {_BITPIX}: damaged")
    claimed = abs(bitpix) // 8 * math.prod(map(max, shape, tile))
    # What the header claims would be allocated.
    if claimed > _MAX_COMPRESSION * n_bytes:
        raise DataError(
            f"{header.where}: an image of {claimed} bytes in {n_bytes}: damaged; fetch it again"
        )
    return shape


def _is_air(header: Header) -> bool:
    """Say whether a header calls its wavelengths those in air (SDSS, ESO, WCS paper III)."""
    return (
        header.text("AIRORVAC").lower() == "air"
        or header.text("VACUUM") in ("F", "0")
        or header.text("CTYPE1")[:4].upper() == "AWAV"
    )
