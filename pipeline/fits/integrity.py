"""Is a file what it should be: checksums of HDUs, published sums of files, compression."""

import gzip
import hashlib
import zlib
from io import BytesIO

import numpy as np

from pipeline.errors import DataError
from pipeline.fits.index import Hdu
from pipeline.transport.sources import MemorySource, SourceFile

_MAX_UNPACKED = 2**31
_SMALL, _MAX_RATIO, _PART = 2**26, 100, 2**22


def check_datasum(file: SourceFile, hdu: Hdu, data: bytes) -> None:
    """Compare a whole HDU's data with the checksum in its header, if it has one.

    Raises
    ------
    DataError
        If they differ.
    """
    compare_datasum(file, hdu, sum_words(data))


def sum_words(data: bytes) -> int:
    """Add the 32-bit words of data, as FITS checksums do; sums of aligned parts may be added."""
    words = np.frombuffer(data, ">u4", len(data) // 4)
    return int(words.sum(dtype=np.uint64)) + int.from_bytes(data[words.nbytes :].ljust(4, b"\0"))


def compare_datasum(file: SourceFile, hdu: Hdu, total: int) -> None:
    """Compare the sum of an HDU's words with its header; see `check_datasum`."""
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    if hdu.datasum is not None and total != hdu.datasum:
        raise DataError(
            f"{file}: HDU {hdu.name} is damaged: DATASUM {total}, not {hdu.datasum}; fetch it again"
        )


def decompress(file: SourceFile, identity: str | None = None) -> SourceFile:
    """Return a gzipped file as a file in memory, and any other file as it is.

    Raises
    ------
    DataError
        If it is damaged, has another identity, unpacks to more than fits in memory, or is not the
        file whose sha256sum is published beside it.
    """
    if not file.path.endswith(".gz"):
        return file
    found = file.stat()
    if found.size > _MAX_UNPACKED:
        raise _too_large(file)
    [data] = file.read([(0, found.size)], identity or found.identity)
    published = _find_sha256(file)
    if published and hashlib.sha256(data).hexdigest() != published:
        raise DataError(f"{file}: differs from its published sha256sum; fetch it again")
    # Some clients unpack on the way and leave the name.
    plain = data if data.startswith(b"SIMPLE  =") else _unpack(file, data)
    return MemorySource(file.source.location, plain).file(file.path)


def _unpack(file: SourceFile, data: bytes) -> bytes:
    # Spectra shrink to a half; what shrinks a hundredfold is a trap, or has no noise.
    limit = min(_MAX_UNPACKED, max(_SMALL, _MAX_RATIO * len(data)))
    parts, total = [], 0
    try:
        with gzip.open(BytesIO(data)) as packed:
            while part := packed.read(_PART):
                parts.append(part)
                total += len(part)
                if total > limit:
                    raise _too_large(file)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{file}: unreadable gzip ({error}); fetch it again") from None
    return b"".join(parts)


def _too_large(file: SourceFile) -> DataError:
    return DataError(f"{file}: too large to unpack in memory; unpack it with gunzip before")


def _find_sha256(file: SourceFile) -> str | None:
    """Look a file up in its folder's list, e.g. redux_iron_healpix_main_dark_100_100.sha256sum."""
    folder = file.path.rpartition("/")[0]
    if not folder:
        return None
    listing = file.source.file(
        f"{folder}/{folder.removeprefix('spectro/').replace('/', '_')}.sha256sum"
    )
    if not listing.exists():
        return None
    [text] = listing.read([(0, listing.stat().size)])
    for line in text.decode("latin-1").splitlines():
        digest, _, name = line.partition(" ")
        if name.strip(" *") == file.name:
            return digest
    return None
