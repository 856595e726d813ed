"""The page of evidence: what is found and what is not, completeness, cross-matches, history."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from catalog_schema.statistics import STRANGE_P_VALUE
from catalog_schema.tables import CATALOGUES
from portal.data import catalogue, columns, completeness, crossmatch
from portal.data.releases import Release, ReleaseError, open_release
from portal.data.versions import list_siblings
from portal.drawing import evidence_charts
from portal.views.access import ask, ask_of, current_release
from portal.views.parts import show_chart, tell, tell_fault

SUMMARY = "validation/summary.json"
_FOUND = ("planted", "n", "found", "low", "high", "found_bright", "found_by_score", "in_tier")
_GRADED = ("n", "in_tier", "share_low", "share_low_jointly")
_COUNTS = {
    "stage": "Stage",
    "n_shards": "Shards",
    "n_failed": "Failed shards",
    "n_expected": "Rows given",
    "n_made": "Rows made",
    "n_dropped": "Dropped by gates",
    "n_open": "Shards not adding up",
}


def show() -> None:
    """Draw the page."""
    st.title("Statistics")
    for section in (_show_evidence, _show_completeness, _show_catalogues, _show_history):
        tell_fault(section)


def _show_evidence() -> None:
    st.header("What is found, and what is not")
    release = current_release()
    injections = pd.DataFrame(release.read_records(SUMMARY, "injections", "injection", _FOUND))
    if not injections.empty:
        st.markdown(
            "Features of known strength were planted in ordinary objects, scored and classified "
            "like the rest. A feature counts as found where its joint p-value is below "
            f"{STRANGE_P_VALUE}. The table says what the score alone finds, and what is in a tier."
        )
        # Two charts, one below the other on a phone: the parts of one keep their places.
        for slot, half in zip(
            st.columns(2), np.array_split(injections["injection"].unique(), 2), strict=True
        ):
            part = injections[injections["injection"].isin(half)]
            if not part.empty:
                with slot:
                    show_chart(evidence_charts.draw_found(part), "Share of planted features found")
        with st.expander("As a table"):
            st.dataframe(injections, hide_index=True, alt="Planted features found")
    controls = pd.DataFrame(release.read_records(SUMMARY, "controls", "control", _GRADED))
    if not controls.empty:
        st.subheader("Negative controls")
        st.markdown(
            "Graded as if they were none. An empty one, as the spectrum of a sky fibre, must not "
            "reach a tier; one that shows something else, as a star, should."
        )
        names = {
            "control": "Control",
            "n": "Number",
            "in_tier": "In a tier",
            "share_low": "Share with p < 0.01",
            "share_low_jointly": "Share with joint p < 0.01",
        }
        st.dataframe(controls.rename(columns=names), hide_index=True, alt="Negative controls")


def _show_completeness() -> None:
    st.header("Completeness")
    st.markdown(
        "Every row given to a stage is either made or dropped by a named gate; a release in which "
        "*rows given − rows made − rows dropped* is not 0 for every shard is not built."
    )
    stages = ask(completeness.sum_completeness)
    st.dataframe(
        stages.rename(columns=_COUNTS), hide_index=True, alt="Rows given, made and dropped by stage"
    )
    n_open = int(stages["n_open"].sum())
    if n_open:
        st.error(f"The law is broken in {n_open:,} shards: do not trust counts of this release.")
    else:
        st.success("The law holds for every shard and stage of this release.")
    gates = ask(completeness.sum_gates)
    names = {"stage": "Stage", "gate": "Gate", "n_dropped": "Rows dropped"}
    st.dataframe(gates.rename(columns=names), hide_index=True, alt="Rows dropped by gate")


def _show_catalogues() -> None:
    st.header("Cross-match")
    st.markdown(
        "How many objects are in each state of each external catalogue, and how many counterparts "
        "a shifted position would find by chance."
    )
    rows = ask(crossmatch.list_catalogues)
    settings = {
        name: st.column_config.Column(
            columns.label(CATALOGUES[name]), help=columns.explain(CATALOGUES[name])
        )
        for name in rows.columns
    }
    st.dataframe(rows, hide_index=True, column_config=settings, alt="External catalogues")


def _show_history() -> None:
    st.header("Releases")
    release = current_release()
    others = list(filter(None, map(_open_other, list_siblings(release.root))))
    table = [(other.version, other.date, *_count(other)) for other in others]
    st.dataframe(
        pd.DataFrame(table, columns=["Version", "Date", "Objects", "Graded"]),
        hide_index=True,
        alt="Releases published here",
    )
    older = [other for other in others if other.root != release.root]
    if older:
        _show_difference(release, {other.version: other.root for other in older})
    if (release.root / "CHANGELOG.md").is_file():
        with st.expander("Changelog", expanded=True):
            st.text(release.read("CHANGELOG.md"))


def _open_other(root: Path) -> Release | None:
    """Open a release beside this one; one that is damaged is told, and takes no other away."""
    try:
        return open_release(root)
    except ReleaseError as fault:
        tell(fault)
        return None


def _count(release: Release) -> tuple[int, int]:
    n_graded = sum(n for tier, n in release.tier_counts.items() if tier != "none")
    return release.n_objects, n_graded


def _show_difference(release: Release, roots: dict[str, Path]) -> None:
    st.subheader("Graded objects that differ")
    version = st.selectbox("from release", list(roots))
    mine, other = ask(catalogue.list_graded), ask_of(roots[version], catalogue.list_graded)
    both = other.merge(mine, on="TARGETID", how="outer", suffixes=("_then", "_now"))
    moved = both[both["tier_then"].fillna("none") != both["tier_now"].fillna("none")]
    if moved.empty:
        st.markdown(f"Nothing differs from release {version}: the same objects in the same tiers.")
        return
    st.dataframe(moved, hide_index=True, alt="Objects whose tier differs")
    st.caption(f"{len(moved):,} of {len(both):,} objects that are graded in either release.")


if __name__ == "__main__":
    show()
