"""Is a file what it should be: checksums of HDUs, published sums of files, compression."""

import gzip
import hashlib
import zlib

import numpy as np

from pipeline.errors import DataError
from pipeline.fits_index import Hdu
from pipeline.sources import MemorySource, SourceFile


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
        If it is damaged, has another identity, or is not the file whose sha256sum is published
        beside it.
    """
    if not file.path.endswith(".gz"):
        return file
    found = file.stat()
    [data] = file.read([(0, found.size)], identity or found.identity)
    published = _find_sha256(file)
    if published and hashlib.sha256(data).hexdigest() != published:
        raise DataError(f"{file}: differs from its published sha256sum; fetch it again")
    try:
        plain = gzip.decompress(data)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{file}: unreadable gzip ({error}); fetch it again") from None
    return MemorySource(file.source.location, plain).file(file.path)


def _find_sha256(file: SourceFile) -> str | None:
    """Look a file up in its folder's list, e.g. redux_iron_healpix_main_dark_100_100.sha256sum."""
    folder = file.path.rpartition("/")[0]
    listing = file.source.file(
        f"{folder}/{folder.removeprefix('spectro/').replace('/', '_')}.sha256sum"
    )
    if not folder or not listing.exists():
        return None
    [text] = listing.read([(0, listing.stat().size)])
    for line in text.decode("latin-1").splitlines():
        digest, _, name = line.partition(" ")
        if name.strip(" *") == file.name:
            return digest
    return None
