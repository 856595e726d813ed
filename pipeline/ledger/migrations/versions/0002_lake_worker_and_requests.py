"""Several data roots in one database; the worker and its requests.

The key changes, which SQLite cannot do in place: the rows move to new tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_KEY = "survey, program, healpix, stage"
_FACTS = "state, attempts, n_expected, n_made, n_bytes, seconds, error, notes, updated"


def upgrade() -> None:
    """Add `lake` to the keys, `worker` and `requests` to the stages."""
    for name in ("shard_stage", "shard_gate"):
        op.rename_table(name, f"old_{name}")
    op.create_table(
        "shard_stage",
        *_key(),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(128), nullable=False),
        sa.Column("n_expected", sa.BigInteger, nullable=False),
        sa.Column("n_made", sa.BigInteger, nullable=False),
        sa.Column("n_bytes", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("error", sa.String),
        sa.Column("notes", sa.String, nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lake", *_KEY.split(", "), name="pk_shard_stage"),
    )
    op.create_table(
        "shard_gate",
        *_key(),
        sa.Column("gate", sa.String(32), nullable=False),
        sa.Column("n_dropped", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("lake", *_KEY.split(", "), "gate", name="pk_shard_gate"),
    )
    op.execute(
        f"INSERT INTO shard_stage (lake, {_KEY}, {_FACTS}, worker, requests) "
        f"SELECT '', {_KEY}, {_FACTS}, '', '{{}}' FROM old_shard_stage"
    )
    op.execute(
        f"INSERT INTO shard_gate (lake, {_KEY}, gate, n_dropped) "
        f"SELECT '', {_KEY}, gate, n_dropped FROM old_shard_gate"
    )
    for name in ("old_shard_stage", "old_shard_gate"):
        op.drop_table(name)


def downgrade() -> None:
    """Refuse: the rows of several data roots do not fit into the old key."""
    raise NotImplementedError("a ledger cannot go back to before 0002; restore its copy")


def _key() -> list[sa.Column]:
    return [
        sa.Column("lake", sa.String(1024), nullable=False),
        sa.Column("survey", sa.String(16), nullable=False),
        sa.Column("program", sa.String(16), nullable=False),
        sa.Column("healpix", sa.Integer, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
    ]
