"""Migrations: they end where the models are, keep old books, and refuse what is newer."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from example_outcomes import DONE, SHARDS
from sqlalchemy import create_engine, inspect, text

from catalog_schema.vocabulary import ShardState
from pipeline.errors import UserError
from pipeline.flow.root import Root
from pipeline.ledger.books import Ledger, Outcome
from pipeline.ledger.database import VERSION_TABLE, parse_url
from pipeline.ledger.tables import Base

pytest_plugins = ["databases"]

# As the program made it before there were migrations.
FIRST_LEDGER = """
CREATE TABLE shard_stage (
    survey VARCHAR(16) NOT NULL, program VARCHAR(16) NOT NULL, healpix INTEGER NOT NULL,
    stage VARCHAR(16) NOT NULL, state VARCHAR(8) NOT NULL, attempts INTEGER NOT NULL,
    n_expected BIGINT NOT NULL, n_made BIGINT NOT NULL, n_bytes BIGINT NOT NULL,
    seconds DOUBLE NOT NULL, error VARCHAR, notes VARCHAR NOT NULL, updated DATETIME NOT NULL,
    PRIMARY KEY (survey, program, healpix, stage)
);
CREATE TABLE shard_gate (
    survey VARCHAR(16) NOT NULL, program VARCHAR(16) NOT NULL, healpix INTEGER NOT NULL,
    stage VARCHAR(16) NOT NULL, gate VARCHAR(32) NOT NULL, n_dropped BIGINT NOT NULL,
    PRIMARY KEY (survey, program, healpix, stage, gate)
);
INSERT INTO shard_stage VALUES
    ('main', 'dark', 0, 'extract', 'done', 3, 10, 7, 99, 1.5, NULL, 'one' || char(10) || 'two',
     '2026-11-20 10:00:00.000000'),
    ('main', 'dark', 2, 'extract', 'failed', 1, 5, 0, 0, 0.1, 'truncated', '',
     '2026-11-20 10:00:01.000000');
INSERT INTO shard_gate VALUES
    ('main', 'dark', 0, 'extract', 'dead', 2), ('main', 'dark', 0, 'extract', 'not_in_coadd', 1);
"""


def execute(url: str, statement: str) -> None:
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_migrations_end_where_the_models_are(database_url: str) -> None:
    with Ledger(parse_url(database_url)).closing():
        pass
    engine = create_engine(parse_url(database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []
        inspector = inspect(connection)
        for table in Base.metadata.sorted_tables:
            found = inspector.get_pk_constraint(table.name)
            assert found["constrained_columns"] == [column.name for column in table.primary_key]
            assert found["name"] == table.primary_key.name
    engine.dispose()


def test_opening_again_changes_nothing(database_url: str) -> None:
    for _ in range(3):
        ledger = Ledger(parse_url(database_url))
        ledger.record([DONE])
    assert ledger.outcomes() == [DONE]


def test_a_ledger_of_before_the_migrations_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(FIRST_LEDGER)
    connection.close()
    ledger = Root(tmp_path).ledger
    failed = Outcome(SHARDS[2], "extract", ShardState.FAILED, 5, error="truncated", seconds=0.1)
    done = Outcome(
        SHARDS[0],
        "extract",
        ShardState.DONE,
        10,
        7,
        {"dead": 2, "not_in_coadd": 1},
        notes=("one", "two"),
        seconds=1.5,
        n_bytes=99,
    )
    assert ledger.outcomes() == [done, failed]
    ledger.record([done])
    assert [(o.attempts, o.worker != "") for o in ledger.outcomes()] == [(4, True), (1, False)]


def test_a_migration_that_fails_leaves_the_old_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(FIRST_LEDGER)
        connection.execute("CREATE TABLE old_shard_gate (in_the_way INTEGER)")
    with pytest.raises(UserError, match="old_shard_gate"):
        Ledger(path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]
    assert {"shard_gate", "shard_stage"} <= set(tables)
    assert not {"old_shard_stage", VERSION_TABLE} & set(tables)
    assert connection.execute("SELECT count(*) FROM shard_stage").fetchone() == (2,)
    connection.close()


def test_a_newer_ledger_is_refused_in_one_line(database_url: str) -> None:
    ledger = Ledger(parse_url(database_url))
    ledger.record([DONE])
    execute(database_url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(UserError, match=r"newer version of qad \(revision 9999") as caught:
        Ledger(parse_url(database_url))
    assert "\n" not in str(caught.value)
