"""The fixed-width table and its ReadMe hold the graded rows, value by value."""

import re
from pathlib import Path

import astropy.units as u
import polars as pl
import pyarrow.parquet as pq
import pytest
from astropy.io import ascii as tables
from graded_rows import assert_same, draw_rows

from catalog_schema.tables import QUASARS
from release.faces import cds
from release.faces.astropy_table import to_ascii
from release.manifest import read_json


def test_cds(released: Path, anomalies: pl.DataFrame) -> None:
    folder = released / "cds"
    rows = tables.read(folder / "anomalies.dat", format="cds", readme=str(folder / "ReadMe"))
    assert rows.colnames == [column.name for column in QUASARS.scalars]
    assert_same(rows, anomalies)
    for column in QUASARS.scalars:
        found = " ".join(rows[column.name].description.split()).removeprefix("? ")
        assert found == to_ascii(column.description)
    assert rows["flux_g"].unit == u.nJy
    assert max(map(len, (folder / "ReadMe").read_text(encoding="ascii").splitlines())) <= 80


def test_nothing_graded_is_an_empty_file(released: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    rows = pl.read_parquet(released / "catalog" / "anomalies.parquet").clear()
    rows.write_parquet(tmp_path / "catalog" / "anomalies.parquet")
    cds.write(tmp_path, read_json(released / "manifest.json"))
    assert (tmp_path / "cds" / "anomalies.dat").read_bytes() == b""


def read_layout(readme: Path) -> dict[str, tuple[slice, str]]:
    """Return where the ReadMe says that each column lies, and its format, without astropy."""
    _, _, text = readme.read_text(encoding="ascii").partition("Byte-by-byte")
    found = re.findall(r"^ *(?:(\d+)- *)?(\d+) ([AIFE][\d.]+) +\S+ +(\w+)", text, re.MULTILINE)
    return {name: (slice(int(a or b) - 1, int(b)), code) for a, b, code, name in found}


@pytest.mark.parametrize(("seed", "n_rows"), [(0, 1), (1, 3), (2, 3)])
def test_readme_says_where_every_byte_is(
    released: Path, tmp_path: Path, seed: int, n_rows: int
) -> None:
    rows = pq.read_table(released / "catalog" / "anomalies.parquet").slice(0, n_rows)
    rows = draw_rows(rows, seed)
    (tmp_path / "catalog").mkdir()
    pq.write_table(rows, tmp_path / "catalog" / "anomalies.parquet")
    cds.write(tmp_path, read_json(released / "manifest.json"))
    layout = read_layout(tmp_path / "cds" / "ReadMe")
    assert list(layout) == [column.name for column in QUASARS.scalars]
    lines = (tmp_path / "cds" / "anomalies.dat").read_text(encoding="ascii").splitlines()
    assert len(lines) == n_rows
    covered = [place for where, _ in layout.values() for place in range(where.start, where.stop)]
    assert len(covered) == len(set(covered))
    for number, line in enumerate(lines):
        assert {line[place] for place in range(len(line)) if place not in covered} <= {" "}
        assert len(line) == max(covered) + 1
        for name, (where, code) in layout.items():
            value, field = rows[name][number].as_py(), line[where].strip()
            assert int(code[1:].partition(".")[0]) == where.stop - where.start
            if value is None:
                assert field == ""
            elif code[0] == "A":
                assert field == to_ascii(value)
            elif code[0] == "I":
                assert int(field) == value
            else:
                assert rows[name].type.to_pandas_dtype()(field) == value
                assert len(field.partition("e")[0].partition(".")[2]) <= int(code.partition(".")[2])
