"""Tables by path: folders, packed files, what is not there; the table that has what is wanted."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from pipeline.errors import UserError
from pipeline.user_tables import reader
from pipeline.user_tables.reader import choose_table, list_parts, open_tables


def ids(path: Path) -> list:
    [table] = open_tables(path)
    return [int(value) for value in table.read_whole([table.names.index("ID")])[0].to_pylist()]


def test_one_table_in_every_wrapping(tmp_path: Path) -> None:
    made = Table({"ID": [1, 2, 3], "Z": [0.5, 1.0, 1.5]})
    for name, kind in (
        ("a.fits", "fits"),
        ("a.csv", "ascii.csv"),
        ("a.ecsv", "ascii.ecsv"),
        ("a.vot", "votable"),
    ):
        made.write(tmp_path / name, format=kind)
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        # The name tells nothing.
        lying = (tmp_path / name).rename(tmp_path / f"{name}.parquet.txt")
        assert ids(lying) == ids(packed) == [1, 2, 3]


def test_a_folder_is_the_catalogue_of_its_parts(tmp_path: Path) -> None:
    for name, first in (("Npix=2.parquet", 3), ("Npix=1.parquet", 1)):
        path = tmp_path / "cat" / "Norder=0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"ID": [first, first + 1]}), path)
    for name in ("_metadata.parquet", ".half.parquet", "notes.txt"):
        (tmp_path / "cat" / name).write_text("none of it")
    assert ids(tmp_path / "cat") == [1, 2, 3, 4]
    assert [part.name for part in list_parts(tmp_path / "cat")] == [
        "Npix=1.parquet",
        "Npix=2.parquet",
    ]
    assert list_parts(tmp_path / "one.parquet") == [tmp_path / "one.parquet"]


def test_what_is_not_there_is_told_with_what_it_is_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^list .*nothing: no such file$"):
        open_tables(tmp_path / "nothing", "list")
    with pytest.raises(UserError, match="no Parquet file in this folder"):
        open_tables(tmp_path)


def test_what_would_not_fit_in_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ecsv"
    Table({"ID": np.arange(100)}).write(path, format="ascii.ecsv")
    monkeypatch.setattr(reader, "_PART", 64)
    monkeypatch.setattr(reader, "_MOST_WHOLE", path.stat().st_size)
    assert len(ids(path)) == 100
    monkeypatch.setattr(reader, "_MOST_WHOLE", path.stat().st_size - 1)
    with pytest.raises(UserError, match="larger than 2 GiB"):
        open_tables(path)


def test_damaged_headers_are_refused_before_a_library_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    fits.BinTableHDU.from_columns([fits.Column("ID", "K", array=[1])]).writeto(path)
    content = path.read_bytes().replace(
        b"BITPIX  =                    8", b"BITPIX  =                    9"
    )
    for name, raw in (("b.fits", content), ("b.fits.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(UserError, match="BITPIX") as told:
            open_tables(tmp_path / name)
        assert "\n" not in str(told.value)


def test_the_first_table_with_all_that_is_wanted_is_chosen(tmp_path: Path) -> None:
    hdus = [
        fits.BinTableHDU.from_columns([fits.Column(c, "J", array=[1]) for c in names])
        for names in (("A", "B"), ("A", "Z"), ("A", "Z", "B"))
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    tables = open_tables(tmp_path / "a.fits")
    assert choose_table(tables, ["Z"]) is tables[1]
    assert choose_table(tables, ["Z", "B"]) is tables[2]
    assert choose_table(tables, ["A"]) is choose_table(tables, ["nowhere"]) is tables[0]
