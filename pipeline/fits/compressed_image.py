"""A tile-compressed image of a FITS file, unpacked."""

import warnings
from io import BytesIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pipeline.errors import DataError, first_line
from pipeline.fits.index import BLOCK, Hdu
from pipeline.fits.integrity import check_datasum
from pipeline.transport.sources import SourceFile


def unpack_image(file: SourceFile, hdu: Hdu, raw: bytes) -> NDArray:
    """Return the pixels of a compressed image, scaled, from the bytes of its HDU.

    Raises
    ------
    DataError
        If they are damaged.
    """
    first = hdu.data - hdu.start
    check_datasum(file, hdu, raw[first : first + hdu.n_bytes])
    padded = raw.ljust(-(-len(raw) // BLOCK) * BLOCK, b"\0")
    alone = fits.PrimaryHDU().header.tostring().encode() + padded
    try:
        with warnings.catch_warnings(), fits.open(BytesIO(alone), memmap=False) as hdus:
            warnings.simplefilter("ignore")
            values = np.asarray(hdus[1].data)
    except Exception as error:
        # Whatever the library makes of damaged bytes.
        raise DataError(
            f"{file}: HDU {hdu.name} cannot be decompressed ({first_line(error)}); fetch it again"
        ) from None
    if values.shape != hdu.shape or values.dtype.kind not in "iuf":
        raise DataError(
            f"{file}: HDU {hdu.name} decompresses to {values.dtype} of shape {values.shape}, "
            f"not {hdu.shape}; fetch it again"
        )
    return values.astype(values.dtype.newbyteorder("="), copy=False)
