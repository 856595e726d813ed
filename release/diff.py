"""What changed between two releases, object by object, and why."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema import contents
from pipeline.errors import UserError
from pipeline.lake.files import replacing
from release.manifest import find_kind, read_manifest
from release.tables.engine import open_engine
from release.versions import Change

_SCORES = (
    "anomaly_score",
    "p_value",
    "joint_p_value",
    "finding",
    "finding_p_value",
    "q_value",
    "tier",
)
# Settings that decide which objects are there, what they score, and how scores are graded.
_SETTINGS = ("target", "extract", "preprocess", "train", "score")
# Before schema 1.7.0 there was one list, by joint_p_value.
_ROWS = f"""
    CREATE TEMP TABLE {{name}} AS SELECT *, CASE WHEN tier != 'none' THEN row_number() OVER (
        PARTITION BY tier != 'none' ORDER BY {contents.STRANGEST_FIRST}) END AS rank
    FROM (
        SELECT * REPLACE (coalesce(finding_p_value, joint_p_value) AS finding_p_value) FROM (
            FROM read_parquet(?)
            UNION ALL BY NAME SELECT NULL::DOUBLE AS finding_p_value WHERE false
        )
    )
"""
# An object's matches as one number, whatever the order of their rows.
_MATCHES = """
    CREATE TEMP TABLE {name} AS SELECT TARGETID,
        bit_xor(hash(catalogue, match_state, match_rank, match_id)) AS matches
    FROM read_parquet(?) GROUP BY TARGETID
"""
_NO_MATCHES = "CREATE TEMP TABLE {name} (TARGETID BIGINT, matches UBIGINT)"
_JOINED = """
    old_rows o FULL JOIN new_rows n USING (TARGETID)
    LEFT JOIN old_matches om USING (TARGETID) LEFT JOIN new_matches nm USING (TARGETID)
"""
_HAS_MOVED = "o.tier IS DISTINCT FROM n.tier OR o.rank IS DISTINCT FROM n.rank"
_CHANGES = f"""
    SELECT TARGETID,
        CASE WHEN o.tier IS NULL THEN 'entered' WHEN n.tier IS NULL THEN 'left'
            WHEN o.tier != n.tier THEN 'tier moved'
            WHEN o.rank IS DISTINCT FROM n.rank THEN 'rank moved'
            WHEN o.review_status != n.review_status THEN 'review changed'
            ELSE 'match changed' END AS change,
        o.tier AS old_tier, n.tier AS new_tier, o.rank AS old_rank, n.rank AS new_rank,
        CASE WHEN o.tier IS NULL OR n.tier IS NULL THEN ?
            WHEN NOT ({_HAS_MOVED}) AND o.review_status != n.review_status THEN 'reviews'
            WHEN NOT ({_HAS_MOVED}) THEN 'crossmatch'
            WHEN o.anomaly_score != n.anomaly_score THEN ?
            WHEN o.p_value != n.p_value OR o.joint_p_value IS DISTINCT FROM n.joint_p_value
                OR o.q_value IS DISTINCT FROM n.q_value THEN ?
            WHEN o.tier != n.tier THEN 'calibration'
            ELSE 'others moved' END AS cause
    FROM {_JOINED}
    WHERE {_HAS_MOVED} OR o.review_status != n.review_status
        OR (coalesce(o.rank, n.rank) IS NOT NULL AND om.matches IS DISTINCT FROM nm.matches)
    ORDER BY least(o.rank, n.rank) NULLS LAST, TARGETID
"""
_REMATCHED = f"""
    SELECT count(*) FROM {_JOINED}
    WHERE o.tier IS NOT NULL AND n.tier IS NOT NULL AND om.matches IS DISTINCT FROM nm.matches
