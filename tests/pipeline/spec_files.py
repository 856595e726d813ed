"""Writes spectra in the data model of SDSS."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

LOGLAM = np.arange(3.5810, 3.9638, 1e-4)


def write_spec(path: Path, name: str = "COADD", **columns: NDArray) -> Path:
    """Write a spec file; columns replace those of a flat spectrum of 10 with errors of 1."""
    values = {
        "flux": np.full(len(LOGLAM), 10.0, np.float32),
        "loglam": LOGLAM.astype(np.float32),
        "ivar": np.ones(len(LOGLAM), np.float32),
        "and_mask": np.zeros(len(LOGLAM), np.int32),
        **columns,
    }
    formats = {"f": "E", "i": "J", "U": "8A"}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(key, formats[np.asarray(v).dtype.kind], array=v) for key, v in values.items()],
        name=name,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    return path
