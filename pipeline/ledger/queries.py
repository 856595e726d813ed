"""What the ledger asks of its database, in statements that SQLite and PostgreSQL both know."""

import os
import socket
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    case,
    delete,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Delete, Insert

from catalog_schema.vocabulary import ShardState
from pipeline.lake.layout import Shard
from pipeline.ledger.outcome import Outcome
from pipeline.ledger.tables import GATES, SHARD_STAGE_KEY, STAGES, WHOLE, Base

Key = tuple[str, str, str, int, str]


def book(lake: str, outcomes: list[Outcome], connection: Connection) -> None:
    """Replace what the database says of these shards in these stages."""
    # In one order for everybody: two writers of the same shards cannot lock each other out.
    ordered = sorted(outcomes, key=lambda outcome: (outcome.shard, outcome.stage))
    latest = {_key(lake, outcome): outcome for outcome in ordered}
    rows = [_to_row(lake, outcome) for outcome in ordered]
    connection.execute(_upsert(connection.dialect.name), rows)
    connection.execute(_delete_gates(), [_bind(key) for key in latest])
    gates = [
        {**_name(key), "gate": gate, "n_dropped": count}
        for key, outcome in latest.items()
        for gate, count in outcome.dropped.items()
        if count
    ]
    if gates:
        connection.execute(insert(GATES), gates)


def forget_others(lake: str, stage: str, planned: set[Shard], connection: Connection) -> None:
    """Delete the shards of a stage that are not planned."""
    query = select(STAGES.c.survey, STAGES.c.program, STAGES.c.healpix).where(
        STAGES.c.lake == lake, STAGES.c.stage == stage
    )
    left = [shard for row in connection.execute(query) if (shard := Shard(*row)) not in planned]
    if left:
        keys = [_bind((lake, *shard, stage)) for shard in left]
        connection.execute(delete(STAGES).where(*_matches(STAGES)), keys)
        connection.execute(_delete_gates(), keys)


def note_whole(lake: str, stage: str, inputs: str, files: str, connection: Connection) -> None:
    """Replace what a stage was last made whole of."""
    mine = and_(WHOLE.c.lake == lake, WHOLE.c.stage == stage)
    connection.execute(delete(WHOLE).where(mine))
    row = {"lake": lake, "stage": stage, "inputs": inputs, "files": files}
    connection.execute(insert(WHOLE), [row])


def find_whole(lake: str, stage: str, connection: Connection) -> tuple[str, str] | None:
    """Return what a stage was last made whole of, and of which files it then consisted."""
    query = select(WHOLE.c.inputs, WHOLE.c.files).where(
        WHOLE.c.lake == lake, WHOLE.c.stage == stage
    )
    row = connection.execute(query).first()
    return (row.inputs, row.files) if row else None


def plan_running(lake: str, connection: Connection) -> None:
    """Set what is booked as running back to planned; the attempts stay."""
    is_running = and_(STAGES.c.lake == lake, STAGES.c.state == ShardState.RUNNING.value)
    connection.execute(update(STAGES).where(is_running).values(state=ShardState.PLANNED.value))


