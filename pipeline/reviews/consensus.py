"""What the reviewers of an object say together, and how far reviewers agree."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from catalog_schema.vocabulary import AnomalyClass, ReviewAction, ReviewStatus, Verdict
from pipeline.reviews.agreement import measure_cohen_kappa, measure_fleiss_kappa
from pipeline.reviews.review import Review, select_in_force

Word = TypeVar("Word")


@dataclass(frozen=True)
class Consensus:
    """What the reviews of one object come to; the verdict is None where disputed or not asked."""

    status: ReviewStatus
    verdict: Verdict | None
    anomaly_class: AnomalyClass | None
    n_reviewers: int


@dataclass(frozen=True)
class Pair:
    """Agreement of two reviewers on the objects that both judged; kappa may be NaN."""

    reviewers: tuple[str, str]
    n_objects: int
    kappa: float


@dataclass(frozen=True)
class Agreement:
    """Agreement on verdicts: by pair (Cohen), and of all who judged an object in common (Fleiss).

    `n_objects` were judged by two or more.
    """

    pairs: tuple[Pair, ...]
    n_objects: int
    fleiss_kappa: float


def find_consensus(reviews: Iterable[Review]) -> dict[int, Consensus]:
    """Return the consensus on every object with a review in force, by TARGETID.

    The latest adjudication decides; without one the verdict that more than half of the reviewers
    gave; without that, the object is disputed. Its class is the commonest among those who gave
    the verdict, if more than half of those with a class gave it.
    """
    return {targetid: _agree(mine) for targetid, mine in _group(reviews).items()}


def measure_agreement(reviews: Iterable[Review]) -> Agreement:
    """Compare the reviewers' verdicts in force; adjudications do not count."""
    verdicts = {
        targetid: {
            r.reviewer: r.verdict
            for r in mine
            if r.verdict is not None and r.action is ReviewAction.JUDGEMENT
        }
        for targetid, mine in _group(reviews).items()
    }
    names = sorted({name for mine in verdicts.values() for name in mine})
    pairs = []
    for a, b in combinations(names, 2):
        both = [mine for mine in verdicts.values() if a in mine and b in mine]
        if both:
            kappa = measure_cohen_kappa([mine[a] for mine in both], [mine[b] for mine in both])
            pairs.append(Pair((a, b), len(both), kappa))
    counts = [[list(mine.values()).count(word) for word in Verdict] for mine in verdicts.values()]
    matrix = np.array(counts, dtype=int).reshape(-1, len(Verdict))
    n_shared = int((matrix.sum(axis=1) >= 2).sum())
    return Agreement(tuple(pairs), n_shared, measure_fleiss_kappa(matrix))


def _group(reviews: Iterable[Review]) -> dict[int, list[Review]]:
    groups: dict[int, list[Review]] = defaultdict(list)
    for review in select_in_force(reviews):
        groups[review.targetid].append(review)
    return dict(groups)


def _agree(mine: list[Review]) -> Consensus:
    n = len({review.reviewer for review in mine})
    decided = [review for review in mine if review.action is ReviewAction.ADJUDICATION]
    if decided:
        last = decided[-1]
        return Consensus(ReviewStatus.ADJUDICATED, last.verdict, last.anomaly_class, n)
    verdicts = [review.verdict for review in mine if review.verdict is not None]
    if not verdicts:
        return Consensus(ReviewStatus.REVIEWED, None, None, n)
    verdict = _find_majority(verdicts)
    if verdict is None:
        return Consensus(ReviewStatus.DISPUTED, None, None, n)
    classes = [r.anomaly_class for r in mine if r.verdict is verdict and r.anomaly_class]
    return Consensus(ReviewStatus.REVIEWED, verdict, _find_majority(classes), n)


def _find_majority(words: list[Word]) -> Word | None:
    if not words:
        return None
    word, count = Counter(words).most_common(1)[0]
    return word if 2 * count > len(words) else None
