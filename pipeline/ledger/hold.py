"""One holder of a name among all processes that use a PostgreSQL server: an advisory lock."""

import hashlib

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from pipeline.errors import UserError

# A machine that vanishes without a word is noticed, and its lock given back, in two minutes.
_KEEPALIVE = {"tcp_keepalives_idle": 60, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 6}
_FIND = text("""
    SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND d.datname = current_database()
    AND (classid::bigint << 32) | objid::bigint = :key
""")


class Hold:
    """A name held by a connection of its own; it is given back when that ends, however it ends.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    name : str
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._connection: Connection | None = None

    def confirm(self) -> None:
        """Take the name, unless this process still holds it.

        Raises
        ------
        UserError
            If another process holds it.
        sqlalchemy.exc.DBAPIError
            If the server does not answer.
        """
        try:
            if self._connection:
                self._connection.execute(text("SELECT 1"))
                return
        except DBAPIError:
            self.release()
        self._take()

    def release(self) -> None:
        """Give the name back, also to a server that is away."""
        if self._connection:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _take(self) -> None:
        # Outside a transaction: an idle one would keep the server from tidying up.
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        for setting, value in _KEEPALIVE.items():
            connection.execute(text(f"SET {setting} = {value}"))
        taken = connection.execute(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": _number(self._name)}
        ).scalar()
        self._connection = connection
        if not taken:
            self.release()
            raise UserError(
                f"{self._name}: another qad process, maybe on another machine, is writing here; "
                "wait for it to end"
            )


def find_hold(connection: Connection, name: str) -> bool:
    """Say whether some process holds a name."""
    return bool(connection.execute(_FIND, {"key": _number(name)}).scalar())


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1
