"""The ledger's tables as SQLAlchemy models; `migrations` brings a database to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
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


class StageWhole(Base):
    """Of what a stage last made all its shards: where that is still so, none need be planned."""

    __tablename__ = "stage_whole"
    lake: Mapped[str] = mapped_column(String(1024), primary_key=True)
    stage: Mapped[str] = mapped_column(String(16), primary_key=True)
    # Digests of settings and needed contents, and of the files' names and sizes.
    inputs: Mapped[str] = mapped_column(String(64))
    files: Mapped[str] = mapped_column(String(64))


class ReviewEvent(Base):
    """One event of the visual inspection; triggers keep it from change and deletion."""

    __tablename__ = "review"
    __table_args__ = (
        UniqueConstraint("review_id", name="uq_review_review_id"),
        # An event is replaced once: two corrections of it cannot both stand.
        UniqueConstraint("supersedes", name="uq_review_supersedes"),
        Index("ix_review_sample_targetid", "sample", "targetid"),
    )
    # Order in which the events came.
    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    review_id: Mapped[str] = mapped_column(String(32))
    # Whose TARGETIDs they are, see pipeline/reviews/sample.py.
    sample: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(16))
    supersedes: Mapped[str | None] = mapped_column(String(32))
    reviewer: Mapped[str] = mapped_column(String(64))
    reviewed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    release: Mapped[str] = mapped_column(String(64))
    survey: Mapped[str] = mapped_column(String(16))
    program: Mapped[str] = mapped_column(String(16))
    healpix: Mapped[int] = mapped_column(Integer)
    targetid: Mapped[int] = mapped_column(BigInteger)
    is_blinded: Mapped[bool | None]
    seconds_spent: Mapped[float | None]
    verdict: Mapped[str | None] = mapped_column(String(16))
    anomaly_class: Mapped[str | None] = mapped_column(String(32))
    quality: Mapped[int | None] = mapped_column(Integer)
    issues: Mapped[str] = mapped_column(String(3))
    corrected_z: Mapped[float | None]
    corrected_spectype: Mapped[str | None] = mapped_column(String(16))
    comment: Mapped[str]


STAGES: Table = Base.metadata.tables[ShardStage.__tablename__]
GATES: Table = Base.metadata.tables[ShardGate.__tablename__]
WHOLE: Table = Base.metadata.tables[StageWhole.__tablename__]
REVIEWS: Table = Base.metadata.tables[ReviewEvent.__tablename__]