"""


@dataclass(frozen=True)
class Difference:
    """Difference between two releases.

    Attributes
    ----------
    old, new : str
        Versions.
    rows : pyarrow.Table
        One row per object that entered or left the catalogue, whose tier, rank among the graded
        objects or review moved, or that is graded and has other counterparts: TARGETID, change,
        old_tier, new_tier, old_rank, new_rank, cause. Ranks are null for ungraded objects.
        Strangest first.
    causes : tuple of str
        What differs between the manifests: source, data, settings, model, calibration, reviews,
        crossmatch, code.
    n_rescored, n_edited, n_rematched : int
        Objects in both whose significance differs; whose other columns differ; whose counterparts
        in external catalogues differ.
    added, removed : tuple of str
        Columns; one whose type changed is in both.
    """

    old: str
    new: str
    rows: pa.Table
    causes: tuple[str, ...]
    n_rescored: int
    n_edited: int
    n_rematched: int
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """Number of objects by change and cause."""
        groups = self.rows.group_by(["change", "cause"]).aggregate([([], "count_all")])
        found = {(row["change"], row["cause"]): row["count_all"] for row in groups.to_pylist()}
        return dict(sorted(found.items()))

    @property
    def weight(self) -> tuple[Change, str]:
        """How large a step of the version the difference needs, and why."""
        n_left, n_entered = (
            sum(count for (change, _), count in self.counts.items() if change == name)
            for name in ("left", "entered")
        )
        if self.n_rescored or n_left or self.removed:
            reasons = (
                (self.n_rescored, "objects rescored"),
                (n_left, "objects removed"),
                (len(self.removed), "columns removed"),
            )
            return Change.MAJOR, _join(reasons)
        additions = (
            (n_entered, "objects added"),
            (len(self.added), "columns added"),
            (self.n_edited, "objects with new values"),
            (self.n_rematched, "objects with other counterparts"),
        )
        text = _join(additions)
        return (Change.MINOR, text) if text else (Change.PATCH, "text or metadata changed")


def compare(old: Path, new: Path) -> Difference:
    """Compare two release folders.

    Objects are the same when their TARGETID is. The cause of a change is what differs between the
    manifests and can have had that effect; several possible causes are joined by ``+``.

    Parameters
    ----------
    old, new : Path

    Returns
    -------
    Difference

    Raises
    ------
    UserError
        If one of them is no release or its catalogue is damaged.
    """
    import duckdb

    manifests = [_read_manifest(path) for path in (old, new)]
    causes = _find_causes(*manifests)
    main = _find_main(new, manifests)
    added, removed = _compare_columns(old, new, main)
    with open_engine() as connection:
        for name, path in (("old_rows", old), ("new_rows", new)):
            try:
                connection.execute(_ROWS.format(name=name), [str(path / main)])
            except duckdb.Error:
                raise _refuse(path, f"{main} has not the columns it should") from None
        _read_matches(connection, old, new, "crossmatch" in causes)
        query = connection.sql(_CHANGES, params=_attribute(causes))
        rows = query.to_arrow_table()
        common = [
            name
            for name in pq.read_schema(old / main).names
            if name not in {*added, *removed, "TARGETID"}
        ]
        n_rescored = _count(connection, [name for name in _SCORES if name in common])
        n_edited = _count(connection, [name for name in common if name not in _SCORES])
        n_rematched = int(connection.sql(_REMATCHED).fetchall()[0][0])
    versions = [manifest["version"] for manifest in manifests]
    counts = (n_rescored, n_edited, n_rematched)
    return Difference(versions[0], versions[1], rows, causes, *counts, added, removed)


def render_difference(difference: Difference, n_shown: int = 20) -> str:
    """Say the difference in Markdown: counts by change and cause, and the strangest objects."""
    change, reason = difference.weight
    lines = [
        f"Since {difference.old}: {reason} ({change.name.lower()} change). "
        f"Differing inputs: {', '.join(difference.causes) or 'none'}.",
    ]
    for title, names in (("added", difference.added), ("removed", difference.removed)):
        if names:
            lines.append(f"Columns {title}: {', '.join(f'`{name}`' for name in names)}.")
    if not difference.rows.num_rows:
        return "\n\n".join([*lines, "No object entered, left or moved."]) + "\n"
    lines.append(
        _tabulate(
            ("change", "cause", "objects"),
            [(*key, f"{count:,}") for key, count in difference.counts.items()],
        )
    )
    names = difference.rows.column_names
    shown = difference.rows.slice(0, n_shown).to_pylist()
    lines.append(f"The first {len(shown)} of {difference.rows.num_rows:,} objects:")
    values = [["" if row[name] is None else str(row[name]) for name in names] for row in shown]
    lines.append(_tabulate(names, values))
    return "\n\n".join(lines) + "\n"


def write_rows(difference: Difference, path: Path) -> None:
    """Write the changed objects as Parquet or JSON, by the ending of the file.

    Raises
    ------
    UserError
        If the ending is another, or the file cannot be written.
    """
    if path.suffix not in (".parquet", ".json"):
        raise UserError(f"{path}: rows are written as .parquet or .json")
    with replacing(path) as partial:
        if path.suffix == ".parquet":
            pq.write_table(difference.rows, partial)
        else:
            partial.write_text(json.dumps(difference.rows.to_pylist(), indent=1) + "\n")


def _read_matches(connection: Any, old: Path, new: Path, may_differ: bool) -> None:
    """Digest the counterparts of every object, if the manifests do not say that they are equal."""
    paths = {"old_matches": old / contents.CROSSMATCH, "new_matches": new / contents.CROSSMATCH}
    may_differ = may_differ and all(path.is_file() for path in paths.values())
    for name, path in paths.items():
        if may_differ:
            connection.execute(_MATCHES.format(name=name), [str(path)])
        else:
            connection.execute(_NO_MATCHES.format(name=name))


def _read_manifest(path: Path) -> dict[str, Any]:
    manifest = read_manifest(path)
    if manifest is None:
        raise _refuse(path, "its manifest is missing or damaged")
    return manifest


def _find_main(new: Path, manifests: Sequence[dict[str, Any]]) -> str:
    """Return the file of the main table, which both have."""
    kinds = [find_kind(manifest) for manifest in manifests]
    if kinds[0] != kinds[1]:
        raise _refuse(new, f"it is of {kinds[1].name}, the other of {kinds[0].name}")
    return kinds[1].main_file


def _compare_columns(old: Path, new: Path, main: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    schemas = []
    for path in (old, new):
        try:
            schema = pq.read_schema(path / main)
        except (OSError, pa.ArrowException):
            raise _refuse(path, f"{main} is missing or damaged") from None
        schemas.append({field.name: field.type for field in schema})
    before, after = schemas
    added = tuple(name for name, kind in after.items() if before.get(name) != kind)
    return added, tuple(name for name, kind in before.items() if after.get(name) != kind)


def _refuse(path: Path, problem: str) -> UserError:
    return UserError(f"{path} cannot be compared: {problem}; mend it or move it away")


def _find_causes(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, ...]:
    def differs(*keys: str) -> bool:
        values: list[Any] = [old, new]
        for key in keys:
            values = [value.get(key) for value in values]
        return bool(values[0] != values[1])

    found = {
        "source": differs("source"),
        "data": differs("data", "targets") or differs("data", "coadds"),
        "settings": any(differs("config", name) for name in _SETTINGS),
        "model": differs("model", "content"),
        "calibration": differs("config", "calibrate") or differs("config", "grade"),
        "classes": differs("config", "classify"),
        "reviews": differs("data", "reviews"),
        "crossmatch": differs("data", "matches") or differs("data", "catalogues"),
        "code": differs("code") or differs("schema_version"),
    }
    return tuple(name for name, is_different in found.items() if is_different)


def _attribute(causes: tuple[str, ...]) -> list[str]:
    """Return the causes of membership, of scores and of their significance."""
    able = (
        ("source", "data", "settings"),
        ("source", "data", "settings", "model"),
        ("source", "data", "settings", "model", "calibration", "classes"),
    )
    # A release without any other difference was made by other code.
    return ["+".join(name for name in causes if name in names) or "code" for names in able]


def _count(connection: Any, names: Sequence[str]) -> int:
    differs = " OR ".join(f'o."{name}" IS DISTINCT FROM n."{name}"' for name in names)
    query = f"SELECT count(*) FROM old_rows o JOIN new_rows n USING (TARGETID) WHERE {differs}"
    return int(connection.sql(query).fetchall()[0][0])


def _join(reasons: Sequence[tuple[int, str]]) -> str:
    return ", ".join(f"{count:,} {text}" for count, text in reasons if count)


def _tabulate(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
