"""The first ledger: one SQLite file per data root."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = ("survey", "program", "healpix", "stage")


def upgrade() -> None:
    """Make the tables as the first ledgers have them."""
    op.create_table(
        "shard_stage",
        *_key(),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("n_expected", sa.BigInteger, nullable=False),
        sa.Column("n_made", sa.BigInteger, nullable=False),
        sa.Column("n_bytes", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("error", sa.String),
        sa.Column("notes", sa.String, nullable=False),
        sa.Column("updated", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name="first_shard_stage"),
    )
    op.create_table(
        "shard_gate",
        *_key(),
        sa.Column("gate", sa.String(32), nullable=False),
        sa.Column("n_dropped", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, "gate", name="first_shard_gate"),
    )


def downgrade() -> None:
    """Leave an empty database."""
    op.drop_table("shard_gate")
    op.drop_table("shard_stage")


def _key() -> list[sa.Column]:
    return [
        sa.Column("survey", sa.String(16), nullable=False),
        sa.Column("program", sa.String(16), nullable=False),
        sa.Column("healpix", sa.Integer, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
    ]
