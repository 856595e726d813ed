"""The widgets of filters, order and columns, each bound to the query parameter of its own name."""

from collections.abc import Callable, Mapping

import streamlit as st

from catalog_schema.vocabulary import MatchState
from portal.data.catalogue import list_listed
from portal.data.columns import explain, label, word_meanings
from portal.data.conditions import HIDDEN, Filters, Range
from portal.data.plots import measure_ranges
from portal.data.ranking import Ranking
from portal.data.search import HINT
from portal.data.texts import escape
from portal.views.access import ask, current_table
from portal.views.addresses import keep, make_filters, rank
from portal.views.offers import P_LEVELS, Offer, list_own_numbers, make_offer

_ALWAYS_SHOWN = ("tier", "finding", "z", "snr")


def current_offer() -> Offer:
    """Return what the chosen release can be filtered by."""
    table = current_table()
    return make_offer(table, ask(measure_ranges, list_own_numbers(table)))


def choose_filters(offer: Offer, words: Mapping[str, list[str]], catalogues: list[str]) -> Filters:
    """Draw the filters in the sidebar and return what they say.

    Parameters
    ----------
    offer : Offer
    words : mapping of str to list of str
        Column of words and those that occur in the release.
    catalogues : list of str
        External catalogues that were searched.
    """
    with st.sidebar:
        st.subheader("Filters")
        search = st.text_input(
            "Find an object",
            key="find",
            bind="query-params",
            help=f"Give {HINT}.",
            placeholder="TARGETID, name, position, z>2 …",
        )
        everything = st.toggle(
            "Artefacts and poor data too",
            key="everything",
            bind="query-params",
            help=f"Off: objects {', '.join(HIDDEN)} are left out. A high artefact_probability "
            "alone hides nothing: it says what caused the anomaly, if there is one.",
        )
        first = [key for key in (*offer.words, *offer.sliders) if key in _ALWAYS_SHOWN]
        rest = [key for key in (*offer.words, *offer.sliders) if key not in _ALWAYS_SHOWN]
        chosen_words, ranges = _choose(first, offer, words)
        p_text = _choose_p(offer)
        with st.expander("More filters"):
            more_words, more_ranges = _choose(rest, offer, words)
            match = _choose_match(catalogues)
        st.button("Reset filters", on_click=_reset, args=(offer,), width="stretch")
    return make_filters(
        offer,
        chosen_words | more_words,
        ranges | more_ranges,
        p_text=p_text,
        search=search,
        match=match,
        everything=everything,
    )


def choose_ranking(offer: Offer) -> Ranking:
    """Draw the choice of order and return it."""
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    sort = left.selectbox(
        "Sort by",
        offer.sortable,
        key="sort",
        bind="query-params",
        format_func=lambda name: label(offer.table[name]),
        help="Sorts all rows that pass the filters, not only this page.",
    )
    is_reversed = right.toggle(
        "Reversed",
        key="reversed",
        bind="query-params",
        help="p- and q-values begin with the smallest, everything else with the largest.",
    )
    return rank(sort, is_reversed, offer)


def choose_columns(offer: Offer) -> tuple[str, ...]:
    """Draw the chooser of columns and return those that are to be listed."""
    table = offer.table
    first = [name for name in ("TARGETID", "tier") if name in table.names]
    with st.popover("Columns"):
        chosen = st.multiselect(
            "Columns of the table",
            [column.name for column in table.scalars],
            default=list(list_listed(table)),
            key="columns",
            bind="query-params",
            format_func=lambda name: label(table[name]),
            help=f"{' and '.join(first)} always come first.",
        )
        for name in chosen:
            st.caption(f"**{label(table[name])}**: {escape(table[name].description)}")
    return tuple(dict.fromkeys((*first, *chosen)))


def _choose(
    keys: list[str], offer: Offer, words: Mapping[str, list[str]]
) -> tuple[dict[str, tuple[str, ...]], dict[str, Range]]:
    """Draw some of the filters and return what they say, of words and of ranges."""
    chosen = {key: _choose_words(key, offer, words) for key in keys if key in offer.words}
    return chosen, {key: _choose_range(key, offer) for key in keys if key in offer.sliders}


def _choose_words(key: str, offer: Offer, words: Mapping[str, list[str]]) -> tuple[str, ...]:
    column = offer.table[offer.words[key]]
    offered = words.get(column.name, [])
    if not offered:
        st.caption(f"{column.name}: this release has none.")
        return ()
    widget: Callable[..., list[str]] = st.multiselect
    arguments = {}
    if len(offered) <= 4:
        widget, arguments = st.pills, {"selection_mode": "multi", "format_func": escape}
    chosen = widget(
        column.name,
        offered,
        key=key,
        bind="query-params",
        help=f"{explain(column) if word_meanings(column) else column.description}\n\nChoose none "
        "for all.",
        **arguments,
    )
    return tuple(chosen)


def _choose_range(key: str, offer: Offer) -> Range:
    slider = offer.sliders[key]
    column = offer.table[slider.column]
    chosen = st.slider(
        label(column),
        slider.low,
        slider.high,
        (slider.low, slider.high),
        slider.step,
        key=key,
        bind="query-params",
        help=f"{explain(column)} An end sets no limit.",
    )
    return slider.open_range(*chosen)


def _choose_p(offer: Offer) -> str:
    if "p_value" not in offer.table.names:
        return P_LEVELS[0]
    text = explain(offer.table["p_value"])
    chosen = st.selectbox("p_value at most", P_LEVELS, key="p", bind="query-params", help=text)
    return str(chosen)


def _choose_match(catalogues: list[str]) -> tuple[str, str] | None:
    if not catalogues:
        st.caption("External catalogues: this release has searched none.")
        return None
    catalogue = st.selectbox(
        "In the catalogue",
        ["any", *catalogues],
        key="catalogue",
        bind="query-params",
        help="External catalogues that were searched.",
    )
    state = st.selectbox(
        "with the outcome",
        MatchState.values(),
        key="state",
        bind="query-params",
        help="\n".join(f"- **{state}**: {state.meaning}" for state in MatchState),
    )
    return None if catalogue == "any" else (str(catalogue), str(state))


def _reset(offer: Offer) -> None:
    st.session_state.update(
        {key: [] for key in offer.words}
        | {key: (slider.low, slider.high) for key, slider in offer.sliders.items()}
        | {"find": "", "p": "any", "page": 1, "catalogue": "any", "everything": False}
    )
    keep("sky", "")
    keep("map", "")
