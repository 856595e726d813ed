"""The sums of a stage: each outcome counted once, under its state, in whatever order they came."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.vocabulary import ShardState
from pipeline.flow.report import Report, summarise
from pipeline.lake.layout import Shard
from pipeline.ledger.outcome import Outcome

counts = st.integers(0, 99)
outcomes = st.builds(
    Outcome,
    st.builds(Shard, st.sampled_from(["main", "sv3"]), st.just("dark"), st.integers(0, 300)),
    st.just("extract"),
    st.sampled_from(ShardState),
    counts,
    n_made=counts,
    dropped=st.dictionaries(st.sampled_from(["dead", "faint", "lost"]), counts),
    notes=st.lists(st.sampled_from(["one", "two"]), max_size=2).map(tuple),
    skipped=st.booleans(),
)
lists = st.lists(outcomes, unique_by=lambda outcome: outcome.shard, max_size=8)


@given(lists)
def test_every_outcome_is_counted_once_under_its_state(given_ones: list[Outcome]) -> None:
    report = summarise("coadds", given_ones)
    states = Counter(outcome.state for outcome in given_ones)
    skipped = [o for o in given_ones if o.state is ShardState.DONE and o.skipped]
    assert report.dataset == "coadds"
    assert report.skipped == len(skipped)
    assert report.made + report.skipped == states[ShardState.DONE]
    assert len(report.failed) == states[ShardState.FAILED]
    assert {o.state for o in report.failed} <= {ShardState.FAILED}
    assert report.n_expected == sum(outcome.n_expected for outcome in given_ones)
    dropped: Counter[str] = Counter()
    for outcome in given_ones:
        dropped.update(outcome.dropped)
    assert report.dropped == dropped


@given(lists)
def test_rows_and_notes_are_those_of_done_shards(given_ones: list[Outcome]) -> None:
    report = summarise("coadds", given_ones)
    done = [outcome for outcome in given_ones if outcome.state is ShardState.DONE]
    assert report.n_made == sum(outcome.n_made for outcome in done)
    assert Counter(report.notes) == Counter(f"{o.shard}: {note}" for o in done for note in o.notes)


@given(lists, st.randoms(use_true_random=False))
def test_the_order_in_which_shards_end_changes_nothing(given_ones: list[Outcome], random) -> None:
    shuffled = random.sample(given_ones, len(given_ones))
    report = summarise("coadds", shuffled)
    assert report == summarise("coadds", given_ones)
    shards = [outcome.shard for outcome in report.failed]
    assert shards == sorted(shards)


def test_shards_are_in_the_order_of_their_numbers_and_not_of_their_digits() -> None:
    outcome = Outcome(Shard("main", "dark", 100), "x", ShardState.DONE, 1, notes=("late",))
    early = replace(outcome, shard=Shard("main", "dark", 9), notes=("early",))
    notes = summarise("coadds", [outcome, early]).notes
    assert notes == ("main-dark-9: early", "main-dark-100: late")


def test_a_stage_without_shards_did_nothing() -> None:
    assert summarise("coadds", iter([])) == Report("coadds")
