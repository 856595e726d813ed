"""Rows of an image: the same values in the order asked for, whatever parts bring them."""

from itertools import pairwise

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.fits.image_rows import Plane, row_bytes, to_image
from pipeline.fits.index import Hdu, ReadAhead, walk_headers
from pipeline.transport.sources import MemorySource, SourceFile

N, M = 12, 7


def write(
    tmp_path, name: str, values: np.ndarray, *, packed: bool = False, **words
) -> tuple[SourceFile, Hdu, bytes]:
    hdu = fits.CompImageHDU(values) if packed else fits.ImageHDU(values)
    hdu.header.update(words)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / name, checksum=True, overwrite=True)
    raw = (tmp_path / name).read_bytes()
    file = MemorySource("it", raw).file(name)
    return file, walk_headers(ReadAhead(file)).hdus[1], raw


def make_plane(file: SourceFile, hdu: Hdu, rows: list[int]) -> Plane:
    return Plane(
        file, hdu, np.array(rows, np.intp), np.zeros(max(len(rows) * row_bytes(hdu), 1), np.uint8)
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> tuple:
    values = np.random.default_rng(0).normal(size=(N, M)).astype(np.float32)
    return values, *write(tmp_path_factory.mktemp("image"), "a.fits", values)


@given(rows=st.lists(st.integers(0, N - 1), max_size=15), data=st.data())
@settings(max_examples=40)
def test_parts_of_any_cut_bring_the_rows_asked_for(image: tuple, rows: list, data) -> None:
    values, file, hdu, raw = image
    plane = make_plane(file, hdu, rows)
    size = row_bytes(hdu)
    cuts = sorted({0, N, *data.draw(st.lists(st.integers(0, N), max_size=4))})
    parts = list(pairwise(cuts))
    for first, last in data.draw(st.permutations(parts)):
        # A part may begin before its rows and end within one.
        before = data.draw(st.integers(0, 9))
        start, stop = hdu.data + first * size - before, hdu.data + last * size
        plane.take(start, raw[start:stop])
    np.testing.assert_array_equal(plane.native(), values[rows])


@given(rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=9))
def test_places_are_where_the_bytes_of_each_row_belong(image: tuple, rows: list) -> None:
    values, file, hdu, raw = image
    plane = make_plane(file, hdu, rows)
    for start, memory in plane.places():
        memory[:] = raw[start : start + row_bytes(hdu)]
    np.testing.assert_array_equal(plane.native(), values[rows])


def test_a_whole_image_is_checked_against_its_sum(image: tuple) -> None:
    _, file, hdu, raw = image
    spoilt = bytearray(raw)
    spoilt[hdu.data + 5] ^= 1
    make_plane(file, hdu, [0]).take(0, raw)
    with pytest.raises(DataError, match="DATASUM"):
        make_plane(file, hdu, [0]).take(0, bytes(spoilt))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.int64, np.float64])
def test_values_of_every_type_are_native_and_scaled(tmp_path, kind: type) -> None:
    values = np.arange(N * M).reshape(N, M).astype(kind)
    file, hdu, raw = write(tmp_path, "b.fits", values, BSCALE=0.5, BZERO=3.0)
    plane = make_plane(file, hdu, [3, 1])
    plane.take(0, raw)
    found = plane.native()
    assert found.dtype.isnative
    raw_values = np.frombuffer(raw, values.dtype.newbyteorder(">"), N * M, hdu.data).reshape(N, M)
    np.testing.assert_allclose(found, raw_values[[3, 1]] * hdu.bscale + hdu.bzero)


def test_a_compressed_image_comes_whole_or_not_at_all(tmp_path) -> None:
    values = np.arange(N * M, dtype=np.int32).reshape(N, M)
    file, hdu, raw = write(tmp_path, "c.fits", values, packed=True)
    assert hdu.is_compressed
    place = to_image(hdu)
    assert (place.start, place.stop) == (hdu.start, hdu.data + hdu.n_bytes)
    plane = make_plane(file, hdu, [2, 0, 11])
    plane.take(hdu.start + 1, raw[hdu.start + 1 :])
    plane.take(hdu.start, raw[hdu.start :])
    np.testing.assert_array_equal(plane.native(), values[[2, 0, 11]])
    spoilt = bytearray(raw)
    spoilt[hdu.data + hdu.n_bytes - 3] ^= 0xFF
    with pytest.raises(DataError, match=r"DATASUM|cannot be decompressed"):
        make_plane(file, hdu, [0]).take(0, bytes(spoilt))
