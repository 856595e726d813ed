"""The ledger's database: SQLite or PostgreSQL, brought up to date, waited for while it restarts."""

import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from tenacity import retry_if_exception, stop_before_delay

from pipeline.errors import UserError, first_line
from pipeline.ledger.hold import Hold, find_hold
from pipeline.transport.retry import RetryPolicy

T = TypeVar("T")
URL_VARIABLE = "QAD_LEDGER_URL"
VERSION_TABLE = "ledger_version"
# A server that restarts is back in seconds; a standby that takes over may need a minute.
PATIENCE = 60.0
_OPEN_PATIENCE = 5.0
# As many attempts as the patience allows.
_WAITING = RetryPolicy(max_attempts=sys.maxsize, backoff_s=0.25, longest_s=8.0)
_MIGRATIONS = Path(__file__).with_name("migrations")
_REVISIONS = [path.name[:4] for path in sorted(_MIGRATIONS.glob("versions/[0-9]*.py"))]
# Any constant does; it only has to be the same in every process that opens a ledger.
_MIGRATION_LOCK = 7_714_113
_REFUSAL = re.compile(r"connection to server .* FATAL: |no password supplied", re.DOTALL)
_RESTARTING = re.compile(r"starting up|shutting down|recovery|not yet accepting|too many|slots")
_SECRETS = ("password", "sslpassword")
_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def choose_url(configured: str) -> str:
    """Return the database URL of the environment, else the configured one; may be empty."""
    return os.environ.get(URL_VARIABLE) or configured


def parse_url(given: str) -> URL:
    """Read a database URL.

    Raises
    ------
    UserError
        If it is none of SQLite or PostgreSQL. The message does not repeat it.
    """
    try:
        url = make_url(given)
        return url.set(drivername=_DRIVERS[url.drivername])
    except (ArgumentError, KeyError, ValueError):
        raise UserError(
            f"run.ledger_url or {URL_VARIABLE} is not the URL of a PostgreSQL or SQLite database; "
            "give e.g. postgresql://user@host/name"
        ) from None


def hide_password(given: str) -> str:
    """Return the URL without its password: what may be stored and shown."""
    return _render(parse_url(given)) if given else ""


