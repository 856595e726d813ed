"""The ledger's tables as SQLAlchemy models; `pipeline/migrations` brings a database to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SHARD_STAGE_KEY = ("lake", "survey", "program", "healpix", "stage")


class Base(DeclarativeBase):
    """Metadata of the ledger; named constraints, so that a migration can find them."""

    metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})


class _OneShardStage:
    # Empty in a file below its data root; the root's path in a database that several roots share.
    lake: Mapped[str] = mapped_column(String(1024), primary_key=True, sort_order=-1)
    survey: Mapped[str] = mapped_column(String(16), primary_key=True, sort_order=-1)
    program: Mapped[str] = mapped_column(String(16), primary_key=True, sort_order=-1)
    healpix: Mapped[int] = mapped_column(Integer, primary_key=True, sort_order=-1)
    stage: Mapped[str] = mapped_column(String(16), primary_key=True, sort_order=-1)


class ShardStage(_OneShardStage, Base):
    """What one stage did with one shard."""

    __tablename__ = "shard_stage"
    state: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(Integer)
    worker: Mapped[str] = mapped_column(String(128))
    n_expected: Mapped[int] = mapped_column(BigInteger)
    n_made: Mapped[int] = mapped_column(BigInteger)
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    requests: Mapped[dict[str, Any]] = mapped_column(JSON().with_variant(JSONB(), "postgresql"))
    seconds: Mapped[float]
    # Digest of the rows that were made; empty where none are, and in books of before revision 0003.
    content: Mapped[str] = mapped_column(String(64))
    error: Mapped[str | None]
    notes: Mapped[str]
    updated: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ShardGate(_OneShardStage, Base):
    """Rows of one shard that one gate of one stage dropped."""

    __tablename__ = "shard_gate"
    gate: Mapped[str] = mapped_column(String(32), primary_key=True)
    n_dropped: Mapped[int] = mapped_column(BigInteger)


STAGES: Table = Base.metadata.tables[ShardStage.__tablename__]
GATES: Table = Base.metadata.tables[ShardGate.__tablename__]
