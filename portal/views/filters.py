"""Between widgets, filters and the address of the page.

Each widget is bound to a query parameter of its own name, so an address reproduces the page.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode

import streamlit as st

from catalog_schema.desi import HEALPIX_ORDER
from catalog_schema.tables import QUASARS
from catalog_schema.vocabulary import MatchState
from portal.data.catalogue import LISTED
from portal.data.columns import explain, label, word_meanings
from portal.data.conditions import HIDDEN, MAP_COLUMNS, Cells, Filters, Range
from portal.data.ranking import SMALLEST_FIRST, SORTABLE, Ranking
from portal.data.search import HINT
from portal.data.texts import escape

P_LEVELS = ("any", "0.05", "0.01", "1e-3", "1e-4", "1e-5", "1e-6")


class Slider(NamedTuple):
    """A range that can be chosen; at its ends it sets no limit."""

    column: str
    low: float
    high: float
    step: float


# Query parameter: column of words, or slider.
WORDS = {
    "tier": "tier",
    "class": "anomaly_class",
    "reason": "reason",
    "arm": "worst_arm",
    "parent": "parent",
    "review": "review_status",
    "survey": "SURVEY",
    "program": "PROGRAM",
}
SLIDERS = {
    "z": Slider("Z", 0.0, 7.0, 0.05),
    "snr": Slider("snr", 0.0, 30.0, 0.5),
    "artefact": Slider("artefact_probability", 0.0, 1.0, 0.01),
    "ra": Slider("TARGET_RA", 0.0, 360.0, 1.0),
    "dec": Slider("TARGET_DEC", -90.0, 90.0, 1.0),
}
MAX_Z = SLIDERS["z"].high
_ALWAYS_SHOWN = ("tier", "z", "snr")
_KEYS = (
    "find",
    *WORDS,
    *SLIDERS,
    "p",
    "catalogue",
    "state",
    "sky",
    "map",
    "everything",
    "sort",
    "reversed",
    "page",
    "columns",
)
_MAX_CELLS = 12 * 4**HEALPIX_ORDER


def choose_filters(words: Mapping[str, list[str]], catalogues: list[str]) -> Filters:
    """Draw the filters in the sidebar and return what they say.

    Parameters
    ----------
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
        chosen_words = {"tier": _choose_words("tier", words)}
        ranges = {key: _choose_range(key) for key in ("z", "snr")}
        p_text = st.selectbox(
            "p_value at most", P_LEVELS, key="p", bind="query-params", help=explain("p_value")
        )
        with st.expander("More filters"):
            chosen_words |= {
                key: _choose_words(key, words) for key in WORDS if key not in _ALWAYS_SHOWN
            }
            ranges |= {key: _choose_range(key) for key in SLIDERS if key not in _ALWAYS_SHOWN}
            match = _choose_match(catalogues)
        st.button("Reset filters", on_click=_reset, width="stretch")
    return _make_filters(chosen_words, ranges, p_text, search, match, everything)


def choose_ranking() -> Ranking:
    """Draw the choice of order and return it."""
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    sort = left.selectbox(
        "Sort by",
        SORTABLE,
        key="sort",
        bind="query-params",
        format_func=label,
        help="Sorts all rows that pass the filters, not only this page.",
    )
    is_reversed = right.toggle(
        "Reversed",
        key="reversed",
        bind="query-params",
        help="p- and q-values begin with the smallest, everything else with the largest.",
    )
    return _rank(sort, is_reversed)


def choose_columns() -> tuple[str, ...]:
    """Draw the chooser of columns and return those that are to be listed."""
    offered = [column.name for column in QUASARS.columns if not column.array]
    with st.popover("Columns"):
        chosen = st.multiselect(
            "Columns of the table",
            offered,
            default=list(LISTED),
            key="columns",
            bind="query-params",
            format_func=label,
            help="TARGETID and the tier always come first.",
        )
        for name in chosen:
            st.caption(f"**{label(name)}**: {explain(name).splitlines()[0]}")
    return tuple(dict.fromkeys(("TARGETID", "tier", *chosen)))


def current_selection() -> str:
    """Return filters and ranking of this page as text that a link to an object carries.

    One parameter of its own: those of widgets are dropped where the widgets are not drawn.
    """
    return urlencode([(key, word) for key in _KEYS for word in st.query_params.get_all(key)])


def read_selection(text: str) -> tuple[Filters, Ranking]:
    """Rebuild filters and ranking from such text; what is not understood is left out."""
    given = split_selection(text)
    single = {key: values[0] for key, values in given.items()}
    sort = single.get("sort", "")
    match = (single.get("catalogue", ""), single.get("state", ""))
    filters = _make_filters(
        {key: tuple(given.get(key, ())) for key in WORDS},
        {key: _read_range(key, given.get(key, [])) for key in SLIDERS},
        single.get("p", ""),
        single.get("find", ""),
        match if all(match) else None,
        _is_true(single.get("everything", "")),
        single.get("sky", ""),
        single.get("map", ""),
    )
    is_reversed = _is_true(single.get("reversed", ""))
    return filters, _rank(sort if sort in SORTABLE else Ranking.sort, is_reversed)