class Database:
    """Runs transactions, each again if the server went away meanwhile.

    Parameters
    ----------
    place : Path or sqlalchemy.URL
        A SQLite file, or a database.
    patience : float
        Seconds for which a transaction waits for a PostgreSQL server to come back.

    Raises
    ------
    UserError
        If the database cannot be opened, or a newer version made its tables.
    """

    def __init__(self, place: Path | URL, patience: float = PATIENCE) -> None:
        url = URL.create("sqlite", database=str(place)) if isinstance(place, Path) else place
        self.name = _render(url)
        # SQLite waits for its lock by itself; its other faults do not pass.
        self._patience = patience if url.get_backend_name() == "postgresql" else 0.0
        self._engine = _make_engine(url)
        self._writing = self._engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self._hold: Hold | None = None
        opening = min(self._patience, _OPEN_PATIENCE)
        if not self._transact(self._engine, self._is_current, opening):
            self._transact(self._writing, self._migrate, opening)

    @property
    def dialect(self) -> str:
        """Name of the kind of database: sqlite or postgresql."""
        return self._engine.dialect.name

    def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads; it must not write."""
        return self._transact(self._engine, work, self._patience)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction; it may run again after a lost connection.

        Raises
        ------
        UserError
            If the database is still away after the patience, or refuses.
        """

        def work_as_holder(connection: Connection) -> T:
            if self._hold:
                self._hold.confirm()
            return work(connection)

        return self._transact(self._writing, work_as_holder, self._patience)

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Hold a name on a PostgreSQL server till the block ends; SQLite has no use for it.

        The server gives the name back when the process ends or its machine vanishes. When the
        server restarts, the next write takes the name again, or ends if another was faster.

        Raises
        ------
        UserError
            If another process holds it.
        """
        if self.dialect != "postgresql":
            yield
            return
        self._hold = hold = Hold(self._engine, name)
        try:
            self._transact(self._engine, lambda _: hold.confirm(), 0.0)
            yield
        finally:
            hold.release()
            self._hold = None

    def is_held(self, name: str) -> bool:
        """Say whether some process holds a name."""
        if self.dialect != "postgresql":
            return False
        return self.read(lambda connection: find_hold(connection, name))

    def check(self) -> None:
        """Let SQLite examine its file; a server looks after its own.

        Raises
        ------
        UserError
            If it is damaged.
        """
        if self.dialect != "sqlite":
            return

        def examine(connection: Connection) -> str:
            return str(connection.execute(text("PRAGMA integrity_check(1)")).scalar())

        if (fault := self.read(examine)) != "ok":
            raise UserError(f"ledger {self.name}: damaged ({first_line(ValueError(fault))})")

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def _transact(self, engine: Engine, work: Callable[[Connection], T], patience: float) -> T:
        def attempt() -> T:
            with engine.begin() as connection:
                return work(connection)

        waiting = _WAITING.retrying(
            retry=retry_if_exception(_may_pass), stop=stop_before_delay(patience)
        )
        try:
            return waiting(attempt)
        except DBAPIError as error:
            raise UserError(f"ledger {self.name}: {_explain(error)}") from None

    def _is_current(self, connection: Connection) -> bool:
        revision = _read_revision(connection)
        if revision and revision not in _REVISIONS:
            raise UserError(
                f"ledger {self.name}: made by a newer version of qad (revision {revision}, this "
                f"one knows {_REVISIONS[-1]}); upgrade desi-qad or choose another ledger"
            )
        return revision == _REVISIONS[-1]

    def _migrate(self, connection: Connection) -> None:
        from alembic import command
        from alembic.config import Config

        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _MIGRATION_LOCK})
        # Another process may have been faster while this one waited for the lock.
        if self._is_current(connection):
            return
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        if _read_revision(connection) is None and inspect(connection).has_table("shard_stage"):
            # Ledgers of before the migrations have the tables of the first one, and no version.
            command.stamp(config, _REVISIONS[0])
        command.upgrade(config, _REVISIONS[-1])


def _render(url: URL) -> str:
    host = url.translate_connect_args(username="username")
    host.pop("password", None)
    query = url.difference_update_query(_SECRETS).query
    return URL.create(url.drivername, **host, query=query).render_as_string()


def _make_engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        waiting = {"connect_timeout": 10, "application_name": "qad"}
        return create_engine(url, pool_pre_ping=True, connect_args=waiting)
    file = Path(url.database or "")
    if file.is_file() and not _is_writable(file):
        return create_engine("sqlite://", creator=partial(_open_read_only, file))
    if url.database:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"ledger {file}: {error.strerror}; choose another --root") from None
    engine = create_engine(url)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _is_writable(file: Path) -> bool:
    """Say whether SQLite may write a file and, beside it, its log."""
    return all(os.access(path, os.W_OK, effective_ids=True) for path in (file, file.parent))


def _open_read_only(file: Path) -> sqlite3.Connection:
    """Open a database of a folder in which SQLite cannot even lock; a write is a fault."""
    log = file.with_name(f"{file.name}-wal")
    is_closed = not log.exists() or not log.stat().st_size
    place = f"file:{quote(str(file.resolve()))}?mode=ro{'&immutable=1' if is_closed else ''}"
    return sqlite3.connect(place, uri=True)


def _set_up_sqlite(connection: Any, _: object) -> None:
    # Else the driver opens transactions by itself, and none around a change of tables.
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    # A write-ahead log survives a killed process without a sync after every shard.
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another one wrote between.
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def _read_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def _may_pass(error: BaseException) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    # A connection that is refused carries no code, only libpq's text.
    if _REFUSAL.search(str(error.orig)) and not _RESTARTING.search(str(error.orig)):
        return False
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _explain(error: DBAPIError) -> str:
    reason = re.sub(r"\s+", " ", str(error.orig)).strip()[:300]
    return f"{reason}; see that the database answers, then run again: what is done is kept"
