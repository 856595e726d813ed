"""A connection reads its release and nothing else; damage is one line."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id

from portal.data import (
    catalogue,
    published_spectra,
)
from portal.data.conditions import Filters
from portal.data.database import Connection, connect
from portal.data.releases import ReleaseError


def test_connection_is_locked(con: Connection) -> None:
    for sql in (
        "SELECT * FROM read_text('/etc/hostname')",
        "SET enable_external_access = true",
        "COPY (SELECT 1) TO '/tmp/qad-portal-leak.csv'",
    ):
        with pytest.raises(duckdb.Error):
            con.cursor().execute(sql).fetchall()


@pytest.mark.parametrize("fault", ["missing", "damaged", "of another schema"])
def test_bad_catalogue_is_one_line(own_release: Path, fault: str) -> None:
    path = own_release / "catalog/quasars.parquet"
    if fault == "missing":
        path.unlink()
    elif fault == "damaged":
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        pq.write_table(pq.read_table(path).drop_columns(["TARGETID"]), path)
    with pytest.raises(ReleaseError) as caught:
        catalogue.count_kinds(connect(own_release), Filters())
    message = str(caught.value)
    assert "catalog/quasars.parquet" in message
    assert "SHA256SUMS" in message
    assert "\n" not in message


def test_damaged_rows_are_one_line(own_release: Path) -> None:
    path = own_release / "spectra/spectra.parquet"
    data = bytearray(path.read_bytes())
    data[1000 : len(data) // 2] = b"\xff" * (len(data) // 2 - 1000)
    path.write_bytes(data)
    con = connect(own_release)
    with pytest.raises(ReleaseError, match=r"spectra/spectra\.parquet"):
        published_spectra.find_spectrum(con, row_id(0))
    assert catalogue.count_rows(con, Filters()) == N_ROWS
