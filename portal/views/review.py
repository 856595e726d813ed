"""The page of visual inspection: one object at a time, one key per judgement."""

import time
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from catalog_schema.vocabulary import AnomalyClass, ReviewAction, Verdict
from portal.data import catalogue, columns, objects, published_spectra, reviewing
from portal.data.conditions import Filters
from portal.data.lines import place_lines
from portal.data.releases import ReleaseError
from portal.data.reviewing import (
    ISSUES,
    MAX_COMMENT,
    SPECTYPES,
    QadError,
    Review,
    Reviewer,
    ReviewLedger,
)
from portal.data.search import SearchError
from portal.data.spectrum import list_masked, make_curves, name_arms
from portal.data.texts import escape, write_message
from portal.drawing.spectrum_chart import NO_NORMALS, NO_PEAKS, Beside, View, draw_spectrum
from portal.service.reviewers import has_login, identify, is_logged_in
from portal.views import filters
from portal.views.access import ask, current_release, link_params
from portal.views.parts import read_zoom, show_chart, tell

KEYS = {
    Verdict.ANOMALOUS: "a",
    Verdict.ORDINARY: "o",
    Verdict.ARTEFACT: "x",
    Verdict.UNSURE: "u",
}
SKIP_KEY, UNDO_KEY = "s", "z"
SOURCES = {
    "ranked": "Active learning and audit",
    "filter": "A filter, in random order",
    "second": "Second opinions",
    "disputed": "Disputed objects",
}
MAX_FILTERED = 1000
# What gives nothing of the ranking away.
_PLAIN = ("Z", "ZWARN", "SPECTYPE", "snr", "TARGET_RA", "TARGET_DEC", "SURVEY", "PROGRAM")
_HIDDEN = ("tier", "anomaly_score", "reason", "anomaly_class", "artefact_probability")
_SMOOTHING = 5
_CLASSES = [w for w in AnomalyClass if w not in (AnomalyClass.NORMAL, AnomalyClass.ARTEFACT)]
_DETAILS = ("class", "quality", "issues", "z", "spectype", "comment")


def show() -> None:
    """Draw the page."""
    st.title("Review")
    reviewer = identify()
    try:
        place = reviewing.find_place(current_release().root)
        if reviewer is None or place is None:
            _show_reader(reviewer, is_stored=place is not None)
            return
        ledger = _open_ledger(repr(place), place)
        _work(ledger, reviewer)
    except (QadError, SearchError) as fault:
        tell(fault)


