"""Alembic's script folder: how a ledger of any age becomes today's."""
