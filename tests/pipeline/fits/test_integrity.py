"""Checksums: sums of words as FITS defines them, published sums, packed files and traps."""

import gzip
import hashlib

import numpy as np
import pytest
from bits import flip_bit
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.fits import integrity
from pipeline.fits.index import Hdu
from pipeline.fits.integrity import check_datasum, compare_datasum, decompress, sum_words
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.sources import MemorySource, SourceFile, local_file, open_source

FILE = MemorySource("it", b"").file("f.fits")


def find_datasum(data: bytes) -> int:
    """Add word by word with the carry brought round, as the standard says."""
    total = 0
    for at in range(0, len(data), 4):
        total += int.from_bytes(data[at : at + 4].ljust(4, b"\0"), "big")
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def make_hdu(datasum: int | None) -> Hdu:
    return Hdu("FLUX", 0, 2880, 100, -32, datasum=datasum, shape=(5, 5))


@given(data=st.binary(max_size=100), repeat=st.sampled_from([1, 1000]), bit=st.integers(0, 10**6))
def test_datasum_is_that_of_the_standard_and_sees_every_bit(
    data: bytes, repeat: int, bit: int
) -> None:
    data = data * repeat
    hdu = make_hdu(find_datasum(data))
    check_datasum(FILE, hdu, data)
    check_datasum(FILE, make_hdu(None), data)
    if data:
        with pytest.raises(DataError, match="HDU FLUX is damaged: DATASUM"):
            check_datasum(FILE, hdu, flip_bit(data, bit % (8 * len(data))))


@given(data=st.binary(min_size=8, max_size=400), cut=st.integers(0, 100))
def test_sums_of_aligned_parts_add_up(data: bytes, cut: int) -> None:
    cut = 4 * (cut % (len(data) // 4))
    total = sum_words(data[:cut]) + sum_words(data[cut:])
    compare_datasum(FILE, make_hdu(find_datasum(data)), total)


def test_the_carry_comes_round_as_often_as_it_must() -> None:
    data = b"\xff" * 4_000
    assert sum_words(data) == 1000 * 0xFFFFFFFF
    compare_datasum(FILE, make_hdu(0xFFFFFFFF), sum_words(data))
    compare_datasum(FILE, make_hdu(1), 0xFFFFFFFF + 1)


@pytest.fixture
def packed(tmp_path) -> SourceFile:
    folder = tmp_path / "spectro" / "redux"
    folder.mkdir(parents=True)
    path = folder / "a.fits.gz"
    path.write_bytes(gzip.compress(b"SIMPLE  =" + bytes(5000)))
    return local_file(path)


def read_all(file: SourceFile) -> bytes:
    return b"".join(file.read([(0, file.stat().size)]))


def test_a_packed_file_is_unpacked_and_others_are_as_they_are(packed: SourceFile, tmp_path) -> None:
    assert read_all(decompress(packed)) == b"SIMPLE  =" + bytes(5000)
    plain = tmp_path / "a.fits"
    plain.write_bytes(b"x")
    assert decompress(local_file(plain)).stat().size == 1
    # Unpacked on the way, with its name left.
    unpacked = MemorySource("it", b"SIMPLE  = T").file("a.fits.gz")
    assert read_all(decompress(unpacked)) == b"SIMPLE  = T"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-9],
        lambda raw: raw[:200],
        lambda raw: b"PK" + raw[2:],
        lambda raw: flip_bit(raw, 8 * (len(raw) - 6)),
    ],
)
def test_a_damaged_archive_is_told(spoil) -> None:
    raw = gzip.compress(np.random.default_rng(0).bytes(5000))
    with pytest.raises(DataError, match=r"unreadable gzip .* fetch it again"):
        decompress(MemorySource("it", spoil(raw)).file("a.fits.gz"))


def test_what_unpacks_a_hundredfold_is_a_trap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "_SMALL", 1000)
    monkeypatch.setattr(integrity, "_PART", 64)
    with pytest.raises(DataError, match="too large to unpack"):
        decompress(MemorySource("it", gzip.compress(bytes(10**6))).file("a.gz"))
    noise = np.random.default_rng(0).bytes(5000)
    assert read_all(decompress(MemorySource("it", gzip.compress(noise)).file("a.gz"))) == noise
    monkeypatch.setattr(integrity, "_MAX_UNPACKED", 100)
    with pytest.raises(DataError, match="too large to unpack"):
        decompress(MemorySource("it", gzip.compress(noise)).file("a.gz"))


@pytest.mark.parametrize(("star", "is_right"), [("  ", True), (" *", True), ("  ", False)])
def test_a_published_sum_is_compared(tmp_path, star: str, is_right: bool) -> None:
    folder = tmp_path / "spectro" / "redux"
    folder.mkdir(parents=True)
    (folder / "a.fits.gz").write_bytes(gzip.compress(b"whole"))
    digest = hashlib.sha256((folder / "a.fits.gz").read_bytes()).hexdigest()
    listed = digest if is_right else "0" * 64
    (folder / "redux.sha256sum").write_text(f"{'1' * 64}{star}b.fits.gz\n{listed}{star}a.fits.gz\n")
    file = open_source(str(tmp_path), AcquireSettings()).file("spectro/redux/a.fits.gz")
    if is_right:
        assert read_all(decompress(file)) == b"whole"
    else:
        with pytest.raises(DataError, match="differs from its published sha256sum"):
            decompress(file)
