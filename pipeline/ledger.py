"""The completeness ledger: where every row of every shard went, stage by stage."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import BigInteger, Engine, Integer, String, create_engine, delete, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from catalog_schema.vocabulary import ShardState
from pipeline.layout import Shard


@dataclass(frozen=True)
class Outcome:
    """What one stage did with one shard.

    The conservation law is ``n_expected = n_made + sum(dropped)`` for a done shard.

    `requests` counts what was sent to the source by kind (``get``, ``head``, ``list``) and what
    failed by kind (``slow_down``, ``short_read``, …). `n_bytes` are the bytes that came from the
    source, or those written by a stage that does not read it.
    """

    shard: Shard
    stage: str
    state: ShardState
    n_expected: int
    n_made: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str | None = None
    seconds: float = 0.0
    n_bytes: int = 0
    skipped: bool = False
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def imbalance(self) -> int:
        """Rows that nobody can account for."""
        return self.n_expected - self.n_made - sum(self.dropped.values())


class _Base(DeclarativeBase):
    pass


class _ShardRow(_Base):
    __tablename__ = "shard_stage"
    survey: Mapped[str] = mapped_column(String(16), primary_key=True)
    program: Mapped[str] = mapped_column(String(16), primary_key=True)
    healpix: Mapped[int] = mapped_column(Integer, primary_key=True)
    stage: Mapped[str] = mapped_column(String(16), primary_key=True)
    state: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(Integer)
    n_expected: Mapped[int] = mapped_column(BigInteger)
    n_made: Mapped[int] = mapped_column(BigInteger)
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
    error: Mapped[str | None]
    notes: Mapped[str]
    updated: Mapped[datetime]


class _GateRow(_Base):
    __tablename__ = "shard_gate"
    survey: Mapped[str] = mapped_column(String(16), primary_key=True)
    program: Mapped[str] = mapped_column(String(16), primary_key=True)
    healpix: Mapped[int] = mapped_column(Integer, primary_key=True)
    stage: Mapped[str] = mapped_column(String(16), primary_key=True)
    gate: Mapped[str] = mapped_column(String(32), primary_key=True)
    n_dropped: Mapped[int] = mapped_column(BigInteger)


class Ledger:
    """Records and reports outcomes; SQLite in WAL mode, so readers never block the writer."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine: Engine = create_engine(f"sqlite:///{path}")
        event.listen(self._engine, "connect", _set_pragmas)
        _Base.metadata.create_all(self._engine)

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Replace what the ledger says of these shards in these stages."""
        with Session(self._engine) as session, session.begin():
            for outcome in outcomes:
                key = (*outcome.shard, outcome.stage)
                old = session.get(_ShardRow, key)
                if old and outcome.skipped and _says_the_same(old, outcome):
                    continue
                attempts = (old.attempts if old else 0) + (not outcome.skipped)
                session.merge(_to_row(outcome, attempts))
                session.execute(delete(_GateRow).where(*_matches(_GateRow, key)))
                session.add_all(
                    _GateRow(**_key_values(key), gate=gate, n_dropped=count)
                    for gate, count in outcome.dropped.items()
                    if count
                )

    def keep_only(self, stage: str, shards: Iterable[Shard]) -> None:
        """Forget shards that are no longer part of the run's plan for this stage."""
        planned = set(shards)
        with Session(self._engine) as session, session.begin():
            for outcome in list(_load(session, stage)):
                if outcome.shard not in planned:
                    key = (*outcome.shard, stage)
                    for row in (_ShardRow, _GateRow):
                        session.execute(delete(row).where(*_matches(row, key)))

    def outcomes(self, stage: str | None = None) -> list[Outcome]:
        """Return the latest outcome of every shard, ordered by stage and shard."""
        with Session(self._engine) as session:
            return list(_load(session, stage))

    @contextmanager
    def closing(self) -> Iterator["Ledger"]:
        """Release the database file at the end of the block."""
        try:
            yield self
        finally:
            self._engine.dispose()


def _set_pragmas(connection: object, _: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=30000")


def _key_values(key: tuple) -> dict[str, object]:
    return dict(zip(("survey", "program", "healpix", "stage"), key, strict=True))


def _matches(row: type[_ShardRow] | type[_GateRow], key: tuple) -> list:
    return [getattr(row, name) == value for name, value in _key_values(key).items()]


def _says_the_same(old: _ShardRow, outcome: Outcome) -> bool:
    return (old.state, old.n_expected, old.n_made) == (
        outcome.state.value,
        outcome.n_expected,
        outcome.n_made,
    )


def _to_row(outcome: Outcome, attempts: int) -> _ShardRow:
    return _ShardRow(
        **_key_values((*outcome.shard, outcome.stage)),
        state=outcome.state.value,
        attempts=attempts,
        n_expected=outcome.n_expected,
        n_made=outcome.n_made,
        n_bytes=outcome.n_bytes,
        seconds=outcome.seconds,
        error=outcome.error,
        notes="\n".join(outcome.notes),
        updated=datetime.now(UTC),
    )


def _load(session: Session, stage: str | None) -> Iterator[Outcome]:
    shards = select(_ShardRow).order_by(
        _ShardRow.stage, _ShardRow.survey, _ShardRow.program, _ShardRow.healpix
    )
    gates = select(_GateRow).order_by(_GateRow.gate)
    if stage is not None:
        shards = shards.where(_ShardRow.stage == stage)
        gates = gates.where(_GateRow.stage == stage)
    dropped: dict[tuple, dict[str, int]] = {}
    for gate in session.scalars(gates):
        key = (gate.survey, gate.program, gate.healpix, gate.stage)
        dropped.setdefault(key, {})[gate.gate] = gate.n_dropped
    for row in session.scalars(shards):
        shard = Shard(row.survey, row.program, row.healpix)
        yield Outcome(
            shard=shard,
            stage=row.stage,
            state=ShardState.parse(row.state),
            n_expected=row.n_expected,
            n_made=row.n_made,
            dropped=dropped.get((*shard, row.stage), {}),
            notes=tuple(row.notes.splitlines()),
            error=row.error,
            seconds=row.seconds,
            n_bytes=row.n_bytes,
        )
