"""The script of a release in DuckDB: distances, cones and the strangest, against plain numpy."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.kind import Kind
from catalog_schema.kinds import KINDS, SPECTRA
from catalog_schema.macros import list_macros, write_script

RA, DEC = st.floats(0, 359.99), st.floats(-90, 90)


def make_objects(seed: int, n: int = 40) -> pd.DataFrame:
    """Return objects about a pole, some of them equally strange."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "TARGETID": rng.permutation(n),
            "TARGET_RA": rng.uniform(0, 360, n),
            "TARGET_DEC": 90 - rng.uniform(0, 0.01, n),
            "Z": rng.uniform(1, 3, n),
            "finding": rng.choice(["named", "unexplained"], n),
            "finding_p_value": rng.choice([0.001, 0.01, 0.5], n),
            "q_value": rng.random(n),
            "tier": "none",
            "anomaly_score": rng.choice([1.0, 2.0], n),
            "reason": "sky",
        }
    )


def open_with(objects: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("rows_given", objects)
    for name in (SPECTRA.main, "anomalies"):
        connection.execute(f"CREATE TABLE {name} AS FROM rows_given")
    for macro in list_macros(SPECTRA):
        connection.execute(macro)
    return connection


@pytest.fixture(scope="module")
def macros() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_with(make_objects(0)) as connection:
        yield connection


@given(ra1=RA, dec1=DEC, ra2=RA, dec2=DEC, near=st.booleans())
def test_separation_is_astropys(
    macros: duckdb.DuckDBPyConnection, ra1: float, dec1: float, ra2: float, dec2: float, near: bool
) -> None:
    if near:
        ra2, dec2 = ra1 + ra2 / 1e6, min(dec1 + abs(dec2) / 1e6, 90.0)
    found = macros.execute("SELECT angsep_arcsec(?, ?, ?, ?)", [ra1, dec1, ra2, dec2]).fetchone()
    wanted = SkyCoord(ra1, dec1, unit="deg").separation(SkyCoord(ra2, dec2, unit="deg")).arcsec
    assert found is not None
    # Near the antipode the haversine loses digits.
    assert found[0] == pytest.approx(wanted, rel=1e-9, abs=1e-6 if wanted < 600_000 else 0.02)


@given(seed=st.integers(0, 99), ra=RA, radius=st.floats(1, 60))
def test_a_cone_holds_what_is_near_and_the_nearest_first(
    seed: int, ra: float, radius: float
) -> None:
    objects = make_objects(seed)
    dec = 89.998
    with open_with(objects) as connection:
        found = connection.execute(f"FROM cone({ra}, {dec}, {radius})").df()
    centre = SkyCoord(ra, dec, unit="deg")
    away = centre.separation(SkyCoord(objects.TARGET_RA, objects.TARGET_DEC, unit="deg")).arcsec
    assert set(found.TARGETID) == set(objects.TARGETID[away <= radius])
    assert found.separation.is_monotonic_increasing
    np.testing.assert_allclose(found.separation, np.sort(away[away <= radius]), atol=1e-6)


@given(seed=st.integers(0, 99), n=st.integers(0, 50))
def test_the_strangest_are_those_of_the_lowest_p_then_the_highest_score(seed: int, n: int) -> None:
    objects = make_objects(seed)
    with open_with(objects) as connection:
        found = connection.execute(f"FROM top_anomalies({n})").df()
    wanted = objects.sort_values(
        ["finding_p_value", "anomaly_score", "TARGETID"], ascending=[True, False, True]
    )
    assert found.TARGETID.tolist() == wanted.TARGETID.tolist()[:n]
    assert found["rank"].tolist() == list(range(1, min(n, len(objects)) + 1))
    assert "Z" in found


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_the_script_runs_in_the_folder_of_a_release(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in kind.files:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        make_objects(1).to_parquet(tmp_path / path)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as connection:
        connection.execute(write_script(kind))
        views = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
        assert {kind.main, "anomalies"} <= views
        for view in views:
            rows = connection.execute(f"SELECT count(*) FROM {view}").fetchone()
            assert rows == (40,)
        assert len(connection.execute("FROM top_anomalies(3)").fetchall()) == 3


def test_a_kind_without_redshift_is_listed_without_it() -> None:
    kept = tuple(column for column in SPECTRA[SPECTRA.main].columns if column.name != "Z")
    tables = tuple(
        replace(t, columns=kept) if t.name == SPECTRA.main else t for t in SPECTRA.tables
    )
    without = replace(SPECTRA, tables=tables)
    with duckdb.connect() as connection:
        connection.register("rows_given", make_objects(2).drop(columns="Z"))
        for name in (without.main, "anomalies"):
            connection.execute(f"CREATE TABLE {name} AS FROM rows_given")
        for macro in list_macros(without):
            connection.execute(macro)
        assert len(connection.execute("FROM top_anomalies(2)").fetchall()) == 2