def read_all(lake: str, connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Return every row by table; of a table that several lakes share, the rows of this one."""
    return {
        table.name: [dict(row) for row in connection.execute(_select_own(table, lake)).mappings()]
        for table in Base.metadata.sorted_tables
    }


def insert_all(
    lake: str, rows: dict[str, list[dict[str, Any]]], connection: Connection
) -> str | None:
    """Insert what `read_all` returned; the name of a table that holds rows already, if one does."""
    for table in Base.metadata.sorted_tables:
        if connection.execute(_select_own(table, lake).limit(1)).first():
            return table.name
        # The database counts on by itself, in the order of the rows.
        counter = table.autoincrement_column
        own = {"lake": lake} if "lake" in table.c else {}
        values = [
            {name: value for name, value in row.items() if counter is None or name != counter.name}
            | own
            for row in rows[table.name]
        ]
        if values:
            connection.execute(insert(table), values)
    return None


def _select_own(table: Table, lake: str) -> Select:
    query = select(table).order_by(*table.primary_key)
    return query.where(table.c.lake == lake) if "lake" in table.c else query


def load(lake: str, stage: str | None, connection: Connection) -> list[Outcome]:
    """Return every outcome of a lake, ordered by stage and shard."""
    steps = select(STAGES).where(STAGES.c.lake == lake)
    gates = select(GATES).where(GATES.c.lake == lake).order_by(GATES.c.gate)
    if stage is not None:
        steps = steps.where(STAGES.c.stage == stage)
        gates = gates.where(GATES.c.stage == stage)
    dropped: dict[tuple, dict[str, int]] = {}
    for row in connection.execute(gates).mappings():
        dropped.setdefault(_read_key(row), {})[row["gate"]] = row["n_dropped"]
    outcomes = [
        _to_outcome(row, dropped.get(_read_key(row), {}))
        for row in connection.execute(steps).mappings()
    ]
    # Sorted here: databases differ in how they collate text.
    return sorted(outcomes, key=lambda outcome: (outcome.stage, outcome.shard))


@cache
def _upsert(dialect: str) -> Insert:
    kind: Any = postgresql if dialect == "postgresql" else sqlite
    statement = kind.insert(STAGES)
    old, new = STAGES.c, statement.excluded
    # The attempt was counted when the shard began to run.
    running = ShardState.RUNNING.value
    ends = and_(old.state == running, new.state != running)
    values = {name: new[name] for name in old.keys() if name not in SHARD_STAGE_KEY}  # noqa: SIM118
    values["attempts"] = old.attempts + case((ends, 0), else_=new.attempts)
    is_same = and_(
        *(old[name] == new[name] for name in ("state", "n_expected", "n_made", "content"))
    )
    # A look at finished work keeps the time and the size that the work took.
    tells_more = or_(new.attempts > 0, not_(is_same))
    upsert: Insert = statement.on_conflict_do_update(
        index_elements=SHARD_STAGE_KEY, set_=values, where=tells_more
    )
    return upsert


@cache
def _delete_gates() -> Delete:
    return delete(GATES).where(*_matches(GATES))


def _matches(table: Any) -> list:
    return [table.c[name] == bindparam(f"this_{name}") for name in SHARD_STAGE_KEY]


def _bind(key: Key) -> dict[str, object]:
    return {f"this_{name}": value for name, value in _name(key).items()}


def _name(key: Key) -> dict[str, object]:
    return dict(zip(SHARD_STAGE_KEY, key, strict=True))


def _key(lake: str, outcome: Outcome) -> Key:
    return (lake, *outcome.shard, outcome.stage)


def _read_key(row: Any) -> tuple:
    return tuple(row[name] for name in SHARD_STAGE_KEY)


def _to_row(lake: str, outcome: Outcome) -> dict[str, object]:
    is_work = outcome.state is not ShardState.PLANNED and not outcome.skipped
    return {
        **_name(_key(lake, outcome)),
        "state": outcome.state.value,
        "attempts": int(is_work),
        "worker": outcome.worker or (_name_process() if is_work else ""),
        "n_expected": outcome.n_expected,
        "n_made": outcome.n_made,
        "n_bytes": outcome.n_bytes,
        "requests": outcome.requests,
        "seconds": outcome.seconds,
        "error": None if outcome.error is None else _clean(outcome.error),
        "content": outcome.content,
        "notes": _clean("\n".join(outcome.notes)),
        "updated": datetime.now(UTC),
    }


def _to_outcome(row: Any, dropped: dict[str, int]) -> Outcome:
    return Outcome(
        shard=Shard(row["survey"], row["program"], row["healpix"]),
        stage=row["stage"],
        state=ShardState.parse(row["state"]),
        n_expected=row["n_expected"],
        n_made=row["n_made"],
        dropped=dropped,
        notes=tuple(row["notes"].splitlines()),
        error=row["error"],
        seconds=row["seconds"],
        n_bytes=row["n_bytes"],
        requests=row["requests"],
        content=row["content"],
        worker=row["worker"],
        attempts=row["attempts"],
    )


def _name_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _clean(text: str) -> str:
    # PostgreSQL holds neither a NUL nor half of a surrogate pair; damaged files may bring both.
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
