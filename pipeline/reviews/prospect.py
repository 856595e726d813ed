"""Reviews as the CSV files of DESI's prospect, which other tools of visual inspection share.

The plain file has exactly prospect's columns: its reader allows no other. The full one has ours
behind them and loses nothing.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from catalog_schema.desi import SPECPROD
from catalog_schema.vocabulary import AnomalyClass, ReviewAction, Verdict
from pipeline.errors import UserError
from pipeline.lake.files import replacing
from pipeline.reviews.published import Published
from pipeline.reviews.review import ISSUES, Review, select_in_force
from pipeline.user_tables.names import simplify
from pipeline.user_tables.reader import choose_table, open_tables
from pipeline.user_tables.values import read_ids, read_texts

# Of prospect's utilities.py, in its order; those without a source here hold its default.
COLUMNS = (
    "TARGETID",
    "EXPID",
    "NIGHT",
    "TILEID",
    "Spec_version",
    "Redrock_version",
    "Template_version",
    "Redrock_spectype",
    "Redrock_z",
    "VI_scanner",
    "VI_quality",
    "VI_issue",
    "VI_z",
    "VI_spectype",
    "VI_comment",
)
REQUIRED = ("TARGETID", "VI_scanner", "VI_quality")
_UNKNOWN = "-1"


def _parse_flag(text: str) -> bool:
    return {"True": True, "False": False}[text]


# Ours: name in the file, field of the record, and how its text is read.
_EXTRA: dict[str, tuple[str, Callable[[str], Any]]] = {
    "QAD_review_id": ("review_id", str),
    "QAD_action": ("action", ReviewAction.parse),
    "QAD_supersedes": ("supersedes", str),
    "QAD_reviewed_at": ("reviewed_at", datetime.fromisoformat),
    "QAD_release": ("release", str),
    "QAD_survey": ("survey", str),
    "QAD_program": ("program", str),
    "QAD_healpix": ("healpix", int),
    "QAD_verdict": ("verdict", Verdict.parse),
    "QAD_class": ("anomaly_class", AnomalyClass.parse),
    "QAD_is_blinded": ("is_blinded", _parse_flag),
    "QAD_seconds_spent": ("seconds_spent", float),
}


def write_csv(
    path: Path, reviews: Iterable[Review], published: Published, is_full: bool = False
) -> int:
    """Write reviews of the objects of a release; return the number of rows.

    Parameters
    ----------
    path : Path
        Appears whole or not at all.
    reviews : iterable of Review
    published : Published
    is_full : bool
        Every event with our columns; otherwise those in force with prospect's columns only.
    """
    known = [review for review in reviews if review.targetid in published]
    rows = [_to_row(r, published, is_full) for r in (known if is_full else select_in_force(known))]
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *(_EXTRA if is_full else ())])
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def read_csv(path: Path, published: Published) -> list[Review]:
    """Read a plain or full file, or another table with these columns, in any order.

    Raises
    ------
    UserError
        If the file is none, a value is wrong, or the release lacks an object; with the row.
    """
    table = choose_table(open_tables(path, "reviews"), REQUIRED)
    spelled = {simplify(name): name for name in (*COLUMNS, *_EXTRA)}
    names = [spelled.get(simplify(name), "") for name in table.names]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise UserError(f"{path}: column {', '.join(missing)} is missing")
    twice = [name for name in spelled.values() if names.count(name) > 1]
    if twice:
        raise UserError(f"{path}: more than one column is {twice[0]}")
    places = [place for place, name in enumerate(names) if name]
    columns = dict(zip((names[place] for place in places), table.read_whole(places), strict=True))
    targetids = read_ids(table.origin, "TARGETID", columns.pop("TARGETID"))
    cells = zip(*(read_texts(column) for column in columns.values()), strict=True)
    return [
        _read_row(
            f"{path}, row {number}", targetid, dict(zip(columns, row, strict=True)), published
        )
        for number, (targetid, row) in enumerate(zip(targetids, cells, strict=True), 1)
    ]


def _read_quality(text: str) -> int | None:
    if text.strip() in ("", _UNKNOWN):
        return None
    quality = float(text)
    if not quality.is_integer():
        raise ValueError(f"VI_quality {text!r} is no whole number")
    return int(quality)


def _to_row(review: Review, published: Published, is_full: bool) -> dict[str, Any]:
    known = published.find(review.targetid)
    row = dict.fromkeys(COLUMNS, _UNKNOWN) | {
        "TARGETID": review.targetid,
        "Spec_version": SPECPROD,
        "Redrock_spectype": known.spectype,
        "Redrock_z": _UNKNOWN if known.z is None else f"{known.z:.4f}",
        "VI_scanner": review.reviewer,
        "VI_quality": _UNKNOWN if review.quality is None else review.quality,
        "VI_issue": review.issues,
        "VI_z": _write(review.corrected_z),
        "VI_spectype": _write(review.corrected_spectype),
        "VI_comment": review.comment,
    }
    extra = {name: _write(getattr(review, attribute)) for name, (attribute, _) in _EXTRA.items()}
    return row | (extra if is_full else {})


def _write(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)


def _read_row(
    where: str, targetid: int | None, row: dict[str, str], published: Published
) -> Review:
    try:
        if targetid is None:
            raise ValueError("TARGETID is missing")
        shard = published.find(targetid).shard
        extra = {
            attribute: parse(row[name])
            for name, (attribute, parse) in _EXTRA.items()
            if row.get(name)
        }
        if set(issues := row.get("VI_issue", "").strip()) - set(ISSUES):
            raise ValueError(f"VI_issue {issues!r} has other letters than {ISSUES}")
        values: dict[str, Any] = {
            "sample": published.sample,
            "release": published.version,
            "survey": shard.survey,
            "program": shard.program,
            "healpix": shard.healpix,
            "targetid": targetid,
            "reviewer": row["VI_scanner"],
            "issues": issues,
            "quality": _read_quality(row["VI_quality"]),
            "corrected_z": float(row["VI_z"]) if row.get("VI_z") else None,
            "corrected_spectype": row.get("VI_spectype") or None,
            "comment": row.get("VI_comment", ""),
        }
        # The same row gives the same event, so that a file may be imported twice.
        values["review_id"] = hashlib.sha256(repr(values).encode()).hexdigest()[:32]
        return Review(**values | extra)
    except (UserError, ValueError, KeyError) as error:
        raise UserError(f"{where}: {error}") from None
