"""Reviews as the portal needs them; its only door to the review ledger of the pipeline."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import URL

from catalog_schema.vocabulary import ReviewAction, ReviewStatus
from pipeline.errors import QadError
from pipeline.ledger.database import URL_VARIABLE, parse_url
from pipeline.reviews.consensus import Agreement, find_consensus, measure_agreement
from pipeline.reviews.review import ISSUES, MAX_COMMENT, SPECTYPES, Review, select_in_force
from pipeline.reviews.review_ledger import ReviewLedger, read_rows
from portal.data.releases import CHECK_ADVICE, Release, ReleaseError

__all__ = [
    "ISSUES",
    "MAX_COMMENT",
    "SPECTYPES",
    "Agreement",
    "Progress",
    "QadError",
    "Review",
    "ReviewLedger",
    "Reviewer",
    "find_disputed",
    "find_last",
    "find_place",
    "find_second_opinions",
    "leave_reviewed",
    "load_reviews",
    "measure_progress",
    "name_sample",
    "read_published",
    "read_queue",
]
_QUEUE = "catalog/queue.parquet"
_REVIEWS = "catalog/reviews.parquet"


@dataclass(frozen=True)
class Reviewer:
    """Who signs, and whether their word decides a dispute."""

    name: str
    is_adjudicator: bool


@dataclass(frozen=True)
class Progress:
    """How far the reviews are: objects by status, events in force by reviewer, agreement."""

    n_objects: int
    n_disputed: int
    by_reviewer: dict[str, int]
    agreement: Agreement


def name_sample(release: Release) -> str:
    """Return the name of the sample whose TARGETIDs the release holds.

    Raises
    ------
    ReleaseError
        If the release is older than reviews.
    """
    if release.sample is None:
        raise ReleaseError(
            f"Release `{release.version}` was made before there were reviews: it does not name "
            "its sample."
        )
    return release.sample


def find_place(root: Path) -> Path | URL | None:
    """Return where the ledger of a release is, or None where the release stands alone.

    The environment's database wins; otherwise it is a file of the data root, whose `releases/`
    holds the release.
    """
    if given := os.environ.get(URL_VARIABLE):
        return parse_url(given)
    return root.parents[1] / "ledger.sqlite" if root.parent.name == "releases" else None


def load_reviews(ledger: ReviewLedger, release: Release) -> list[Review]:
    """Return the reviews in force of a release's sample.

    Raises
    ------
    ReleaseError
        If the release is older than reviews.
    """
    return select_in_force(ledger.load(name_sample(release)))


def read_published(release: Release) -> list[Review]:
    """Return the reviews in force that the release itself carries.

    Raises
    ------
    ReleaseError
        If they cannot be read.
    """
    rows = _read(release.find(_REVIEWS))
    try:
        return select_in_force(read_rows(rows, name_sample(release)))
    except (KeyError, ValueError, TypeError):
        raise ReleaseError(f"`{_REVIEWS}` holds no reviews. {CHECK_ADVICE}") from None


def read_queue(release: Release) -> list[int]:
    """Return the TARGETIDs to be reviewed, in order: as last ranked, else as published.

    Raises
    ------
    ReleaseError
        If the queue cannot be read.
    """
    ranked = release.root.parents[1] / "queue" / f"{release.version}.parquet"
    path = ranked if ranked.is_file() else release.find(_QUEUE)
    return list(_read_queue(path, path.stat().st_mtime_ns))


# Asked for at each judgement.
@lru_cache(maxsize=8)
def _read_queue(path: Path, _: int) -> tuple[int, ...]:
    rows = _read(path)
    if not {"queue_rank", "TARGETID"} <= set(rows.column_names):
        raise ReleaseError(f"`{path.name}` is no queue. {CHECK_ADVICE}")
    return tuple(rows.sort_by("queue_rank")["TARGETID"].to_pylist())


def leave_reviewed(
    targetids: Iterable[int], reviews: Collection[Review], reviewer: Reviewer
) -> list[int]:
    """Leave out the objects on which a reviewer's word is among the reviews in force."""
    done = {review.targetid for review in reviews if review.reviewer == reviewer.name}
    return [targetid for targetid in targetids if targetid not in done]


def find_second_opinions(reviews: Collection[Review]) -> list[int]:
    """Return the objects that one reviewer alone has judged; the reviews are those in force."""
    one = {i: each for i, each in find_consensus(reviews).items() if each.n_reviewers == 1}
    return [i for i in dict.fromkeys(r.targetid for r in reviews) if i in one]


def find_disputed(reviews: Collection[Review]) -> list[int]:
    """Return the objects on which reviewers disagree."""
    found = find_consensus(reviews)
    return [i for i, each in found.items() if each.status is ReviewStatus.DISPUTED]


def find_last(reviews: Collection[Review], reviewer: Reviewer) -> Review | None:
    """Return a reviewer's latest of the events in force: what an undo takes back."""
    mine = [review for review in reviews if review.reviewer == reviewer.name]
    return mine[-1] if mine else None


def measure_progress(reviews: Collection[Review]) -> Progress:
    """Sum up the reviews in force."""
    counts: dict[str, int] = {}
    for review in reviews:
        if review.action is ReviewAction.JUDGEMENT:
            counts[review.reviewer] = counts.get(review.reviewer, 0) + 1
    consensus = find_consensus(reviews)
    n_disputed = sum(each.status is ReviewStatus.DISPUTED for each in consensus.values())
    return Progress(len(consensus), n_disputed, counts, measure_agreement(reviews))


def _read(path: Path) -> pa.Table:
    try:
        return pq.ParquetFile(path).read()
    except FileNotFoundError:
        fault = "is missing"
    except (OSError, pa.ArrowException):
        fault = "is damaged"
    raise ReleaseError(f"`{path.name}` {fault}. {CHECK_ADVICE}")
