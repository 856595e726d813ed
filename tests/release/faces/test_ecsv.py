"""The ECSV table is read by astropy and, below its header, by any reader of CSV."""

import csv
import warnings
from pathlib import Path

import astropy.units as u
import polars as pl
from astropy.table import Table
from graded_rows import assert_same

from catalog_schema.tables import QUASARS


def test_astropy_knows_types_units_and_descriptions(
    released: Path, anomalies: pl.DataFrame
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        rows = Table.read(released / "vo" / "anomalies.ecsv", format="ascii.ecsv")
    assert_same(rows, anomalies)
    assert rows["TARGET_RA"].unit == u.deg
    for column in QUASARS.scalars:
        found = rows[column.name]
        assert (found.description, found.meta["ucd"]) == (column.description, column.ucd)
        if column.type not in (pl.String, "string"):
            assert found.dtype.kind in "ifU"
    assert rows.meta["version"] == "0.1.0"


def test_below_the_header_it_is_csv(released: Path, anomalies: pl.DataFrame) -> None:
    with (released / "vo" / "anomalies.ecsv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in file if not line.startswith("# ")]
    head, *rows = csv.reader(lines)
    assert head == [column.name for column in QUASARS.scalars]
    # As text, for a spreadsheet would round it.
    found = [row[head.index("TARGETID")] for row in rows]
    assert found == anomalies["TARGETID"].cast(pl.String).to_list()
    assert {len(row) for row in rows} == {len(head)}
