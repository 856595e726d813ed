"""The digest of the rows that each stage made of each shard, so that no footer need be read."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add `content`, empty for what is booked already: the next look at the data fills it in."""
    with op.batch_alter_table("shard_stage") as table:
        table.add_column(sa.Column("content", sa.String(64), nullable=False, server_default=""))
    with op.batch_alter_table("shard_stage") as table:
        table.alter_column("content", server_default=None)


def downgrade() -> None:
    """Take it away again."""
    with op.batch_alter_table("shard_stage") as table:
        table.drop_column("content")
