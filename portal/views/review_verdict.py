"""A verdict on one object: its keys and details, and the last one taken back."""

import time
from functools import partial
from typing import Any

import streamlit as st

from catalog_schema.tables import REVIEWS
from catalog_schema.vocabulary import AnomalyClass, ReviewAction, Verdict
from portal.data import columns, objects, reviewing
from portal.data.reviewing import (
    ISSUES,
    MAX_COMMENT,
    SPECTYPES,
    QadError,
    Review,
    Reviewer,
    ReviewLedger,
)
from portal.data.texts import escape
from portal.views.access import ask, current_release, link_params

KEYS = {
    Verdict.ANOMALOUS: "a",
    Verdict.ORDINARY: "o",
    Verdict.ARTEFACT: "x",
    Verdict.UNSURE: "u",
}
SKIP_KEY, UNDO_KEY = "s", "z"
HIDDEN = ("tier", "finding", "anomaly_score", "reason", "anomaly_class", "artefact_probability")
_CLASSES = [w for w in AnomalyClass if w not in (AnomalyClass.NORMAL, AnomalyClass.ARTEFACT)]
_DETAILS = ("class", "quality", "issues", "z", "spectype", "comment")


def ask_verdict(
    ledger: ReviewLedger,
    reviewer: Reviewer,
    row: dict[str, Any],
    targetid: int,
    action: ReviewAction,
) -> None:
    """Draw the keys of the verdicts."""
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


def ask_details(targetid: int) -> None:
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
        help=columns.explain(REVIEWS["review_quality"]),
    )
    middle.pills(
        "Issues",
        tuple(ISSUES),
        selection_mode="multi",
        key=f"issues-{targetid}",
        help=columns.explain(REVIEWS["review_issues"]),
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


def show_last(ledger: ReviewLedger, reviews: list[Review], reviewer: Reviewer) -> None:
    """Reveal what was hidden of the object just judged, and offer to take the judgement back."""
    last = reviewing.find_last(reviews, reviewer)
    if last is None:
        return
    row = ask(objects.find_object, last.targetid) or {}
    facts = [f"{name} {escape(columns.write_value(name, row.get(name)))}" for name in HIDDEN if row]
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
