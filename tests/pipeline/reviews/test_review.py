"""A review is right or does not exist; each reviewer's last word counts."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from example_reviews import HOSTILE, MOMENT, make_review
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.vocabulary import AnomalyClass, ReviewAction, Verdict
from pipeline.errors import UserError
from pipeline.reviews.review import flatten, select_in_force


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"reviewer": " "}, "1 to 64"),
        ({"reviewer": "x" * 65}, "1 to 64"),
        ({"comment": "x" * 2001}, "2000"),
        ({"quality": 5}, "0 to 4"),
        ({"corrected_z": float("nan")}, "redshift"),
        ({"corrected_spectype": "QUASAR"}, "STAR, GALAXY, QSO"),
        ({"verdict": Verdict.ORDINARY, "anomaly_class": AnomalyClass.BAL}, "does not go with"),
        ({"verdict": Verdict.ARTEFACT, "anomaly_class": AnomalyClass.BAL}, "does not go with"),
        ({"anomaly_class": AnomalyClass.ARTEFACT}, "does not go with"),
        ({"seconds_spent": -1.0}, "time spent"),
        ({"seconds_spent": float("nan")}, "time spent"),
        ({"action": ReviewAction.RETRACTION, "verdict": None}, "retraction"),
        ({"action": ReviewAction.ADJUDICATION, "verdict": None}, "needs a verdict"),
        ({"reviewed_at": datetime(2026, 1, 1)}, "no zone"),
        ({"review_id": "short"}, "32 characters"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(values: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError, match=fault) as caught:
        make_review(**values)
    assert "\n" not in str(caught.value)


def test_values_are_brought_to_one_form() -> None:
    review = make_review(
        comment=HOSTILE,
        issues="SR",
        seconds_spent=1e9,
        reviewed_at=MOMENT.astimezone(timezone(timedelta(hours=5))),
    )
    assert review.issues == "RS"
    assert review.seconds_spent == 3600
    assert review.reviewed_at.utcoffset() == timedelta(0)
    assert review.comment.startswith('=1+1, "quote"; \'--')


@given(st.text(st.characters(), max_size=80))
def test_flat_text_is_one_storable_line(text: str) -> None:
    flat = flatten(text)
    assert flat == flatten(flat)
    assert len(flat.splitlines()) <= 1
    assert "\x00" not in flat
    flat.encode()


def test_the_last_word_that_is_not_retracted_counts() -> None:
    first = make_review(number=1)
    changed = make_review(number=2, verdict=Verdict.ORDINARY, supersedes=first.review_id)
    other = make_review(1, number=3)
    again = make_review(1, number=4, verdict=Verdict.UNSURE)
    colleague = make_review(number=5, reviewer="XYZ")
    decided = make_review(number=6, action=ReviewAction.ADJUDICATION)
    events = [first, changed, other, again, colleague, decided]
    assert select_in_force(events) == [changed, again, colleague, decided]
    undone = replace(changed.retract(), number=7)
    assert select_in_force([*events, undone]) == [again, colleague, decided]


def test_a_retraction_of_the_second_look_brings_back_the_first() -> None:
    first, second = make_review(number=1), make_review(number=2, verdict=Verdict.ORDINARY)
    undone = replace(second.retract(), number=3)
    assert select_in_force([first, second, undone]) == [first]


@given(st.floats(0, 1e9))
def test_time_spent_is_that_told_or_an_hour(seconds: float) -> None:
    assert make_review(seconds_spent=seconds).seconds_spent == min(seconds, 3600)


def test_an_event_is_the_same_wherever_it_stands_in_a_ledger() -> None:
    review = make_review()
    assert replace(review, number=17) == review
    assert replace(review, review_id="f" * 32) != review


def test_the_order_in_force_is_that_of_the_ledger() -> None:
    reviews = [
        replace(make_review(row, name), number=number)
        for number, (row, name) in enumerate([(2, "B"), (0, "A"), (2, "A"), (1, "C")], 1)
    ]
    assert select_in_force(reviews) == reviews
    assert [r.number for r in select_in_force(reversed(reviews))] == [1, 2, 3, 4]
