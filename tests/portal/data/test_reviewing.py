"""Reviews as pages need them: what is left, what is disputed, what the release itself carries."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_release import VERSION
from sqlalchemy import URL

from catalog_schema.column import arrow_schema
from catalog_schema.tables import QUEUE, REVIEWS
from catalog_schema.vocabulary import ReviewAction, Verdict
from pipeline.reviews.review import Review, select_in_force
from portal.data.releases import Release, ReleaseError
from portal.data.reviewing import (
    Reviewer,
    find_disputed,
    find_last,
    find_place,
    find_second_opinions,
    leave_reviewed,
    measure_progress,
    name_sample,
    read_published,
    read_queue,
)

NAMES = ("A", "B", "C")
EVENTS = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from(NAMES), st.sampled_from(list(Verdict))),
    max_size=12,
    unique_by=lambda event: event[:2],
)


def review(targetid: int, name: str, verdict: Verdict) -> Review:
    return Review("iron", VERSION, "main", "dark", 1, targetid, name, verdict=verdict)


def make(events: list[tuple[int, str, Verdict]]) -> list[Review]:
    return select_in_force([review(*event) for event in events])


@given(EVENTS)
def test_what_is_left_is_what_a_reviewer_has_not_judged(
    events: list[tuple[int, str, Verdict]],
) -> None:
    reviews = make(events)
    for name in NAMES:
        left = leave_reviewed([5, 4, 3, 2, 1], reviews, Reviewer(name, False))
        mine = {targetid for targetid, who, _ in events if who == name}
        assert left == [targetid for targetid in (5, 4, 3, 2, 1) if targetid not in mine]


@given(EVENTS)
def test_one_opinion_asks_for_a_second_and_two_may_differ(
    events: list[tuple[int, str, Verdict]],
) -> None:
    reviews = make(events)
    names = {i: [who for targetid, who, _ in events if targetid == i] for i in range(1, 6)}
    words = {i: {word for targetid, _, word in events if targetid == i} for i in range(1, 6)}
    assert sorted(find_second_opinions(reviews)) == [i for i in names if len(names[i]) == 1]
    disputed = find_disputed(reviews)
    assert len(set(disputed)) == len(disputed)
    for targetid in disputed:
        assert len(names[targetid]) > 1
        assert len(words[targetid]) > 1
    for targetid, said in words.items():
        # Of three the greater number wins.
        if len(names[targetid]) == 2 and {Verdict.ANOMALOUS, Verdict.ORDINARY} == said:
            assert targetid in disputed


@given(EVENTS)
def test_progress_counts_each_object_and_each_event_once(
    events: list[tuple[int, str, Verdict]],
) -> None:
    reviews = make(events)
    progress = measure_progress(reviews)
    assert progress.n_objects == len({targetid for targetid, _, _ in events})
    assert sum(progress.by_reviewer.values()) == len(events)
    assert progress.n_disputed == len(find_disputed(reviews))


@given(EVENTS)
def test_an_undo_takes_back_the_last_of_ones_own(events: list[tuple[int, str, Verdict]]) -> None:
    reviews = make(events)
    for name in NAMES:
        mine = [targetid for targetid, who, _ in events if who == name]
        last = find_last(reviews, Reviewer(name, False))
        assert (last.targetid if last else None) == (mine[-1] if mine else None)


def test_what_is_taken_back_counts_no_more() -> None:
    first = review(1, "A", Verdict.ANOMALOUS)
    reviews = select_in_force([first, first.retract()])
    assert measure_progress(reviews).n_objects == 0
    assert leave_reviewed([1], reviews, Reviewer("A", False)) == [1]
    assert find_last(reviews, Reviewer("A", False)) is None


def test_an_adjudication_ends_a_dispute() -> None:
    events = [review(1, "A", Verdict.ANOMALOUS), review(1, "B", Verdict.ORDINARY)]
    assert find_disputed(events) == [1]
    ruling = Review(
        "iron", VERSION, "main", "dark", 1, 1, "C", ReviewAction.ADJUDICATION, Verdict.ORDINARY
    )
    assert find_disputed([*events, ruling]) == []


def release_at(root: Path, **source: str) -> Release:
    root.mkdir(parents=True, exist_ok=True)
    return Release(root, {"version": root.name, "source": source})


def test_the_ledger_lies_in_the_data_root_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QAD_LEDGER_URL", raising=False)
    assert find_place(tmp_path / "releases" / VERSION) == tmp_path / "ledger.sqlite"
    assert find_place(tmp_path / VERSION) is None
    monkeypatch.setenv("QAD_LEDGER_URL", f"sqlite:///{tmp_path}/other.sqlite")
    place = find_place(tmp_path / VERSION)
    assert isinstance(place, URL)
    assert place.database == f"{tmp_path}/other.sqlite"


def test_a_release_that_names_no_sample_has_no_reviews(tmp_path: Path) -> None:
    assert name_sample(release_at(tmp_path / VERSION, sample="iron")) == "iron"
    with pytest.raises(ReleaseError, match="before there were reviews"):
        name_sample(release_at(tmp_path / VERSION))


def write_queue(path: Path, targetids: list[int]) -> None:
    n = len(targetids)
    rows = {name: [None] * n for name in QUEUE.names}
    rows |= {"TARGETID": targetids, "queue_rank": list(range(n, 0, -1))}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), path)


def test_the_queue_is_in_the_order_of_its_ranks_and_the_newest_wins(tmp_path: Path) -> None:
    release = release_at(tmp_path / "releases" / VERSION)
    write_queue(release.root / "catalog/queue.parquet", [1, 2, 3])
    assert read_queue(release) == [3, 2, 1]
    write_queue(tmp_path / "queue" / f"{VERSION}.parquet", [9, 7])
    assert read_queue(release) == [7, 9]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 1000])
def test_what_is_no_table_of_reviews_or_queue_is_one_line(tmp_path: Path, content: bytes) -> None:
    release = release_at(tmp_path / "releases" / VERSION, sample="iron")
    (release.root / "catalog").mkdir()
    for name, read in (("queue", read_queue), ("reviews", read_published)):
        (release.root / f"catalog/{name}.parquet").write_bytes(content)
        with pytest.raises(ReleaseError, match=f"{name}.parquet") as fault:
            read(release)
        assert "\n" not in str(fault.value)


def test_a_table_of_other_columns_is_no_queue_and_no_reviews(tmp_path: Path) -> None:
    release = release_at(tmp_path / "releases" / VERSION, sample="iron")
    (release.root / "catalog").mkdir()
    for name, read in (("queue", read_queue), ("reviews", read_published)):
        pq.write_table(pa.table({"a": [1]}), release.root / f"catalog/{name}.parquet")
        with pytest.raises(ReleaseError, match=f"{name}.parquet"):
            read(release)


def test_a_release_without_an_event_has_none(tmp_path: Path) -> None:
    release = release_at(tmp_path / "releases" / VERSION, sample="iron")
    (release.root / "catalog").mkdir()
    path = release.root / "catalog/reviews.parquet"
    pq.write_table(arrow_schema(REVIEWS).empty_table(), path)
    assert read_published(release) == []
