"""The review ledger: events of visual inspection, which the database itself keeps from change."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_SQLITE = (
    """CREATE TRIGGER review_no_update BEFORE UPDATE ON review BEGIN
        SELECT RAISE(ABORT, 'reviews are append-only'); END""",
    """CREATE TRIGGER review_no_delete BEFORE DELETE ON review BEGIN
        SELECT RAISE(ABORT, 'reviews are append-only'); END""",
    # INSERT OR REPLACE deletes without firing the trigger on deletion.
    """CREATE TRIGGER review_no_replace BEFORE INSERT ON review WHEN EXISTS (
            SELECT 1 FROM review WHERE number = NEW.number OR review_id = NEW.review_id
            OR supersedes = NEW.supersedes) BEGIN
        SELECT RAISE(ABORT, 'reviews are append-only: this one is there, or replaced already'); END
    """,
)
_POSTGRESQL = (
    """CREATE FUNCTION refuse_review_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'reviews are append-only'; END $$""",
    """CREATE TRIGGER review_no_change BEFORE UPDATE OR DELETE ON review
        FOR EACH ROW EXECUTE FUNCTION refuse_review_change()""",
    """CREATE TRIGGER review_no_truncate BEFORE TRUNCATE ON review
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_review_change()""",
)


def upgrade() -> None:
    """Add the table and its triggers."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "review",
        sa.Column("number", number, nullable=False),
        sa.Column("review_id", sa.String(32), nullable=False),
        sa.Column("sample", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("supersedes", sa.String(32)),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("release", sa.String(64), nullable=False),
        sa.Column("survey", sa.String(16), nullable=False),
        sa.Column("program", sa.String(16), nullable=False),
        sa.Column("healpix", sa.Integer, nullable=False),
        sa.Column("targetid", sa.BigInteger, nullable=False),
        sa.Column("is_blinded", sa.Boolean),
        sa.Column("seconds_spent", sa.Double),
        sa.Column("verdict", sa.String(16)),
        sa.Column("anomaly_class", sa.String(32)),
        sa.Column("quality", sa.Integer),
        sa.Column("issues", sa.String(3), nullable=False),
        sa.Column("corrected_z", sa.Double),
        sa.Column("corrected_spectype", sa.String(16)),
        sa.Column("comment", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_review"),
        sa.UniqueConstraint("review_id", name="uq_review_review_id"),
        sa.UniqueConstraint("supersedes", name="uq_review_supersedes"),
    )
    op.create_index("ix_review_sample_targetid", "review", ["sample", "targetid"])
    dialect = op.get_bind().dialect.name
    for statement in _POSTGRESQL if dialect == "postgresql" else _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: reviews are never deleted."""
    raise NotImplementedError("a ledger cannot go back to before 0004; restore its copy")
