"""Compressed images: the pixels that were packed, or one line; never a damaged pixel."""

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.fits.compressed_image import unpack_image
from pipeline.fits.index import Hdu, ReadAhead, walk_headers
from pipeline.transport.sources import MemorySource, SourceFile

METHODS = ("GZIP_1", "GZIP_2", "RICE_1")


def pack(
    values: np.ndarray, method: str, checksum: bool = True, **words: object
) -> tuple[SourceFile, Hdu, bytes]:
    """Return the file, the HDU and the bytes of an image between two others."""
    image = fits.CompImageHDU(values, name="IT", compression_type=method, quantize_level=0)
    image.header.update(words)
    other = fits.ImageHDU(np.arange(5), name="OTHER")
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), other, image, other.copy()]).writeto(out, checksum=checksum)
    file = MemorySource("it", out.getvalue()).file("a.fits")
    hdu = walk_headers(ReadAhead(file)).find("IT")
    assert hdu is not None
    return file, hdu, out.getvalue()[hdu.start : hdu.data + hdu.n_bytes]


@given(
    st.sampled_from(METHODS),
    st.sampled_from(["i2", "i4", "f4", "u1"]),
    st.tuples(st.integers(1, 6), st.integers(1, 40)),
    st.integers(0, 2**16),
)
def test_pixels_come_back_as_astropy_reads_them(
    method: str, kind: str, shape: tuple[int, int], seed: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 100, shape).astype(kind)
    if kind == "f4" and method == "RICE_1":
        method = "GZIP_2"
    file, hdu, raw = pack(values, method)
    found = unpack_image(file, hdu, raw)
    assert found.dtype.isnative
    assert found.shape == shape
    np.testing.assert_array_equal(found, values)


def test_scaled_and_unsigned_pixels_mean_what_they_mean() -> None:
    values = np.array([[0, 1, 2**31], [7, 2**32 - 1, 5]], np.uint32)
    found = unpack_image(*pack(values, "GZIP_2"))
    np.testing.assert_array_equal(found.astype(np.int64), values.astype(np.int64))


@given(st.data())
def test_a_damaged_byte_is_found_by_the_checksum(data) -> None:
    file, hdu, raw = pack(np.arange(200, dtype="i4").reshape(10, 20), "GZIP_2")
    at = data.draw(st.integers(hdu.data - hdu.start, len(raw) - 1))
    spoilt = bytearray(raw)
    spoilt[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DataError, match="HDU IT is damaged: DATASUM") as caught:
        unpack_image(file, hdu, bytes(spoilt))
    assert "\n" not in str(caught.value)


@given(st.data())
def test_without_a_checksum_damage_is_one_line_or_an_image_of_the_right_form(data) -> None:
    file, hdu, raw = pack(np.arange(60, dtype="i2").reshape(6, 10), "GZIP_1", checksum=False)
    spoilt = bytearray(raw)
    first = hdu.data - hdu.start
    for at in data.draw(st.lists(st.integers(first, len(raw) - 1), min_size=1, max_size=9)):
        spoilt[at] ^= 0xFF
    faults = []
    try:
        shape = unpack_image(file, hdu, bytes(spoilt)).shape
    except DataError as error:
        shape = (6, 10)
        faults = str(error).splitlines()
    assert shape == (6, 10)
    assert len(faults) <= 1
    assert all("a.fits: HDU IT" in fault for fault in faults)


def test_an_image_of_another_form_than_its_header_says_is_refused() -> None:
    file, hdu, raw = pack(np.arange(60, dtype="i2").reshape(6, 10), "GZIP_1")
    for shape in ((10, 6), (60,), (6, 10, 1)):
        with pytest.raises(DataError, match=r"decompresses to int16 of shape \(6, 10\), not"):
            unpack_image(file, hdu._replace(shape=shape), raw)
