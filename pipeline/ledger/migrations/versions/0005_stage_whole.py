"""Of what each stage has last made all its shards, so that a run with nothing to do plans none."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table; nothing is known of what was made before."""
    op.create_table(
        "stage_whole",
        sa.Column("lake", sa.String(1024), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("inputs", sa.String(64), nullable=False),
        sa.Column("files", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("lake", "stage", name="pk_stage_whole"),
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("stage_whole")