def _show_reader(reviewer: Reviewer | None, is_stored: bool) -> None:
    """Show what is published, and say why nothing can be added."""
    if reviewer is not None and not is_stored:
        st.info(
            "Read-only: the release lies in no data root, so there is no ledger. Set "
            "`QAD_LEDGER_URL`, or serve the release from the `releases` folder of its data root."
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
    _show_last(ledger, reviews, reviewer)
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
        _ask_verdict(ledger, reviewer, row, pending[0], action)
        _show_spectrum(row, pending[0])
        with st.expander("Details, to be given before the verdict"):
            _ask_details(pending[0])
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
    is_shown = right.toggle(
        "Published spectra only",
        value=True,
        key="with_spectrum",
        help="The release holds the spectra of graded objects and of a random sample of others.",
    )
    return str(source), bool(is_blinded), bool(is_shown)


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
        known = ask(published_spectra.list_spectra)
        targetids = [targetid for targetid in targetids if targetid in known]
    return reviewing.leave_reviewed(targetids, reviews, reviewer)


def _choose_filter() -> Filters:
    if among := st.query_params.get("among", ""):
        st.caption("The filters of the list that you came from.")
        return filters.read_selection(among)[0]
    text = st.text_input("Filter", key="review_filter", help="As in the search box of the list.")
    return Filters(search=text.strip())


def _show_facts(row: dict[str, Any], targetid: int, is_blinded: bool) -> None:
    clock = st.session_state.setdefault("first_seen", {})
    clock.setdefault(targetid, time.monotonic())
    if not is_blinded:
        st.session_state.setdefault("unblinded", set()).add(targetid)
    names = _PLAIN if is_blinded else (*_PLAIN, *_HIDDEN)
    st.subheader(f"TARGETID {targetid}")
    facts = {columns.label(name): columns.write_value(name, row.get(name)) for name in names}
    st.dataframe(pd.DataFrame([facts]), hide_index=True, alt="What is known of the object")


# Apart from the page: to zoom in draws nothing else again.
@st.fragment
def _show_spectrum(row: dict[str, Any], targetid: int) -> None:
    try:
        spectrum = ask(published_spectra.find_spectrum, targetid)
    except ReleaseError as fault:
        tell(fault)
        return
    if spectrum is None:
        st.warning("No spectrum of this object is published; put it off, or look at DESI's own.")
        return
    z = float(row["Z"])
    lines = place_lines(z, spectrum.wave[0], spectrum.wave[-1], ("emission",))
    # No peaks: where the score looks is not for blinded eyes.
    beside = Beside(list_masked(spectrum), lines, NO_PEAKS, NO_NORMALS)
    key = f"spectrum-{targetid}"
    chart = draw_spectrum(
        make_curves(spectrum, _SMOOTHING), name_arms(spectrum), beside, View(window=read_zoom(key))
    )
    show_chart(chart, "Flux, reconstruction and residual of the spectrum", key, "rerun")


def _ask_verdict(
    ledger: ReviewLedger,
    reviewer: Reviewer,
    row: dict[str, Any],
    targetid: int,
    action: ReviewAction,
) -> None:
    slots = st.columns(len(KEYS) + 1)
    for slot, (verdict, key) in zip(slots, KEYS.items(), strict=False):
        slot.button(
            verdict.value.capitalize(),
            key=f"{verdict.value}-{targetid}",
            shortcut=key,
            help=verdict.meaning,
            width="stretch",
            on_click=partial(_judge, ledger, reviewer, row, targetid, action, verdict),
        )
    slots[-1].button(
        "Put off",
        key=f"put-off-{targetid}",
        shortcut=SKIP_KEY,
        width="stretch",
        on_click=partial(_put_off, targetid),
    )


def _ask_details(targetid: int) -> None:
    """Draw the widgets of what goes with a verdict; each object has its own."""
    left, middle, right = st.columns(3)
    left.selectbox(
        "Class, if anomalous",
        _CLASSES,
        None,
        key=f"class-{targetid}",
        format_func=lambda word: f"{word.value}: {word.meaning}",
    )
    left.segmented_control(
        "Quality",
        (4, 3, 2, 1, 0),
        key=f"quality-{targetid}",
        help=columns.explain("review_quality", columns.tables.REVIEWS),
    )
    middle.pills(
        "Issues",
        tuple(ISSUES),
        selection_mode="multi",
        key=f"issues-{targetid}",
        help=columns.explain("review_issues", columns.tables.REVIEWS),
    )
    middle.number_input("Corrected Z", 0.0, 10.0, None, format="%.4f", key=f"z-{targetid}")
    right.selectbox("Corrected type", SPECTYPES, None, key=f"spectype-{targetid}")
    right.text_input("Comment", max_chars=MAX_COMMENT, key=f"comment-{targetid}")


def _judge(
    ledger: ReviewLedger,
    reviewer: Reviewer,
    row: dict[str, Any],
    targetid: int,
    action: ReviewAction,
    verdict: Verdict,
) -> None:
    state, release = st.session_state, current_release()
    if targetid not in state["first_seen"]:
        # A key that was pressed before the next object's buttons were there: judged already.
        return
    told = {name: state.get(f"{name}-{targetid}") for name in _DETAILS}
    anomaly_class = told["class"] if verdict is Verdict.ANOMALOUS else None
    try:
        ledger.append(
            [
                Review(
                    reviewing.name_sample(release),
                    release.version,
                    row["SURVEY"],
                    row["PROGRAM"],
                    int(row["HEALPIX"]),
                    targetid,
                    reviewer.name,
                    action,
                    verdict,
                    anomaly_class,
                    quality=told["quality"],
                    issues="".join(told["issues"] or ()),
                    corrected_z=told["z"],
                    corrected_spectype=told["spectype"],
                    comment=told["comment"] or "",
                    is_blinded=targetid not in state.get("unblinded", ()),
                    seconds_spent=time.monotonic() - state["first_seen"].pop(targetid),
                )
            ]
        )
    except QadError as fault:
        state["review_fault"] = str(fault)


def _put_off(targetid: int) -> None:
    skipped = st.session_state.setdefault("skipped", [])
    st.session_state["skipped"] = [*(i for i in skipped if i != targetid), targetid]


def _show_last(ledger: ReviewLedger, reviews: list[Review], reviewer: Reviewer) -> None:
    """Reveal what was hidden of the object just judged, and offer to take the judgement back."""
    last = reviewing.find_last(reviews, reviewer)
    if last is None:
        return
    row = ask(objects.find_object, last.targetid) or {}
    facts = [
        f"{name} {escape(columns.write_value(name, row.get(name)))}" for name in _HIDDEN if row
    ]
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        verdict = last.verdict.value if last.verdict else "inspected"
        st.markdown(f"You called **{last.targetid}** {verdict}. {'; '.join(facts)}.")
        st.page_link(
            "views/object.py",
            label="Look at it again",
            query_params=link_params(targetid=str(last.targetid)),
        )
    right.button(
        "Undo",
        shortcut=UNDO_KEY,
        width="stretch",
        on_click=partial(_undo, ledger, last),
        help="Adds an event that takes the judgement back; nothing is deleted.",
    )


def _undo(ledger: ReviewLedger, last: Review) -> None:
    try:
        ledger.append([last.retract()])
    except QadError as fault:
        st.session_state["review_fault"] = str(fault)


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
