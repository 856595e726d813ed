"""Filters and ranking as text that an address carries, and back; what is tampered is left out."""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, urlencode

import streamlit as st

from catalog_schema.desi import HEALPIX_ORDER
from portal.data.conditions import MAP_COLUMNS, Cells, Filters, Range
from portal.data.ranking import SMALLEST_FIRST, Ranking
from portal.views.offers import P_LEVELS, Offer

_MAX_CELLS = 12 * 4**HEALPIX_ORDER


def current_selection(offer: Offer) -> str:
    """Return filters and ranking of this page as text that a link to an object carries.

    One parameter of its own: those of widgets are dropped where the widgets are not drawn.
    """
    return urlencode([(key, word) for key in offer.keys for word in st.query_params.get_all(key)])


def split_selection(text: str, offer: Offer) -> dict[str, list[str]]:
    """Return the parameters that such text stands for."""
    return {key: words for key, words in parse_qs(text).items() if key in offer.keys}


def read_selection(text: str, offer: Offer) -> tuple[Filters, Ranking]:
    """Rebuild filters and ranking from such text; what is not understood is left out."""
    given = split_selection(text, offer)
    single = {key: values[0] for key, values in given.items()}
    match = (single.get("catalogue", ""), single.get("state", ""))
    filters = make_filters(
        offer,
        {key: tuple(given.get(key, ())) for key in offer.words},
        {key: _read_range(key, given.get(key, []), offer) for key in offer.sliders},
        p_text=single.get("p", ""),
        search=single.get("find", ""),
        match=match if all(match) else None,
        everything=_is_true(single.get("everything", "")),
        sky=single.get("sky", ""),
        part=single.get("map", ""),
    )
    return filters, rank(single.get("sort", ""), _is_true(single.get("reversed", "")), offer)


def rank(sort: str, is_reversed: bool, offer: Offer) -> Ranking:
    """Return a ranking by a column, by the usual one where the release cannot be sorted by it."""
    sort = sort if sort in offer.sortable else offer.sortable[0]
    return Ranking(sort, (sort not in SMALLEST_FIRST) != is_reversed)


def make_filters(
    offer: Offer,
    words: Mapping[str, tuple[str, ...]],
    ranges: Mapping[str, Range],
    *,
    p_text: str,
    search: str,
    match: tuple[str, str] | None,
    everything: bool,
    sky: str | None = None,
    part: str | None = None,
) -> Filters:
    """Return what was chosen as filters.

    Parameters
    ----------
    offer : Offer
    words, ranges : mapping
        Of its parameters.
    p_text : str
        One of `P_LEVELS`.
    search : str
        Of the search box.
    match : tuple of str, or None
        External catalogue and match state.
    everything : bool
        Whether artefacts and poor data are wanted too.
    sky, part : str or None
        Cells of the sky and part of the map of latents; by default those of this page's address.
    """
    limits = {
        offer.sliders[key].column: limits
        for key, limits in ranges.items()
        if limits != (None, None)
    }
    if p_text in P_LEVELS[1:] and "p_value" in offer.table.names:
        limits["p_value"] = (None, float(p_text))
    if offer.has_map:
        limits |= read_map(st.query_params.get("map", "") if part is None else part)
    return Filters(
        words=tuple((offer.words[key], chosen) for key, chosen in words.items() if chosen),
        ranges=tuple(limits.items()),
        search=search.strip(),
        match=match,
        cells=read_cells(st.query_params.get("sky", "") if sky is None else sky),
        clean=not everything,
    )


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


def _read_range(key: str, words: list[str], offer: Offer) -> Range:
    try:
        low, high = map(float, words)
    except ValueError:
        return None, None
    return offer.sliders[key].open_range(low, high)


def _is_true(text: str) -> bool:
    return text.lower() == "true"
