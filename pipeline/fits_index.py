"""Where the HDUs of a FITS file lie: read from its headers in few requests, never assumed."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import DataError
from pipeline.lake_files import opening, replacing
from pipeline.ranges import Range, choose_gap, merge_ranges
from pipeline.sources import FileStat, SourceFile

BLOCK = 2880
# The first read takes a coadd's tables of some hundred targets; later ones a header and more.
_FIRST_READ = 2**18
_READ = 2**15
_CARD = 80
Value = str | int | float | bool


class Header:
    """Keywords of an HDU; of its hundreds of cards only those asked for are parsed."""

    def __init__(self, cards: Mapping[bytes, bytes]) -> None:
        self._cards = cards

    def __getitem__(self, key: str) -> Value:
        return _parse_value(self._cards[key.ljust(8).encode()])

    def get(self, key: str, default: Value) -> Value:
        """Return a keyword's value, or the default where there is none."""
        card = self._cards.get(key.ljust(8).encode())
        return default if card is None else _parse_value(card)


@dataclass(frozen=True)
class Hdu:
    """One HDU: bytes of its header and data, and how to take the data.

    `shape` is that of the image (also of a compressed one) or (rows, bytes per row) of a table.
    """

    name: str
    start: int
    data: int
    n_bytes: int
    bitpix: int
    shape: tuple[int, ...]
    bzero: float = 0.0
    bscale: float = 1.0
    datasum: int | None = None
    is_table: bool = False
    is_compressed: bool = False

    @property
    def stop(self) -> int:
        """First byte of the next HDU."""
        return self.data + -(-self.n_bytes // BLOCK) * BLOCK


@dataclass(frozen=True)
class FileIndex:
    """The HDUs of a file that has this identity."""

    identity: str
    size: int
    hdus: tuple[Hdu, ...]

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


def walk_headers(
    ahead: ReadAhead,
    until: str | None = None,
    guess: Callable[[Sequence[Hdu]], Sequence[Range]] | None = None,
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

    Raises
    ------
    DataError
        If it is no FITS file, or shorter than its headers say.
    """
    hdus: list[Hdu] = []
    place = 0
    while place < ahead.size:
        header, data = read_header(ahead, place)
        hdu = _to_hdu(header, place, data, len(hdus))
        if hdu.stop > ahead.size:
            raise DataError(
                f"{ahead.file}: truncated in HDU {hdu.name}: {ahead.size} bytes of {hdu.stop}; "
                "fetch it again"
            )
        hdus.append(hdu)
        place = hdu.stop
        if hdu.name == until:
            break
        if guess and (ranges := guess(hdus)):
            ahead.prefetch(ranges)
    return FileIndex(ahead.identity, ahead.size, tuple(hdus))


def read_header(ahead: ReadAhead, start: int) -> tuple[Header, int]:
    """Return an HDU's keywords and where its data begin.

    Raises
    ------
    DataError
        If there is no header at this place.
    """
    cards: dict[bytes, bytes] = {}
    place = start
    while True:
        block = ahead.read(place, place + BLOCK, _READ if start else _FIRST_READ)
        place += BLOCK
        if place == start + BLOCK and not block.startswith((b"SIMPLE  =", b"XTENSION=")):
            raise DataError(
                f"{ahead.file}: unreadable FITS (no header at byte {start}); fetch it again"
            )
        if len(block) < BLOCK:
            raise DataError(f"{ahead.file}: truncated in a header at byte {start}; fetch it again")
        lines = [block[at : at + _CARD] for at in range(0, BLOCK, _CARD)]
        # Of a keyword that is repeated the first counts.
        found = {line[:8]: line[10:] for line in reversed(lines) if line[8:10] == b"= "}
        cards = found | cards
        if any(line[:8] == b"END     " for line in lines):
            return Header(cards), place


def load_index(path: Path, identity: str) -> FileIndex | None:
    """Return the kept index of a file that still has this identity."""
    try:
        with opening(path) as file:
            values = json.loads(file.read())
        hdus = tuple(Hdu(**{**hdu, "shape": tuple(hdu["shape"])}) for hdu in values["hdus"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    index = FileIndex(values["identity"], values["size"], hdus)
    return index if index.identity == identity else None


def save_index(path: Path, index: FileIndex) -> None:
    """Keep an index, so that later an object needs no header."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(asdict(index), separators=(",", ":")))


def _to_hdu(header: Header, start: int, data: int, number: int) -> Hdu:
    axes = [int(header[f"NAXIS{axis + 1}"]) for axis in range(int(header.get("NAXIS", 0)))]
    bitpix = int(header.get("BITPIX", 8))
    n_values = int(np.prod(axes, dtype=np.int64)) if axes else 0
    n_bytes = abs(bitpix) // 8 * (n_values + int(header.get("PCOUNT", 0)))
    is_compressed = bool(header.get("ZIMAGE", False))
    shape = axes
    if is_compressed:
        shape = [int(header[f"ZNAXIS{axis + 1}"]) for axis in range(int(header["ZNAXIS"]))]
    datasum = str(header.get("DATASUM", ""))
    return Hdu(
        name=str(header.get("EXTNAME", "" if number else "PRIMARY")).upper(),
        start=start,
        data=data,
        n_bytes=n_bytes,
        bitpix=bitpix,
        shape=tuple(reversed(shape)),
        bzero=float(header.get("BZERO", 0)),
        bscale=float(header.get("BSCALE", 1)),
        datasum=int(datasum) if datasum.isdigit() else None,
        is_table=header.get("XTENSION", "") == "BINTABLE" and not is_compressed,
        is_compressed=is_compressed,
    )


def _parse_value(card: bytes) -> Value:
    text = card.decode("latin-1").strip()
    if text.startswith("'"):
        return text[1:].split("'")[0].rstrip()
    word = text.split("/")[0].strip()
    if word in ("T", "F"):
        return word == "T"
    for convert in (int, float):
        try:
            return convert(word.replace("D", "E"))
        except ValueError:
            continue
    return word
