"""The page that shows the whole catalogue: counts, sky, scores, redshifts and every row."""

from dataclasses import replace
from functools import partial
from math import ceil

import pandas as pd
import streamlit as st

from catalog_schema.vocabulary import Tier
from portal.data import catalogue, crossmatch
from portal.data.conditions import HIDDEN, Filters
from portal.data.releases import AbsentError, ReleaseError
from portal.data.search import Name, SearchError, describe_search, parse_search
from portal.data.texts import escape, write_message
from portal.export import formats
from portal.service import files, network
from portal.service.pool import WIDE
from portal.views import filters
from portal.views.access import ask, current_connection, current_release
from portal.views.addresses import current_selection
from portal.views.explore_plots import show_plots
from portal.views.offers import Offer
from portal.views.parts import offer_files, show_objects

PAGE_SIZES = (25, 50, 100, 250)


def show() -> None:
    """Draw the page."""
    st.title(f"Anomalous {current_release().list_name}")
    offer = filters.current_offer()
    words = ask(catalogue.list_words, tuple(offer.words.values()))
    chosen = filters.choose_filters(offer, words, _list_searched())
    try:
        search = parse_search(chosen.search, offer.table)
    except SearchError as fault:
        st.warning(escape(str(fault)))
        return
    # Its place is kept: what moves down a page is drawn afresh by the browser.
    said = st.empty()
    if search is not None:
        said.caption(escape(f"Searched: {describe_search(search)}."))
    kinds = ask(catalogue.count_kinds, chosen)
    if isinstance(search, Name) and kinds.empty and network.is_on():
        chosen = _resolve(chosen, search.text)
        kinds = ask(catalogue.count_kinds, chosen)
    is_shown = kinds["hidden"].isna() | (not chosen.clean)
    total = int(kinds["n"][is_shown].sum())
    _show_counts(kinds[is_shown].groupby("tier")["n"].sum(), total)
    _say_hidden(chosen, kinds[~is_shown])
    if total == 0:
        st.warning("No object passes the filters: widen them, or reset them in the sidebar.")
        return
    show_plots(offer, chosen, total)
    _show_table(offer, chosen, total)
    _offer_rows(chosen, total)


def _resolve(chosen: Filters, name: str) -> Filters:
    """Search around the place of a name that the catalogue does not have."""
    try:
        place = network.resolve_name(name)
    except network.ResolveError as fault:
        st.caption(escape(str(fault)))
        return chosen
    st.caption(escape(f"Sesame: {name} lies {describe_search(place)}."))
    return replace(chosen, search=f"{place.ra} {place.dec} {place.radius}")


def _list_searched() -> list[str]:
    try:
        return list(ask(crossmatch.list_searched))
    except AbsentError:
        return []
    except ReleaseError as fault:
        st.sidebar.caption(write_message(str(fault)))
        return []


def _show_counts(counts: pd.Series, total: int) -> None:
    levels = current_release().levels
    places = st.columns(len(Tier) + 1)
    places[0].metric(
        "objects",
        f"{total:,}",
        "pass the filters",
        delta_color="off",
        delta_arrow="off",
        border=True,
    )
    for place, tier in zip(places[1:], Tier, strict=True):
        level = f"FDR ≤ {levels[tier]:g}" if tier in levels else "not anomalous"
        place.metric(
            tier.value,
            f"{counts.get(tier, 0):,}",
            level,
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=tier.meaning,
        )


def _say_hidden(chosen: Filters, hidden: pd.DataFrame) -> None:
    if not chosen.clean:
        st.caption("Artefacts and poor data are shown too.")
        return
    if hidden.empty:
        st.caption("Artefacts and poor data are left out; none pass the other filters.")
        return
    counts = hidden.groupby("hidden")["n"].sum()
    parts = ", ".join(f"{counts[why]:,} {why}" for why in HIDDEN if why in counts)
    st.caption(
        f"Left out, {counts.sum():,} more objects that pass the filters: "
        f"{parts}. The sidebar brings them back."
    )


# Apart from the page: turning over the table draws no chart again.
@st.fragment
def _show_table(offer: Offer, chosen: Filters, total: int) -> None:
    st.subheader("Objects")
    left, middle, right = st.columns([4, 1, 1], vertical_alignment="bottom")
    with left:
        ranking = filters.choose_ranking(offer)
    with middle:
        names = filters.choose_columns(offer)
    size = right.selectbox("Rows on a page", PAGE_SIZES, index=1)
    n_pages = ceil(total / size)
    if st.session_state.get("page", 1) > n_pages:
        st.session_state["page"] = 1
    slot = st.container()
    page = st.pagination(n_pages, key="page", bind="query-params")
    rows = ask(catalogue.list_rows, chosen, ranking, page, size, names)
    with slot:
        show_objects(
            rows, "Catalogue rows that pass the filters", current_selection(offer), height=420
        )
    first = (page - 1) * size + 1
    st.caption(f"Rows {first:,} to {first + len(rows) - 1:,} of {total:,}.")


def _offer_rows(chosen: Filters, total: int) -> None:
    st.subheader("Download")
    if total > WIDE.rows:
        st.markdown(
            f"{total:,} rows pass the filters; up to {WIDE.rows:,} can be downloaded here. "
            "Narrow the filters, or take the whole file "
            f"`{current_release().catalogue}` of the release."
        )
        return
    offer_files(
        f"{total:,} rows",
        f"desi-qad-{current_release().version}-selection",
        partial(files.write_selection, current_connection(), current_release().root, chosen),
        formats.FORMATS,
        "Every column; units and descriptions in Parquet and VOTable.",
    )


if __name__ == "__main__":
    show()
