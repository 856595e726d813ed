"""The page of visual inspection: one object at a time, one key per judgement."""

import time
from typing import Any

import pandas as pd
import streamlit as st

from catalog_schema.vocabulary import ReviewAction
from catalog_schema.waist import SHARD_KEY
from portal.data import catalogue, columns, objects, published_spectra, reviewing
from portal.data.conditions import Filters
from portal.data.releases import AbsentError, ReleaseError
from portal.data.reviewing import (
    QadError,
    Review,
    Reviewer,
    ReviewLedger,
)
from portal.data.search import SearchError
from portal.data.texts import write_message
from portal.service.reviewers import has_login, identify, is_logged_in
from portal.views.access import ask, current_release, current_table
from portal.views.addresses import read_selection
from portal.views.filters import current_offer
from portal.views.kinds import find_view
from portal.views.parts import tell
from portal.views.review_verdict import HIDDEN, ask_details, ask_verdict, show_last

SOURCES = {
    "ranked": "Active learning and audit",
    "filter": "A filter, in random order",
    "second": "Second opinions",
    "disputed": "Disputed objects",
}
MAX_FILTERED = 1000
# What gives nothing of the ranking away.
_PLAIN = ("Z", "ZWARN", "SPECTYPE", "snr", "TARGET_RA", "TARGET_DEC", "SURVEY", "PROGRAM")


def show() -> None:
    """Draw the page."""
    st.title("Review")
    reviewer = identify()
    try:
        place = reviewing.find_place(current_release().root)
        is_stored = place is not None and set(SHARD_KEY) <= set(current_table().names)
        if reviewer is None or place is None or not is_stored:
            _show_reader(reviewer, is_stored=is_stored)
            return
        ledger = _open_ledger(repr(place), place)
        _work(ledger, reviewer)
    except (QadError, SearchError) as fault:
        tell(fault)


def _show_reader(reviewer: Reviewer | None, is_stored: bool) -> None:
    """Show what is published, and say why nothing can be added."""
    if reviewer is not None and not is_stored:
        st.info(
            f"Read-only: there is no ledger for this release. Its objects need "
            f"{', '.join(SHARD_KEY)}, and it must lie in the `releases` folder of its data root, "
            "or `QAD_LEDGER_URL` be set."
        )
    elif is_logged_in():
        st.info("Read-only: your address is not in the list of reviewers of this portal.")
        st.button("Log out", on_click=st.logout)
    elif has_login():
        st.info("Read-only: reviewers log in first.")
        st.button("Log in", on_click=st.login)
    else:
        st.info(
            "Read-only: this portal has no login. On your own machine start it with "
            "`qad portal --local-reviewer NAME`."
        )
    _show_progress(reviewing.read_published(current_release()))


def _work(ledger: ReviewLedger, reviewer: Reviewer) -> None:
    reviews = reviewing.load_reviews(ledger, current_release())
    if fault := st.session_state.pop("review_fault", None):
        st.error(write_message(fault))
    source, is_blinded, is_shown = _choose_queue(reviewer)
    pending = _list_pending(source, reviews, reviewer, is_shown)
    skipped = st.session_state.setdefault("skipped", [])
    pending = [i for i in pending if i not in skipped] + [i for i in skipped if i in pending]
    st.caption(
        f"{reviewer.name}: {len(pending):,} left in this queue"
        + (f", {len(skipped)} put off" if skipped else "")
    )
    show_last(ledger, reviews, reviewer)
    if pending:
        row = ask(objects.find_object, pending[0])
        if row is None:
            raise ReleaseError(
                f"The queue names TARGETID {pending[0]}, which release "
                f"{current_release().version} lacks: run `qad rank` again."
            )
        action = ReviewAction.ADJUDICATION if source == "disputed" else ReviewAction.JUDGEMENT
        _show_facts(row, pending[0], is_blinded)
        # Above the spectrum, so that the keys work before it is drawn.
        ask_verdict(ledger, reviewer, row, pending[0], action)
        release = current_release()
        find_view(release.kind).draw_blinded(release, row)
        with st.expander("Details, to be given before the verdict"):
            ask_details(pending[0])
    else:
        st.success("Nothing is left to be judged here.")
    _show_progress(reviews)


