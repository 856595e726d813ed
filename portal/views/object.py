"""The page of one object: facts, scores in plain words, what its kind shows, ways out, citation."""

from functools import partial

import pandas as pd
import streamlit as st

from catalog_schema.tables import QUASARS
from portal.data import columns, explain, objects, ranking
from portal.data.own_columns import list_own
from portal.data.search import SearchError, parse_targetid
from portal.data.texts import escape
from portal.service import network
from portal.views.access import ask, current_release, current_table, link_params
from portal.views.addresses import read_selection, split_selection
from portal.views.filters import current_offer
from portal.views.kinds import find_view
from portal.views.object_tables import show_beside
from portal.views.object_view import ObjectView, Row
from portal.views.parts import link_object, tell, tell_fault, write_tier


def show() -> None:
    """Draw the page."""
    text = st.query_params.get("targetid", "").strip()
    if not text:
        _ask_for_target()
        return
    try:
        targetid = parse_targetid(text).targetid
    except SearchError as fault:
        tell(fault)
        return
    # A link from this page to itself changes the object but not the browser's address.
    st.query_params["targetid"] = str(targetid)
    row = ask(objects.find_object, targetid)
    if row is None:
        st.error(
            f"TARGETID {targetid} is not in release {current_release().version}: it was not "
            "scored. The page “Statistics” says which rows were dropped and why."
        )
        return
    release = current_release()
    view = find_view(release.kind)
    _show_place(targetid)
    _show_header(row, view)
    tell_fault(partial(view.draw, release, row))
    tell_fault(partial(show_beside, targetid))
    _show_ways_out(row)


def _ask_for_target() -> None:
    st.title("Object")
    text = st.text_input("TARGETID", placeholder="39627…")
    if text:
        link_object(text)
    st.page_link(
        "views/explore.py", label="Choose one in the catalogue", query_params=link_params()
    )


def _show_place(targetid: int) -> None:
    """Draw the ways along the ranking that the address carries."""
    among, offer = st.query_params.get("among", ""), current_offer()
    try:
        place = ask(ranking.find_place, *read_selection(among, offer), targetid)
    except (SearchError, ValueError):
        place = None
    back, before, where, after = st.columns([2, 2, 3, 2], vertical_alignment="center")
    back.page_link(
        "views/explore.py",
        label="↑ Back to the list",
        query_params=link_params(**split_selection(among, offer)),
    )
    if place is None:
        where.markdown("Not among the objects that the filters leave.")
        return
    where.markdown(f"Number **{place.rank:,}** of {place.total:,} in this ranking")
    for slot, label, key, neighbour in (
        (before, "← Previous", "p", place.previous),
        (after, "Next →", "n", place.following),
    ):
        # A callback: the page is drawn once, already for the neighbour.
        slot.button(
            label,
            shortcut=key,
            disabled=neighbour is None,
            width="stretch",
            on_click=_go_to,
            args=(neighbour,),
        )


def _go_to(targetid: str) -> None:
    st.query_params["targetid"] = targetid


def _show_header(row: Row, view: ObjectView) -> None:
    st.title(escape(str(row.get("DESINAME") or f"TARGETID {row['TARGETID']}")))
    table = current_table()
    tier = f" {write_tier(str(row['tier']))}" if row.get("tier") else ""
    st.html(f"TARGETID {row['TARGETID']}{tier}")
    left, right = st.columns([3, 4], gap="large")
    with left:
        st.subheader("Facts")
        own = (column.name for column in list_own(table, QUASARS))
        facts = [
            (columns.label(table[name]), escape(columns.write_value(name, row.get(name))))
            for name in (*view.facts, *own)
            if name in table.names
        ]
        st.table(pd.DataFrame(facts, columns=["Quantity", "Value"]).set_index("Quantity"))
    with right:
        st.subheader("What the score says")
        release = current_release()
        st.markdown(explain.explain_score(row, release.levels, release.smallest_counted))
        _show_columns(row)


@st.fragment
def _show_columns(row: Row) -> None:
    with st.expander("All columns of this object", on_change="rerun") as part:
        if part.open:
            st.dataframe(_describe_row(row), hide_index=True, alt="All columns of this object")


def _describe_row(row: Row) -> pd.DataFrame:
    table = current_table()
    return pd.DataFrame(
        [
            (
                columns.label(table[name]),
                columns.write_value(name, value),
                table[name].description,
            )
            for name, value in row.items()
            if name in table.names
        ],
        columns=["Column", "Value", "Meaning"],
    )


def _show_ways_out(row: Row) -> None:
    release = current_release()
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Elsewhere")
        _show_links(row)
    with right:
        st.subheader("Cite")
        st.markdown(escape(explain.cite_object(row, release.title, release.version)))
        _show_bibtex(row)


# Only when it is asked for: what colours code is a megabyte of script, read for the first time.
@st.fragment
def _show_bibtex(row: Row) -> None:
    release = current_release()
    year = release.date[:4]
    with st.expander("BibTeX", on_change="rerun") as part:
        if part.open:
            entry = explain.write_bibtex(row, release.title, release.version, year)
            st.code(entry, "bibtex", wrap_lines=True)


def _show_links(row: Row) -> None:
    release = current_release()
    links = [] if release.is_mock else explain.list_links(row)
    if not links:
        st.markdown("The object has no position on the real sky.")
        return
    st.markdown("\n".join(f"- [{link.title}]({link.address})" for link in links))
    if address := explain.locate_coadd(row, release.facts.get("Reduction (specprod)", "iron")):
        st.markdown(f"- In DESI's archive: [coadd file]({address})")
    if network.is_on():
        st.image(network.locate_cutout(row), caption="Legacy Surveys DR10", width=256)
        st.iframe(network.locate_aladin(row), height=360, alt="Aladin Lite, centred on the object")
    else:
        st.caption(
            "Absent: the Legacy Surveys' image and Aladin Lite, for this portal runs without "
            "network (`qad portal --network`)."
        )


if __name__ == "__main__":
    show()
