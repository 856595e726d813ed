"""Spectra of a release: an object's own, and those like it."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from portal_release import N_ROWS, row_id

from portal.data import (
    published_spectra,
)
from portal.data.database import Connection


def test_spectrum_of_one_object(con: Connection, release: Path) -> None:
    spectrum = published_spectra.find_spectrum(con, row_id(5))
    assert spectrum is not None
    rows = pq.read_table(release / "spectra/spectra.parquet")
    assert np.array_equal(spectrum.flux, np.array(rows["flux"][5].as_py(), dtype="f4"))
    assert spectrum.mask[310] == 1 << 4
    assert published_spectra.find_spectrum(con, row_id(N_ROWS - 1)) is None


def test_normals_alike_come_nearest_first(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "spectra/spectra.parquet").to_pydict()
    places = {str(targetid): place for place, targetid in enumerate(rows["TARGETID"])}
    found = published_spectra.find_normals(con, row_id(0), 4)
    assert len({name for name, _, _ in found}) == 4
    for name, _, spectrum in found:
        assert rows["tier"][places[name]] == "none"
        assert np.array_equal(spectrum.flux, np.array(rows["flux"][places[name]], dtype="f4"))
        assert np.array_equal(spectrum.mask, np.array(rows["mask"][places[name]]))
