"""Columns of the ledger: whatever the schema or a shard may put there fits, on every database."""

import pytest
from sqlalchemy import BigInteger, DateTime, Integer, String, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from catalog_schema.kinds import KINDS
from catalog_schema.vocabulary import AnomalyClass, ReviewAction, ShardState, Verdict
from pipeline.flow.kinds import PATHS
from pipeline.ledger.tables import SHARD_STAGE_KEY, Base, ReviewEvent, ShardGate, ShardStage
from pipeline.reviews.review import ISSUES, MAX_NAME, SPECTYPES

TABLES = Base.metadata.tables


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("shard_stage", "state", ShardState),
        ("shard_stage", "stage", [s.name for path in PATHS.values() for s in path.stages]),
        ("stage_whole", "stage", [s.name for path in PATHS.values() for s in path.stages]),
        ("review", "action", ReviewAction),
        ("review", "verdict", Verdict),
        ("review", "anomaly_class", AnomalyClass),
        ("review", "anomaly_class", [w for k in KINDS.values() for w in k.waist.classes]),
        ("review", "corrected_spectype", SPECTYPES),
        ("review", "issues", [ISSUES]),
        ("review", "reviewer", ["x" * MAX_NAME]),
        ("shard_stage", "content", ["f" * 64]),
    ],
)
def test_every_word_fits_its_column(table: str, column: str, words: list[str]) -> None:
    kind = TABLES[table].c[column].type
    assert isinstance(kind, String)
    assert kind.length is None or max(len(str(word)) for word in words) <= kind.length


def test_rows_are_counted_and_targets_named_in_64_bits() -> None:
    wide = {
        ShardStage: ("n_expected", "n_made", "n_bytes"),
        ShardGate: ("n_dropped",),
        ReviewEvent: ("targetid",),
    }
    for model, names in wide.items():
        for name in names:
            assert isinstance(model.__table__.c[name].type, BigInteger), name


def test_keys_say_one_shard_of_one_stage_of_one_lake() -> None:
    key = [column.name for column in ShardStage.__table__.primary_key]
    assert tuple(key) == SHARD_STAGE_KEY
    gate_key = [column.name for column in ShardGate.__table__.primary_key]
    assert gate_key == [*SHARD_STAGE_KEY, "gate"]


def test_times_have_zones_and_an_event_is_replaced_once() -> None:
    for table in TABLES.values():
        for column in table.c:
            assert not isinstance(column.type, DateTime) or column.type.timezone, column
    unique = {
        tuple(column.name for column in part.columns)
        for part in ReviewEvent.__table__.constraints
        if isinstance(part, UniqueConstraint)
    }
    assert unique == {("review_id",), ("supersedes",)}


def test_every_database_can_make_them_and_sqlite_numbers_events_itself() -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        for table in TABLES.values():
            assert table.name in str(CreateTable(table).compile(dialect=dialect))
    number = ReviewEvent.__table__.c.number.type
    # Only a plain INTEGER key of SQLite counts up by itself.
    assert type(number.dialect_impl(sqlite.dialect())) is not BigInteger
    assert isinstance(number.dialect_impl(sqlite.dialect()), Integer)
