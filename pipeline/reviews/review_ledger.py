"""The review ledger: events are appended, and nothing else ever happens to them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import URL, Connection, insert, select, text

from catalog_schema import tables
from catalog_schema.column import arrow_schema
from catalog_schema.vocabulary import AnomalyClass, Described, ReviewAction, Verdict
from pipeline.errors import UserError
from pipeline.ledger.database import PATIENCE, Database, choose_url, parse_url
from pipeline.ledger.tables import REVIEWS
from pipeline.reviews.review import Review, select_in_force

_FIELDS = tuple(field.name for field in fields(Review))
_WORDS: dict[str, type[Described]] = {
    "action": ReviewAction,
    "verdict": Verdict,
    "anomaly_class": AnomalyClass,
}
# Names of the published columns that differ from those of the record.
_PUBLISHED = {
    "review_action": "action",
    "review_release": "release",
    "review_quality": "quality",
    "review_issues": "issues",
}
_OBJECT = ("sample", "targetid", "reviewer")


class ReviewLedger:
    """Appends and reads reviews, in the database that also holds the completeness ledger.

    Parameters
    ----------
    place : Path or sqlalchemy.URL
        A SQLite file, or a database.
    patience : float
        Seconds for which a write waits for a PostgreSQL server to come back.

    Raises
    ------
    UserError
        If the database cannot be opened, or a newer version made its tables.
    """

    def __init__(self, place: Path | URL, patience: float = PATIENCE) -> None:
        self._database = Database(place, patience)

    @classmethod
    def choose(cls, file: Path, configured: str) -> "ReviewLedger":
        """Open the database of the environment's or the configured URL, else the file."""
        given = choose_url(configured)
        return cls(parse_url(given) if given else file)

    def append(self, reviews: Sequence[Review]) -> int:
        """Write events, all or none; return how many were new.

        An event that is there already is left alone, so that a repeated call or import does no
        harm.

        Raises
        ------
        UserError
            If one has an identifier that stands for other content, or supersedes an event that
            does not exist, is superseded already, or is of another reviewer or object.
        """
        return self._database.write(partial(_append, list(reviews)))

    def load(self, sample: str) -> list[Review]:
        """Return every event of a sample, in the order in which they came."""
        return self._database.read(partial(_load, sample))

    @contextmanager
    def closing(self) -> Iterator["ReviewLedger"]:
        """Release the database's connections at the end of the block."""
        try:
            yield self
        finally:
            self._database.close()


def tabulate(reviews: Iterable[Review]) -> pa.Table:
    """Render events as rows of the table REVIEWS, in the ledger's order."""
    events = sorted(reviews, key=lambda review: review.number)
    standing = {review.review_id for review in select_in_force(events)}
    rows = []
    for review in events:
        row: dict[str, Any] = {
            name: getattr(review, _PUBLISHED.get(name, name.lower()))
            for name in tables.REVIEWS.names
            if name != "is_in_force"
        }
        row["is_in_force"] = review.review_id in standing
        row["reviewed_at"] = review.reviewed_at.isoformat(timespec="microseconds")
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=arrow_schema(tables.REVIEWS))


def read_rows(rows: pa.Table, sample: str) -> list[Review]:
    """Return the events that `tabulate` has rendered.

    Raises
    ------
    UserError
        If a row holds what no review can.
    """
    events = []
    for number, row in enumerate(rows.to_pylist(), 1):
        values = {_PUBLISHED.get(name, name.lower()): value for name, value in row.items()}
        del values["is_in_force"]
        values |= _parse_words(values)
        values["reviewed_at"] = datetime.fromisoformat(values["reviewed_at"])
        events.append(Review(sample=sample, number=number, **values))
    return events


def _append(reviews: list[Review], connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        # One writer at a time, so that numbers follow the order of commits; readers do not wait.
        connection.execute(text("LOCK TABLE review IN SHARE ROW EXCLUSIVE MODE"))
    n_new = 0
    for review in reviews:
        known = _find(connection, review.review_id)
        if known is None:
            _check_supersedes(review, connection)
            row = {name: getattr(review, name) for name in _FIELDS if name != "number"}
            words = {name: row[name] and row[name].value for name in _WORDS}
            connection.execute(insert(REVIEWS), row | words)
            n_new += 1
        elif _said(known) != _said(review):
            raise UserError(
                f"review {review.review_id} of TARGETID {review.targetid} is in the ledger with "
                "other content; reviews never change: supersede it by a new one"
            )
    return n_new


def _check_supersedes(review: Review, connection: Connection) -> None:
    if review.supersedes is None:
        return
    earlier = _find(connection, review.supersedes)
    what = f"review {review.supersedes}, which that of TARGETID {review.targetid} supersedes,"
    if earlier is None:
        raise UserError(f"{what} is not in the ledger")
    if any(getattr(earlier, name) != getattr(review, name) for name in _OBJECT):
        raise UserError(f"{what} is of another reviewer or object")
    later = select(REVIEWS.c.review_id).where(REVIEWS.c.supersedes == review.supersedes)
    if connection.execute(later).first():
        raise UserError(f"{what} is superseded already; look at it again")


def _find(connection: Connection, review_id: str) -> Review | None:
    found = connection.execute(select(REVIEWS).where(REVIEWS.c.review_id == review_id)).mappings()
    row = found.first()
    return _to_review(row) if row else None


def _load(sample: str, connection: Connection) -> list[Review]:
    query = select(REVIEWS).where(REVIEWS.c.sample == sample).order_by(REVIEWS.c.number)
    return [_to_review(row) for row in connection.execute(query).mappings()]


def _to_review(row: Any) -> Review:
    values = {name: row[name] for name in _FIELDS}
    values |= _parse_words(values)
    # SQLite keeps no time zone; all times are UTC.
    moment = values["reviewed_at"]
    values["reviewed_at"] = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Review(**values)


def _parse_words(values: Mapping[str, Any]) -> dict[str, Described | None]:
    return {
        name: words.parse(values[name]) if values[name] else None for name, words in _WORDS.items()
    }


def _said(review: Review) -> tuple:
    # When a plain CSV is imported again its rows get another time.
    return tuple(getattr(review, n) for n in _FIELDS if n not in ("number", "reviewed_at"))
