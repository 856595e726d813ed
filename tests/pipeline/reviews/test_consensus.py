"""What several reviewers come to."""

from dataclasses import replace

import numpy as np
import pytest
from example_reviews import TARGETIDS, make_review

from catalog_schema.vocabulary import AnomalyClass, ReviewAction, ReviewStatus, Verdict
from pipeline.reviews.consensus import find_consensus, measure_agreement

YES, NO, UNSURE = Verdict.ANOMALOUS, Verdict.ORDINARY, Verdict.UNSURE


@pytest.mark.parametrize(
    ("verdicts", "status", "verdict"),
    [
        ([YES], ReviewStatus.REVIEWED, YES),
        ([YES, YES, NO], ReviewStatus.REVIEWED, YES),
        ([YES, NO], ReviewStatus.DISPUTED, None),
        ([YES, NO, UNSURE], ReviewStatus.DISPUTED, None),
        ([YES, YES, NO, NO], ReviewStatus.DISPUTED, None),
        ([None], ReviewStatus.REVIEWED, None),
        ([None, NO], ReviewStatus.REVIEWED, NO),
    ],
)
def test_more_than_half_decide(
    verdicts: list[Verdict | None], status: ReviewStatus, verdict: Verdict | None
) -> None:
    events = [make_review(reviewer=str(k), verdict=v, number=k) for k, v in enumerate(verdicts)]
    found = find_consensus(events)
    assert set(found) == {TARGETIDS[0]}
    assert (found[TARGETIDS[0]].status, found[TARGETIDS[0]].verdict) == (status, verdict)
    assert found[TARGETIDS[0]].n_reviewers == len(verdicts)


def test_the_latest_adjudication_decides() -> None:
    events = [
        make_review(reviewer="A", number=1),
        make_review(reviewer="B", verdict=NO, number=2),
        make_review(reviewer="C", verdict=YES, number=3, action=ReviewAction.ADJUDICATION),
        make_review(reviewer="D", verdict=NO, number=4, action=ReviewAction.ADJUDICATION),
    ]
    found = find_consensus(events)[TARGETIDS[0]]
    assert (found.status, found.verdict) == (ReviewStatus.ADJUDICATED, NO)
    found = find_consensus([*events, replace(events[-1].retract(), number=5)])[TARGETIDS[0]]
    assert (found.status, found.verdict) == (ReviewStatus.ADJUDICATED, YES)


def test_the_class_is_that_of_most_who_gave_the_verdict() -> None:
    events = [
        make_review(reviewer="A", number=1, anomaly_class=AnomalyClass.BAL),
        make_review(reviewer="B", number=2, anomaly_class=AnomalyClass.BAL),
        make_review(reviewer="C", number=3, anomaly_class=AnomalyClass.DLA),
        make_review(reviewer="D", number=4),
    ]
    assert find_consensus(events)[TARGETIDS[0]].anomaly_class is AnomalyClass.BAL


def test_agreement_by_pair_and_of_all() -> None:
    events = [make_review(k, "A", verdict=v, number=k) for k, v in enumerate([YES, NO, NO])]
    events += [make_review(k, "B", verdict=v, number=9 + k) for k, v in enumerate([YES, NO, YES])]
    events.append(make_review(0, "C", number=20))
    agreement = measure_agreement(events)
    assert [(pair.reviewers, pair.n_objects) for pair in agreement.pairs] == [
        (("A", "B"), 3),
        (("A", "C"), 1),
        (("B", "C"), 1),
    ]
    assert agreement.pairs[0].kappa == pytest.approx(0.4)
    assert np.isnan(agreement.pairs[1].kappa)
    assert agreement.n_objects == 3
    assert measure_agreement([]).pairs == ()
    assert np.isnan(measure_agreement([]).fleiss_kappa)