def _choose_queue(reviewer: Reviewer) -> tuple[str, bool, bool]:
    """Return the source, whether the score is hidden, and whether a spectrum is needed."""
    sources = [name for name in SOURCES if name != "disputed" or reviewer.is_adjudicator]
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    # A link from a list brings its filters along.
    start = "filter" if st.query_params.get("among") else "ranked"
    source = left.selectbox(
        "Queue", sources, sources.index(start), format_func=SOURCES.__getitem__, key="queue"
    )
    is_blinded = middle.toggle(
        "Blinded",
        value=True,
        key="blinded",
        help="Score, tier, reason and class stay hidden until you have judged.",
    )
    is_shown = _list_spectra() is not None and right.toggle(
        "Published spectra only",
        value=True,
        key="with_spectrum",
        help="The release holds the spectra of graded objects and of a random sample of others.",
    )
    return str(source), bool(is_blinded), bool(is_shown)


def _list_spectra() -> set[int] | None:
    """Return the objects whose spectra are published, None of a release without spectra."""
    try:
        known: set[int] = ask(published_spectra.list_spectra)
    except AbsentError:
        return None
    return known


def _list_pending(
    source: str, reviews: list[Review], reviewer: Reviewer, is_shown: bool
) -> list[int]:
    if source == "disputed":
        return reviewing.find_disputed(reviews)
    if source == "second":
        targetids = reviewing.find_second_opinions(reviews)
    elif source == "filter":
        targetids = ask(catalogue.list_shuffled, _choose_filter(), MAX_FILTERED)
    else:
        targetids = reviewing.read_queue(current_release())
    if is_shown:
        known = _list_spectra() or ()
        targetids = [targetid for targetid in targetids if targetid in known]
    return reviewing.leave_reviewed(targetids, reviews, reviewer)


def _choose_filter() -> Filters:
    if among := st.query_params.get("among", ""):
        st.caption("The filters of the list that you came from.")
        return read_selection(among, current_offer())[0]
    text = st.text_input("Filter", key="review_filter", help="As in the search box of the list.")
    return Filters(search=text.strip())


def _show_facts(row: dict[str, Any], targetid: int, is_blinded: bool) -> None:
    clock = st.session_state.setdefault("first_seen", {})
    clock.setdefault(targetid, time.monotonic())
    if not is_blinded:
        st.session_state.setdefault("unblinded", set()).add(targetid)
    table = current_table()
    names = _PLAIN if is_blinded else (*_PLAIN, *HIDDEN)
    st.subheader(f"TARGETID {targetid}")
    facts = {
        columns.label(table[name]): columns.write_value(name, row.get(name))
        for name in names
        if name in table.names
    }
    st.dataframe(pd.DataFrame([facts]), hide_index=True, alt="What is known of the object")


def _show_progress(reviews: list[Review]) -> None:
    st.subheader("Progress")
    progress = reviewing.measure_progress(reviews)
    slots = st.columns(3)
    slots[0].metric("objects reviewed", f"{progress.n_objects:,}", border=True)
    slots[1].metric("disputed", f"{progress.n_disputed:,}", border=True)
    kappa = progress.agreement.fleiss_kappa
    slots[2].metric(
        "agreement (Fleiss' κ)",
        f"{kappa:.2f}" if pd.notna(kappa) else "–",
        border=True,
        help=f"Of {progress.agreement.n_objects:,} objects that two or more have judged: 1 is full "
        "agreement, 0 what chance gives.",
    )
    if progress.by_reviewer:
        counts = pd.DataFrame(progress.by_reviewer.items(), columns=["Reviewer", "Objects judged"])
        st.dataframe(counts, hide_index=True, alt="Objects judged by each reviewer")
    if pairs := progress.agreement.pairs:
        kappas = [
            (" and ".join(p.reviewers), p.n_objects, p.kappa if pd.notna(p.kappa) else None)
            for p in pairs
        ]
        names = ["Reviewers", "Objects of both", "Cohen's κ"]
        st.dataframe(
            pd.DataFrame(kappas, columns=names), hide_index=True, alt="Agreement of each pair"
        )


@st.cache_resource(max_entries=8, show_spinner=False)
def _open_ledger(name: str, _place: Any) -> ReviewLedger:
    return ReviewLedger(_place)


if __name__ == "__main__":
    show()
