"""Spectra of a release: an object's own, and those like it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id

from portal.data import published_spectra
from portal.data.database import Connection, connect
from portal.data.releases import ReleaseError


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


def find_unlikeness(z: np.ndarray, snr: np.ndarray, my_z: float, my_snr: float) -> np.ndarray:
    """Squared distance in ln(1 + z) and log SNR, of which less than 0.1 is none."""
    faint, mine = np.log10(np.maximum(snr, 0.1)), np.log10(max(my_snr, 0.1))
    return (np.log1p(z) - np.log1p(my_z)) ** 2 + (faint - mine) ** 2


@pytest.mark.parametrize("row", [0, 5, 30])
def test_normals_are_those_at_the_least_distance(con: Connection, release: Path, row: int) -> None:
    names = ["TARGETID", "Z", "snr", "tier"]
    rows = pq.read_table(release / "catalog/quasars.parquet", columns=names).to_pandas()
    published = published_spectra.list_spectra(con)
    me = rows[rows["TARGETID"] == row_id(row)].iloc[0]
    others = rows[
        (rows["tier"] == "none")
        & rows["TARGETID"].isin(published)
        & (rows["TARGETID"] != row_id(row))
    ]
    far = find_unlikeness(others["Z"].to_numpy(), others["snr"].to_numpy(), me["Z"], me["snr"])
    nearest = others.iloc[np.argsort(far, kind="stable")]
    for n in (0, 2, len(others), len(others) + 3):
        found = published_spectra.find_normals(con, row_id(row), n)
        assert [name for name, _, _ in found] == [str(i) for i in nearest["TARGETID"][:n]]
        assert [z for _, z, _ in found] == nearest["Z"][:n].tolist()


def test_scores_to_compare_with_are_of_the_spectra_most_alike(
    con: Connection, release: Path
) -> None:
    null = pq.read_table(release / "calibration/null.parquet").to_pandas()
    names = ["TARGETID", "Z", "snr"]
    rows = pq.read_table(release / "catalog/quasars.parquet", columns=names).to_pandas()
    me = rows[rows["TARGETID"] == row_id(7)].iloc[0]
    snr = 10.0 ** null["log_snr"].to_numpy(np.float64)
    far = find_unlikeness(null["Z"].to_numpy(np.float64), snr, me["Z"], me["snr"])
    expected = null["anomaly_score"].to_numpy()[np.argsort(far)][:9]
    found = published_spectra.find_null_scores(con, row_id(7), 9)
    assert found.tolist() == expected.tolist()
    assert len(published_spectra.find_null_scores(con, row_id(7), 10_000)) == len(null)


def test_published_spectra_are_listed_and_of_others_there_is_none(
    con: Connection, release: Path
) -> None:
    rows = pq.read_table(release / "spectra/spectra.parquet", columns=["TARGETID"])
    listed = published_spectra.list_spectra(con)
    assert listed == set(rows["TARGETID"].to_pylist())
    for targetid in (row_id(N_ROWS - 1), 1, -1):
        assert targetid not in listed
        assert published_spectra.find_spectrum(con, targetid) is None


def test_spectra_of_another_grid_are_refused_in_one_line(own_release: Path) -> None:
    path = own_release / "spectra/spectra.parquet"
    rows = pq.read_table(path)
    flux = [values[:-1] for values in rows["flux"].to_pylist()]
    place = rows.schema.get_field_index("flux")
    pq.write_table(rows.set_column(place, "flux", pa.array(flux, pa.list_(pa.float32()))), path)
    with pytest.raises(ReleaseError) as caught:
        published_spectra.find_spectrum(connect(own_release), row_id(5))
    assert "\n" not in str(caught.value)
