"""The spectra in HATS are strict-valid and those of the graded objects."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hats.io.validation import is_valid_catalog
from hats_partitions import read_partitions

from release.faces import hats_spectra
from release.manifest import read_json


def test_strict_validation(released: Path) -> None:
    assert is_valid_catalog(released / "hats_spectra" / "anomalies", strict=True)


def test_spectra_are_those_of_the_graded(released: Path) -> None:
    nested = read_partitions(released / "hats_spectra" / "anomalies")
    anomalies = pl.read_parquet(released / "catalog" / "anomalies.parquet")
    assert set(nested["TARGETID"]) == set(anomalies["TARGETID"])
    spectra = pl.read_parquet(released / "spectra" / "spectra.parquet")
    flat = nested.unnest("spectrum")
    names = ["flux", "ivar", "mask", "model"]
    joined = flat.select("TARGETID").join(spectra, "TARGETID", maintain_order="left")
    assert flat.select(names).equals(
        joined.select(pl.col(name).cast(flat.schema[name]) for name in names)
    )
    wave = flat["wave"][0].to_numpy()
    assert np.array_equal(wave, 3600 + 0.8 * np.arange(7781))


def test_nested_columns_keep_units(released: Path) -> None:
    folder = released / "hats_spectra" / "anomalies" / "dataset"
    content = pq.read_schema(folder / "_common_metadata").metadata
    text = content[b"IVOA.VOTable-Parquet.content"].decode()
    assert 'name="spectrum.flux"' in text
    assert "Inverse variance of the flux" in text


def test_partition_of_spectra_is_bounded(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hats_spectra, "_PARTITION_ROWS", 1)
    for name in ("catalog", "spectra"):
        (tmp_path / name).symlink_to(released / name)
    hats_spectra.write(tmp_path, read_json(released / "manifest.json"))
    folder = tmp_path / "hats_spectra" / "anomalies"
    assert is_valid_catalog(folder, strict=True)
    n_rows = pl.read_parquet(released / "catalog" / "anomalies.parquet").height
    assert read_partitions(folder).height == n_rows
    assert len(list((folder / "dataset").rglob("Npix=*"))) > 1


@pytest.mark.slow
def test_lsdb_unpacks_spectra(released: Path) -> None:
    lsdb = pytest.importorskip("lsdb")
    rows = lsdb.open_catalog(released / "hats_spectra" / "anomalies").compute()
    first = rows.iloc[0]
    expected = pl.read_parquet(released / "spectra" / "spectra.parquet").filter(
        pl.col("TARGETID") == int(first["TARGETID"])
    )
    assert np.array_equal(first["spectrum"]["flux"].to_numpy(), expected["flux"][0].to_numpy())


def rewrite(released: Path, change: Callable[[pa.Table], pa.Table]) -> list[str]:
    """Change the fullest partition and return what the face's check finds."""
    paths = (released / "hats_spectra").rglob("Npix=*.parquet")
    path = max(paths, key=lambda each: pq.read_metadata(each).num_rows)
    rows = pq.ParquetFile(path).read()
    path.unlink()
    pq.write_table(change(rows), path)
    return hats_spectra.find_faults(released)


def turn(rows: pa.Table, name: str) -> pa.Table:
    place, field = rows.column_names.index(name), rows.schema.field(name)
    return rows.set_column(place, field, pa.array(rows[name].to_pylist()[::-1], field.type))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.slice(1), "rows are not the"),
        (lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]), "."),
        (lambda rows: turn(rows, "TARGETID"), "TARGETID is not that of the graded objects"),
        (lambda rows: turn(rows, "q_value"), "q_value is not that of the graded objects"),
        (lambda rows: turn(rows, "spectrum"), "flux is not that of the graded objects"),
    ],
)
def test_row_that_is_not_that_of_the_release_is_found(
    released: Path, change: Callable[[pa.Table], pa.Table], found: str
) -> None:
    assert hats_spectra.find_faults(released) == []
    assert re.search(found, "; ".join(rewrite(released, change)))
