"""A connection reads its release and nothing else; damage is one line."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id, seal

from catalog_schema.tables import QUASARS
from portal.data import catalogue, published_spectra
from portal.data.conditions import Filters
from portal.data.database import (
    DATASETS,
    MAIN,
    SCHEMAS,
    Connection,
    connect,
    connect_once,
    fetch,
    fetch_beside,
    fetch_first,
    list_definitions,
    stamp,
)
from portal.data.releases import AbsentError, ReleaseError

CATALOGUE, SPECTRA = "catalog/quasars.parquet", "spectra/spectra.parquet"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/hostname']",
        "COPY (SELECT 1) TO '/tmp/qad-portal-leak.csv'",
        "ATTACH '/tmp/qad-portal-leak.duckdb' AS x",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
def test_connection_is_locked(con: Connection, sql: str) -> None:
    with pytest.raises(duckdb.Error):
        con.cursor().execute(sql).fetchall()
    assert not Path("/tmp/qad-portal-leak.csv").exists()


def test_the_catalogue_is_known_by_the_columns_that_it_has(
    con: Connection, own_release: Path
) -> None:
    assert con.missing == ()
    assert con.table.names == QUASARS.names
    path = own_release / CATALOGUE
    rows = pq.read_table(path).drop_columns(["Z", "tier", "latent"])
    pq.write_table(rows.append_column("z", pa.array(range(N_ROWS))), path)
    own = connect(own_release)
    # SQL tells names not by their case: z stands in the place of Z.
    assert own.missing == ("latent", "tier")
    assert "z" in own.table.names
    found = fetch(own, MAIN, "SELECT DISTINCT tier, latent IS NULL AS none FROM catalogue")
    assert found.to_dict("list") == {"tier": ["none"], "none": [True]}


@pytest.mark.parametrize("dataset", sorted(set(DATASETS) - {"quasars", "anomalies"}))
def test_a_file_is_absent_or_lost_by_the_word_of_the_checksums(
    own_release: Path, dataset: str
) -> None:
    path = own_release / DATASETS[dataset]
    path.unlink(missing_ok=True)
    with pytest.raises(AbsentError, match="not part of this release"):
        fetch(connect(own_release), dataset, f'FROM "{dataset}"')
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"TARGETID": [1]}), path)
    seal(own_release)
    path.unlink()
    with pytest.raises(ReleaseError, match=f"`{DATASETS[dataset]}` is missing") as lost:
        fetch(connect(own_release), dataset, f'FROM "{dataset}"')
    assert not isinstance(lost.value, AbsentError)


@pytest.mark.parametrize("column", [c.name for c in QUASARS.scalars if str(c.type) == "double"])
def test_a_column_of_another_type_closes_its_table(own_release: Path, column: str) -> None:
    path = own_release / CATALOGUE
    rows = pq.read_table(path, columns=["TARGETID", column])
    place = rows.column_names.index(column)
    pq.write_table(rows.set_column(place, column, pa.array(["far"] * N_ROWS)), path)
    with pytest.raises(ReleaseError, match=f"does not fit schema .*{column} is"):
        catalogue.count_rows(connect(own_release), Filters())


@pytest.mark.parametrize("fault", ["missing", "damaged", "without identifiers", "empty"])
def test_bad_catalogue_is_one_line(own_release: Path, fault: str) -> None:
    path = own_release / CATALOGUE
    if fault == "missing":
        path.unlink()
    elif fault == "damaged":
        path.write_bytes(path.read_bytes()[:-1000])
    elif fault == "empty":
        path.write_bytes(b"")
    else:
        pq.write_table(pq.read_table(path).drop_columns(["TARGETID"]), path)
    with pytest.raises(ReleaseError) as caught:
        catalogue.count_kinds(connect(own_release), Filters())
    message = str(caught.value)
    assert not isinstance(caught.value, AbsentError)
    assert CATALOGUE in message
    assert "SHA256SUMS" in message
    assert "\n" not in message


def test_damaged_rows_are_one_line(own_release: Path) -> None:
    path = own_release / SPECTRA
    data = bytearray(path.read_bytes())
    data[1000 : len(data) // 2] = b"\xff" * (len(data) // 2 - 1000)
    path.write_bytes(data)
    con = connect(own_release)
    with pytest.raises(ReleaseError, match=r"spectra/spectra\.parquet"):
        published_spectra.find_spectrum(con, row_id(0))
    assert catalogue.count_rows(con, Filters()) == N_ROWS


def test_a_stamp_changes_with_each_file_and_with_nothing_else(own_release: Path) -> None:
    stamps = [stamp(own_release), stamp(own_release)]
    assert stamps[0] == stamps[1]
    for name in (CATALOGUE, SPECTRA, "manifest.json", "SHA256SUMS"):
        path = own_release / name
        path.write_bytes(path.read_bytes())
        stamps.append(stamp(own_release))
    pq.write_table(pa.table({"a": [1]}), own_release / "catalog/points.parquet")
    stamps.append(stamp(own_release))
    assert len(set(stamps)) == 6
    (own_release / "manifest.json").unlink()
    with pytest.raises(ReleaseError, match="no manifest"):
        stamp(own_release)


def test_a_connection_is_made_again_when_its_release_was_replaced(own_release: Path) -> None:
    one = connect_once(own_release)
    assert connect_once(own_release) is one
    path = own_release / CATALOGUE
    pq.write_table(pq.read_table(path).slice(1), path)
    assert catalogue.count_rows(connect_once(own_release), Filters()) == N_ROWS - 1


def test_questions_return_frames_first_rows_and_joins(con: Connection) -> None:
    sql = "SELECT TARGETID AS id FROM rows WHERE TARGETID = ?"
    assert fetch(con, MAIN, sql, [row_id(2)])["id"].tolist() == [row_id(2)]
    assert fetch_first(con, MAIN, sql, [row_id(2)]) == {"id": row_id(2)}
    assert fetch_first(con, MAIN, sql, [1]) is None
    mine = pa.table({"id": [row_id(4), 1]})
    joined = fetch_beside(con, MAIN, "FROM mine SEMI JOIN rows ON rows.TARGETID = id", mine)
    assert joined["id"].to_pylist() == [row_id(4)]


def test_definitions_make_the_same_views_elsewhere(con: Connection) -> None:
    made = {sql.split('"')[1] if '"' in sql else sql.split()[4] for sql in list_definitions(con)}
    assert MAIN in made
    assert made <= set(con.paths)
    assert set(con.paths) <= set(SCHEMAS)
