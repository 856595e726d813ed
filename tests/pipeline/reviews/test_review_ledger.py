"""The review ledger on SQLite and on a real PostgreSQL: what is written stays as it was."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from example_reviews import HOSTILE, SAMPLE, TARGETIDS, make_review
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from catalog_schema.tables import REVIEWS
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import AnomalyClass, Verdict
from pipeline.errors import UserError
from pipeline.ledger.database import parse_url
from pipeline.reviews.review import Review
from pipeline.reviews.review_ledger import ReviewLedger, read_rows, tabulate

pytest_plugins = ["databases"]

FULL = make_review(
    quality=3,
    issues="RC",
    corrected_z=2.125,
    corrected_spectype="QSO",
    comment=HOSTILE,
    anomaly_class=AnomalyClass.FELOBAL,
    is_blinded=True,
    seconds_spent=12.5,
)


def open_reviews(url: str) -> ReviewLedger:
    return ReviewLedger(parse_url(url), 20.0)


def test_events_come_back_as_they_were_in_order(database_url: str) -> None:
    events = [FULL, make_review(1, verdict=None, quality=0), FULL.retract()]
    assert open_reviews(database_url).append(events) == 3
    back = open_reviews(database_url).load(SAMPLE)
    assert back == events
    assert [event.number for event in back] == [1, 2, 3]
    assert open_reviews(database_url).load("iron") == []


def test_a_repeated_append_does_no_harm(database_url: str) -> None:
    ledger = open_reviews(database_url)
    assert ledger.append([FULL, FULL]) == 1
    assert ledger.append([FULL]) == 0
    with pytest.raises(UserError, match="other content; reviews never change"):
        ledger.append([replace(FULL, comment="I never said that")])
    assert ledger.load(SAMPLE) == [FULL]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE review SET verdict = 'ordinary'",
        "DELETE FROM review",
        "DELETE FROM review WHERE number = 1",
    ],
)
def test_the_database_refuses_change_and_deletion(database_url: str, statement: str) -> None:
    open_reviews(database_url).append([FULL])
    refuse(database_url, statement)
    assert open_reviews(database_url).load(SAMPLE) == [FULL]


def test_postgresql_refuses_to_truncate(postgres_url: str) -> None:
    open_reviews(postgres_url).append([FULL])
    refuse(postgres_url, "TRUNCATE review")
    assert open_reviews(postgres_url).load(SAMPLE) == [FULL]


def test_sqlite_refuses_to_replace(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ReviewLedger(path).append([FULL])
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="append"):
        connection.execute(
            "INSERT OR REPLACE INTO review SELECT number, review_id, sample, action, supersedes, "
            "'somebody else', reviewed_at, release, survey, program, healpix, targetid, "
            "is_blinded, seconds_spent, verdict, anomaly_class, quality, issues, corrected_z, "
            "corrected_spectype, comment FROM review"
        )
    connection.close()
    assert ReviewLedger(path).load(SAMPLE) == [FULL]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"supersedes": "0" * 32}, "is not in the ledger"),
        ({"reviewer": "XYZ"}, "another reviewer or object"),
        ({"targetid": TARGETIDS[1]}, "another reviewer or object"),
    ],
)
def test_only_the_author_supersedes_an_event(
    database_url: str, change: dict[str, str], fault: str
) -> None:
    ledger = open_reviews(database_url)
    ledger.append([FULL])
    with pytest.raises(UserError, match=fault):
        ledger.append([make_review(1), replace(FULL.retract(), **change)])
    # All or none: the first of the two is not there either.
    assert ledger.load(SAMPLE) == [FULL]


def test_an_event_is_superseded_once(database_url: str) -> None:
    ledger = open_reviews(database_url)
    ledger.append([FULL, FULL.retract()])
    with pytest.raises(UserError, match="superseded already"):
        ledger.append([FULL.retract()])


def test_reviewers_who_write_at_once_lose_nothing(database_url: str) -> None:
    open_reviews(database_url).append([FULL])

    def judge(name: str) -> list[Review]:
        ledger = open_reviews(database_url)
        mine = [make_review(row % 3, name, comment=str(row)) for row in range(10)]
        with ledger.closing():
            for review in mine:
                ledger.append([review])
        return mine

    with ThreadPoolExecutor(4) as pool:
        written = [review for mine in pool.map(judge, "ABCD") for review in mine]
    back = open_reviews(database_url).load(SAMPLE)
    assert [event.number for event in back] == sorted(event.number for event in back)
    assert {event.review_id for event in back} == {r.review_id for r in [FULL, *written]}


def test_of_two_corrections_at_once_one_stands(database_url: str) -> None:
    open_reviews(database_url).append([FULL])

    def correct(verdict: Verdict) -> str:
        try:
            ledger = open_reviews(database_url)
            with ledger.closing():
                ledger.append([make_review(verdict=verdict, supersedes=FULL.review_id)])
        except UserError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(correct, [Verdict.ORDINARY, Verdict.UNSURE]))
    assert told[0] == ""
    assert "superseded already" in told[1]
    assert len(open_reviews(database_url).load(SAMPLE)) == 2


def test_rendered_rows_keep_the_schema_and_come_back(tmp_path: Path) -> None:
    ledger = ReviewLedger(tmp_path / "ledger.sqlite")
    ledger.append([FULL, make_review(1), FULL.retract()])
    events = ledger.load(SAMPLE)
    rows = tabulate(events)
    assert find_violations(rows, REVIEWS) == []
    assert rows["is_in_force"].to_pylist() == [False, True, False]
    assert read_rows(rows, SAMPLE) == events
    assert find_violations(tabulate([]), REVIEWS) == []


def refuse(url: str, statement: str) -> None:
    engine = create_engine(parse_url(url))
    with (
        pytest.raises(DBAPIError, match="reviews are append-only"),
        engine.begin() as connection,
    ):
        connection.execute(text(statement))
    engine.dispose()
