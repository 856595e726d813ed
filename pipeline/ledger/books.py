"""The completeness ledger: where every row of every shard went, stage by stage."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
from sqlalchemy import URL

from catalog_schema.column import arrow_schema
from catalog_schema.tables import COMPLETENESS, EFFORT, GATES
from pipeline.errors import UserError, first_line
from pipeline.lake.layout import Lake, Shard
from pipeline.ledger.database import PATIENCE, URL_VARIABLE, Database, choose_url, parse_url
from pipeline.ledger.outcome import Outcome
from pipeline.ledger.queries import (
    book,
    find_whole,
    forget_others,
    insert_all,
    load,
    note_whole,
    plan_running,
    read_all,
)


@dataclass(frozen=True)
class Balance:
    """Rows of several outcomes added up.

    Attributes
    ----------
    n_expected, n_made, n_dropped : int
    broken : tuple of Outcome
        Those that break the conservation law or have not ended.
    """

    n_expected: int
    n_made: int
    n_dropped: int
    broken: tuple[Outcome, ...]

    @property
    def imbalance(self) -> int:
        """Rows that nobody can account for, in total."""
        return self.n_expected - self.n_made - self.n_dropped


def balance(outcomes: Iterable[Outcome]) -> Balance:
    """Check the law ``expected - made - dropped = 0`` for every outcome and in total."""
    booked = tuple(outcomes)
    return Balance(
        n_expected=sum(outcome.n_expected for outcome in booked),
        n_made=sum(outcome.n_made for outcome in booked),
        n_dropped=sum(sum(outcome.dropped.values()) for outcome in booked),
        broken=tuple(o for o in booked if o.imbalance or not o.is_settled),
    )


def tabulate(outcomes: Iterable[Outcome]) -> tuple[pa.Table, pa.Table]:
    """Render outcomes as the tables COMPLETENESS and GATES of the schema."""
    steps, gates = [], []
    for outcome in outcomes:
        key = _key(outcome)
        counts = {"n_expected": outcome.n_expected, "n_made": outcome.n_made}
        steps.append({**key, "state": outcome.state.value, **counts, "error": outcome.error})
        gates += [
            {**key, "gate": gate, "n_dropped": count}
            for gate, count in sorted(outcome.dropped.items())
            if count
        ]
    return (
        pa.Table.from_pylist(steps, schema=arrow_schema(COMPLETENESS)),
        pa.Table.from_pylist(gates, schema=arrow_schema(GATES)),
    )


def tabulate_effort(outcomes: Iterable[Outcome]) -> pa.Table:
    """Render what the outcomes took as the table EFFORT of the schema."""
    rows = [
        {
            **_key(outcome),
            "attempts": outcome.attempts,
            "worker": outcome.worker,
            "seconds": outcome.seconds,
            "n_bytes_moved": outcome.n_bytes,
            "n_requests": outcome.n_requests,
            "n_request_faults": outcome.n_request_faults,
        }
        for outcome in outcomes
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(EFFORT))


def _key(outcome: Outcome) -> dict[str, object]:
    return dict(zip(COMPLETENESS.key, (*outcome.shard, outcome.stage), strict=True))


class Ledger:
    """Records and reports outcomes; readers never block the writer.

    Parameters
    ----------
    place : Path or sqlalchemy.URL
        A SQLite file, or a database.
    lake : str
        Whose outcomes these are, in a database that several data roots share.
    patience : float
        Seconds for which a write waits for a PostgreSQL server to come back.

    Raises
    ------
    UserError
        If the database cannot be opened, or a newer version made its tables.
    """

    def __init__(self, place: Path | URL, lake: str = "", patience: float = PATIENCE) -> None:
        self._database = Database(place, patience)
        self._lake = lake

    @classmethod
    def of_lake(cls, lake: Lake, configured: str) -> "Ledger":
        """Open a lake's ledger: at the environment's URL, the configured one, or in a file.

        Raises
        ------
        UserError
            Also if the lake is in a bucket and the URL is not that of a PostgreSQL database.
        """
        url = parse_url(given) if (given := choose_url(configured)) else None
        if lake.url and (url is None or url.get_backend_name() != "postgresql"):
            raise UserError(
                f"{lake.url}: a lake in a bucket needs a PostgreSQL ledger, which all machines "
                f"see; set {URL_VARIABLE} or run.ledger_url"
            )
        return cls(url, lake.url or str(lake.root.resolve())) if url else cls(lake.ledger)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Be the only one who books this lake in a PostgreSQL database, till the block ends.

        Raises
        ------
        UserError
            If another process, here or on another machine, is that already.
        """
        with self._database.holding(self._lake):
            yield

    @property
    def is_held(self) -> bool:
        """Whether a process holds the lake's books in a PostgreSQL database."""
        return self._database.is_held(self._lake)

    def interrupt(self) -> None:
        """Plan again what is booked as running: whoever holds the lake knows that nobody does."""
        self._database.write(partial(plan_running, self._lake))

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Replace what the ledger says of these shards in these stages.

        A look that found the work done changes nothing but what differs. If the connection breaks
        during a commit the write is repeated: the books stay right, an attempt may count twice.
        """
        booked = list(outcomes)
        if booked:
            self._database.write(partial(book, self._lake, booked))

    def keep_only(self, stage: str, shards: Iterable[Shard]) -> None:
        """Forget shards that are no longer part of the run's plan for this stage."""
        self._database.write(partial(forget_others, self._lake, stage, set(shards)))

    def remember(self, stage: str, inputs: str, files: str) -> None:
        """Note of what a stage has made its files whole, and digests of both."""
        self._database.write(partial(note_whole, self._lake, stage, inputs, files))

    def recall(self, stage: str) -> tuple[str, str] | None:
        """Return what `remember` noted last: digests of the inputs and of the files."""
        return self._database.read(partial(find_whole, self._lake, stage))

    def outcomes(self, stage: str | None = None) -> list[Outcome]:
        """Return the latest outcome of every shard, ordered by stage and shard.

        Raises
        ------
        UserError
            If the database holds what no ledger does.
        """
        try:
            return self._database.read(partial(load, self._lake, stage))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise UserError(
                f"ledger {self._database.name}: damaged ({first_line(error)})"
            ) from None

    def check(self) -> None:
        """Let SQLite examine its file.

        Raises
        ------
        UserError
            If it is damaged.
        """
        self._database.check()

    def copy_to(self, file: Path) -> None:
        """Write all that the database holds of this lake to a new SQLite file, reviews included."""
        rows = self._database.read(partial(read_all, self._lake))
        with Ledger(file).closing() as copy:
            copy._database.write(partial(insert_all, "", rows))

    def fill_from(self, file: Path) -> None:
        """Take over what `copy_to` wrote.

        Raises
        ------
        UserError
            If the database holds rows of this lake already.
        """
        with Ledger(file).closing() as copy:
            rows = copy._database.read(partial(read_all, ""))
        if table := self._database.write(partial(insert_all, self._lake, rows)):
            raise UserError(
                f"ledger {self._database.name} holds rows in {table} already; restore into an "
                "empty database"
            )

    @contextmanager
    def closing(self) -> Iterator["Ledger"]:
        """Release the database's connections at the end of the block."""
        try:
            yield self
        finally:
            self._database.close()
