"""Entry point of alembic: runs on the connection that the opener of the ledger hands over."""

from alembic import context

from pipeline.ledger.database import VERSION_TABLE
from pipeline.ledger.tables import Base

# The opener commits: the tables and their version change in one transaction, or not at all.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
