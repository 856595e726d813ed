"""Values of some rows of an image, taken from whatever parts of the file come in."""

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from pipeline.fits.compressed_image import unpack_image
from pipeline.fits.index import PIXEL_TYPES, Hdu
from pipeline.fits.integrity import check_datasum
from pipeline.fits.table_columns import apply_scale
from pipeline.transport.ranges import Image
from pipeline.transport.sources import SourceFile


class Plane:
    """Values of some rows of one image, filled as parts of the file come in."""

    def __init__(
        self, file: SourceFile, hdu: Hdu, rows: NDArray[np.intp], memory: NDArray[np.uint8]
    ) -> None:
        self.start, self.stop = hdu.start, hdu.stop
        self._file, self._hdu, self._image = file, hdu, to_image(hdu)
        self._order = np.argsort(rows, kind="stable")
        self._rows = rows[self._order]
        self._starts = (self._image.start + self._rows * self._image.row_bytes).tolist()
        values = memory[: len(rows) * row_bytes(hdu)].view(PIXEL_TYPES[hdu.bitpix])
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
                # A row that is wanted twice would fill the gap of another.
                is_run = bool(np.all(np.diff(self._rows[low:high]) == 1))
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
            whole = unpack_image(self._file, hdu, data)
            self._values = np.empty(self._values.shape, whole.dtype)
        else:
            check_datasum(self._file, hdu, data)
            whole = np.frombuffer(data, self._values.dtype).reshape(hdu.shape)
        self._values[self._order] = whole[self._rows]


def row_bytes(hdu: Hdu) -> int:
    """Return the bytes of an image's row in memory."""
    return hdu.shape[1] * np.dtype(PIXEL_TYPES[hdu.bitpix]).itemsize


def to_image(hdu: Hdu) -> Image:
    """Return the place of an image; a compressed one comes whole."""
    if hdu.is_compressed:
        # The header says how to decompress the data.
        return Image(hdu.start, hdu.data + hdu.n_bytes - hdu.start, 1)
    return Image(hdu.data, hdu.n_bytes // max(hdu.shape[0], 1), hdu.shape[0])