def _rank(sort: str, is_reversed: bool) -> Ranking:
    return Ranking(sort, (sort not in SMALLEST_FIRST) != is_reversed)


def split_selection(text: str) -> dict[str, list[str]]:
    """Return the parameters that such text stands for."""
    return {key: words for key, words in parse_qs(text).items() if key in _KEYS}


def write_cells(cells: Cells) -> str:
    """Write cells as an address carries them: ``order:first-last.one.…``; none as no text."""
    if not cells.pixels:
        return ""
    runs: list[list[int]] = []
    for pixel in sorted(cells.pixels):
        if runs and pixel == runs[-1][1] + 1:
            runs[-1][1] = pixel
        else:
            runs.append([pixel, pixel])
    return f"{cells.order}:" + ".".join(
        str(first) if first == last else f"{first}-{last}" for first, last in runs
    )


def read_cells(text: str) -> Cells | None:
    """Read cells from an address; None where the text is not of that form."""
    try:
        order_text, _, runs = text.partition(":")
        order = int(order_text)
        pairs = [run.split("-") for run in runs.split(".")]
        spans = [(int(pair[0]), int(pair[-1])) for pair in pairs]
    except ValueError:
        return None
    top = 12 * 4**order if 0 <= order <= HEALPIX_ORDER else 0
    if not all(0 <= first <= last < top for first, last in spans):
        return None
    pixels = [pixel for first, last in spans for pixel in range(first, last + 1)]
    return Cells(order, tuple(dict.fromkeys(pixels))) if len(pixels) <= _MAX_CELLS else None


def write_map(box: Iterable[float]) -> str:
    """Write a part of the map of latents (x and y, low and high) as an address carries it."""
    return ",".join(f"{value:.4g}" for value in box)


def read_map(text: str) -> dict[str, Range]:
    """Read a part of the map from an address; empty where the text is not of that form."""
    try:
        x_low, x_high, y_low, y_high = map(float, text.split(","))
    except ValueError:
        return {}
    return dict(zip(MAP_COLUMNS, ((x_low, x_high), (y_low, y_high)), strict=True))


def keep(key: str, text: str) -> None:
    """Put what no widget holds into the address, or take it out where the text is empty."""
    if text:
        st.query_params[key] = text
    else:
        st.query_params.pop(key, None)


def _choose_words(key: str, words: Mapping[str, list[str]]) -> tuple[str, ...]:
    column = WORDS[key]
    offered = words.get(column, [])
    if not offered:
        st.caption(f"{column}: this release has none.")
        return ()
    widget: Callable[..., list[str]] = st.multiselect
    arguments = {}
    if len(offered) <= 4:
        widget, arguments = st.pills, {"selection_mode": "multi", "format_func": escape}
    meanings = word_meanings(QUASARS[column])
    chosen = widget(
        column,
        offered,
        key=key,
        bind="query-params",
        help=f"{explain(column) if meanings else QUASARS[column].description}\n\nChoose none for "
        "all.",
        **arguments,
    )
    return tuple(chosen)


def _choose_range(key: str) -> Range:
    slider = SLIDERS[key]
    chosen = st.slider(
        label(slider.column),
        slider.low,
        slider.high,
        (slider.low, slider.high),
        slider.step,
        key=key,
        bind="query-params",
        help=f"{explain(slider.column)} An end sets no limit.",
    )
    return _open_range(slider, *chosen)


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


def _make_filters(
    words: Mapping[str, tuple[str, ...]],
    ranges: Mapping[str, Range],
    p_text: str,
    search: str,
    match: tuple[str, str] | None,
    everything: bool,
    sky: str | None = None,
    part: str | None = None,
) -> Filters:
    limits = {
        SLIDERS[key].column: limits for key, limits in ranges.items() if limits != (None, None)
    }
    if p_text in P_LEVELS[1:]:
        limits["p_value"] = (None, float(p_text))
    limits |= read_map(st.query_params.get("map", "") if part is None else part)
    return Filters(
        words=tuple((WORDS[key], chosen) for key, chosen in words.items() if chosen),
        ranges=tuple(limits.items()),
        search=search.strip(),
        match=match,
        cells=read_cells(st.query_params.get("sky", "") if sky is None else sky),
        clean=not everything,
    )


def _reset() -> None:
    st.session_state.update(
        {key: [] for key in WORDS}
        | {key: (slider.low, slider.high) for key, slider in SLIDERS.items()}
        | {"find": "", "p": "any", "page": 1, "catalogue": "any", "everything": False}
    )
    keep("sky", "")
    keep("map", "")


def _read_range(key: str, words: list[str]) -> Range:
    try:
        low, high = map(float, words)
    except ValueError:
        return None, None
    return _open_range(SLIDERS[key], low, high)


def _open_range(slider: Slider, low: float, high: float) -> Range:
    # Open ends also keep the rows whose value is null or beyond the slider.
    return (low if low > slider.low else None), (high if high < slider.high else None)


def _is_true(text: str) -> bool:
    return text.lower() == "true"
