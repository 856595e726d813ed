"""Between widgets, filters and the address of the page.

Each widget is bound to a query parameter of its own name, so an address reproduces the page.
"""

from urllib.parse import parse_qs, urlencode

import streamlit as st

from catalog_schema.vocabulary import Arm, Described, Parent, Tier
from portal.columns import explain, label
from portal.conditions import Filters
from portal.queries import SORTABLE, Ranking
from portal.search import HINT

MAX_Z = 7.0
# The upper end of the slider means "no limit".
MAX_SNR = 30.0
P_LEVELS = ("any", "0.05", "0.01", "1e-3", "1e-4", "1e-5", "1e-6")
_WORDS: dict[str, type[Described]] = {"tier": Tier, "parent": Parent, "arm": Arm}
_KEYS = ("find", "tier", "z", "snr", "p", "parent", "arm", "sort", "ascending", "page")


def choose_filters() -> Filters:
    """Draw the filters in the sidebar and return what they say."""
    with st.sidebar:
        st.subheader("Filters")
        search = st.text_input(
            "Find an object", key="find", bind="query-params", help=f"Give {HINT}.",
            placeholder="TARGETID, name, or RA Dec [arcsec]",
        )  # fmt: skip
        tiers = _choose_words("tier", "tier")
        z = st.slider(
            "Z", 0.0, MAX_Z, (0.0, MAX_Z), 0.05, key="z", bind="query-params", help=explain("Z")
        )
        snr = st.slider(
            "snr", 0.0, MAX_SNR, (0.0, MAX_SNR), 0.5, key="snr", bind="query-params",
            help=f"{explain('snr')} The right end ({MAX_SNR:g}) sets no limit.",
        )  # fmt: skip
        p_text = st.selectbox(
            "p_value at most", P_LEVELS, key="p", bind="query-params", help=explain("p_value")
        )
        parents = _choose_words("parent", "parent")
        arms = _choose_words("arm", "worst_arm")
        st.button("Reset filters", on_click=_reset, width="stretch")
    return Filters(
        tiers, parents, arms, _open_range(*z, MAX_Z), _open_range(*snr, MAX_SNR),
        _read_p(p_text), search.strip(),
    )  # fmt: skip


def choose_ranking() -> Ranking:
    """Draw the choice of order and return it."""
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    sort = left.selectbox(
        "Sort by", SORTABLE, key="sort", bind="query-params", format_func=label,
        help="Sorts all rows that pass the filters, not only this page.",
    )  # fmt: skip
    ascending = right.toggle("Smallest first", key="ascending", bind="query-params")
    return Ranking(sort, not ascending)


def current_selection() -> str:
    """Return filters and ranking of this page as text that a link to an object carries.

    One parameter of its own: those of widgets are dropped where the widgets are not drawn.
    """
    return urlencode([(key, word) for key in _KEYS for word in st.query_params.get_all(key)])


def read_selection(text: str) -> tuple[Filters, Ranking]:
    """Rebuild filters and ranking from such text; what is not understood is left out."""
    words = split_selection(text)
    sort = words.get("sort", [""])[0]
    ascending = words.get("ascending", [""])[0].lower() == "true"
    filters = Filters(
        tiers=_known_words("tier", words),
        parents=_known_words("parent", words),
        arms=_known_words("arm", words),
        z=_read_range(words.get("z", []), MAX_Z),
        snr=_read_range(words.get("snr", []), MAX_SNR),
        max_p=_read_p(words.get("p", [""])[0]),
        search=words.get("find", [""])[0],
    )
    return filters, Ranking(sort if sort in SORTABLE else Ranking.sort, not ascending)


def split_selection(text: str) -> dict[str, list[str]]:
    """Return the parameters that such text stands for."""
    return {key: words for key, words in parse_qs(text).items() if key in _KEYS}


def _choose_words(key: str, column: str) -> tuple[str, ...]:
    chosen = st.pills(
        column, _WORDS[key].values(), selection_mode="multi", key=key, bind="query-params",
        help=f"{explain(column)}\n\nChoose none for all.",
    )  # fmt: skip
    return tuple(chosen)


def _reset() -> None:
    st.session_state.update(
        find="", tier=[], z=(0.0, MAX_Z), snr=(0.0, MAX_SNR), p="any", parent=[], arm=[], page=1
    )


def _known_words(key: str, words: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(word for word in words.get(key, []) if word in _WORDS[key].values())


def _read_range(words: list[str], top: float) -> tuple[float | None, float | None]:
    try:
        low, high = map(float, words)
    except ValueError:
        return None, None
    return _open_range(low, high, top)


def _open_range(low: float, high: float, top: float) -> tuple[float | None, float | None]:
    # Open ends also keep the rows whose value is null or beyond the slider.
    return (low if low > 0 else None), (high if high < top else None)


def _read_p(text: str) -> float | None:
    return float(text) if text in P_LEVELS[1:] else None
