"""The page that shows the whole catalogue: counts, sky, scores, redshifts and every row."""

from dataclasses import replace
from functools import partial
from math import ceil

import pandas as pd
import streamlit as st

from catalog_schema.vocabulary import Tier
from portal.data import catalogue, crossmatch, plots
from portal.data.conditions import HIDDEN, MAP_COLUMNS, Cells, Filters
from portal.data.releases import ReleaseError
from portal.data.search import Name, SearchError, describe_search, parse_search
from portal.data.texts import escape, write_message
from portal.drawing import charts
from portal.export import formats
from portal.service import files, network
from portal.service.pool import WIDE
from portal.views import filters
from portal.views.access import ask, current_connection, current_release
from portal.views.parts import offer_files, show_chart, show_objects

PAGE_SIZES = (25, 50, 100, 250)
N_SCATTER = 1_000
N_CORRELATED = 50_000
N_MAP = 2_000
# Columns whose distribution is drawn, and the width of a bin.
DISTRIBUTIONS = {"anomaly_score": 0.5, "Z": 0.1}
# HEALPix order and what a cell of that order covers.
CELLS = {3: "54 deg²", 4: "13 deg²", 5: "3.4 deg²", 6: "0.84 deg²"}
_SKY, _CELLS, _MAP = "sky_map", "sky_cells", "latent_map"
# Set when a view has changed what the whole page shows.
_CHANGED = "view_changed"


def show() -> None:
    """Draw the page."""
    st.title("Anomalous quasars")
    chosen = filters.choose_filters(
        ask(catalogue.list_words, tuple(filters.WORDS.values())), _list_searched()
    )
    try:
        search = parse_search(chosen.search)
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
    _show_views(chosen, total)
    _show_table(chosen, total)
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


# Apart from the page, and one at a time: to draw a chart takes a browser longer than all the rest.
@st.fragment
def _show_views(chosen: Filters, total: int) -> None:
    if st.session_state.pop(_CHANGED, False):
        st.rerun()
    views = {
        "Sky": partial(_show_sky, chosen),
        "Score against SNR": partial(_show_scores, chosen, total),
        "Map of latents": partial(_show_map, chosen),
        "Scores and redshifts": partial(_show_distributions, chosen),
        "Compare two selections": partial(_show_comparison, chosen, total),
    }
    tabs = st.tabs(list(views), key="view", bind="query-params")
    for tab, show_view in zip(tabs, views.values(), strict=True):
        if tab.open:
            with tab:
                show_view()


def _choose_part(key: str, text: str) -> None:
    """Turn what was chosen in a view into a filter of the page."""
    filters.keep(key, text)
    st.session_state[_CHANGED] = True


def _show_sky(chosen: Filters) -> None:
    left, right = st.columns([3, 2], gap="medium")
    value = right.segmented_control(
        "Show",
        ("rate", "coverage"),
        default="rate",
        required=True,
        help="The share of anomalies, or how many objects were scored at all.",
    )
    order = right.selectbox("Cell size", list(CELLS), index=1, format_func=CELLS.__getitem__)
    # The whole map stays in view when a part of it is chosen.
    cells = ask(plots.count_sky, replace(chosen, cells=None), order)
    placed = charts.place_cells(cells)
    placed["chosen"] = _hold(chosen.cells, order, placed["pix"])
    st.session_state[_CELLS] = (order, placed[["pix", "x", "y"]])
    with left:
        show_chart(
            charts.draw_sky(placed, order, "rate" if value == "rate" else "n"),
            "Mollweide map of the anomaly rate in HEALPix cells",
            _SKY,
            _brush,
        )
    right.caption(_describe_sky(cells, chosen))
    if chosen.cells is not None:
        right.button(
            f"Show the whole sky, not only {len(chosen.cells.pixels):,} cells",
            on_click=_choose_part,
            args=("sky", ""),
        )


def _hold(cells: Cells | None, order: int, pixels: pd.Series) -> pd.Series:
    """Return which pixels of one order overlap the chosen cells of another."""
    if cells is None:
        return pd.Series(True, index=pixels.index)
    shift = 2 * (cells.order - order)
    if shift >= 0:
        return pixels.isin([pixel >> shift for pixel in cells.pixels])
    return (pixels // 4 ** (order - cells.order)).isin(cells.pixels)


def _brush() -> None:
    """Turn what was brushed on the map into a filter."""
    box = st.session_state[_SKY]["selection"].get(charts.BRUSH, {})
    if not {"x", "y"} <= box.keys():
        return
    order, cells = st.session_state[_CELLS]
    inside = cells["x"].between(*sorted(box["x"])) & cells["y"].between(*sorted(box["y"]))
    chosen = Cells(order, tuple(int(pixel) for pixel in cells["pix"][inside]))
    _choose_part("sky", filters.write_cells(chosen))


def _describe_sky(cells: pd.DataFrame, chosen: Filters) -> str:
    tiers = chosen.get_words("tier")
    grade = " or ".join(tiers) if tiers else "gold, silver or bronze"
    n_hidden = int(cells.loc[cells["ra"].isna(), "n"].sum())
    text = (
        f"{cells['n_found'].sum():,} of {cells['n'].sum():,} scored objects are {grade}, in all "
        f"{len(cells):,} cells, each drawn at the mean position of its objects; cells with fewer "
        f"than {charts.FEW_MEMBERS} objects are pale. Mollweide projection, right ascension grows "
        "to the left; where nothing is drawn nothing was observed. Drag over the map to choose "
        "a part of it."
    )
    return f"{text} Not drawn for want of a position: {n_hidden:,}." if n_hidden else text


def _show_scores(chosen: Filters, total: int) -> None:
    trend = ask(plots.trace_scores, chosen)
    points = ask(plots.sample_scores, chosen, N_SCATTER, N_SCATTER)
    rho = ask(plots.correlate_scores, chosen, max(1, total // N_CORRELATED))
    show_chart(charts.draw_scores(points, trend), "Anomaly score against signal-to-noise ratio")
    n_with_snr = int(trend["n"].sum())
    n_graded = int((points["tier"] != "none").sum())
    text = (
        f"Points: a random draw of {n_graded:,} graded and {len(points) - n_graded:,} other "
        f"objects of {n_with_snr:,}. Line and band: median and central 68 % of all of them."
    )
    if total > n_with_snr:
        text += f" Left out for want of a positive SNR: {total - n_with_snr:,}."
    if pd.notna(rho):
        text += f" Rank correlation of score and SNR: {rho:+.3f} (0 is wanted)."
    st.caption(text)


def _show_map(chosen: Filters) -> None:
    whole = replace(
        chosen, ranges=tuple(part for part in chosen.ranges if part[0] not in MAP_COLUMNS)
    )
    points = ask(plots.sample_map, whole, N_MAP)
    if points.empty:
        st.caption("This release has none.")
        return
    show_chart(charts.draw_map(points), "Objects on the map of latents", _MAP, _brush_map)
    st.caption(
        f"{len(points):,} objects, graded ones first; near each other lies what is alike. Drag to "
        "choose a part of the map."
    )
    if whole != chosen:
        st.button("Show the whole map", on_click=_choose_part, args=("map", ""))


def _brush_map() -> None:
    box = st.session_state[_MAP]["selection"].get(charts.BRUSH, {})
    if set(MAP_COLUMNS) <= box.keys():
        limits = [limit for name in MAP_COLUMNS for limit in sorted(box[name])]
        _choose_part("map", filters.write_map(limits))


def _show_distributions(chosen: Filters) -> None:
    for slot, (column, step) in zip(st.columns(2), DISTRIBUTIONS.items(), strict=True):
        counts = ask(plots.count_bins, chosen, column, step)
        with slot:
            show_chart(charts.draw_bins(counts, column, step), f"Objects by {column}")
        slot.caption(f"{counts['n'].sum():,} objects in bins of {step:g}.")


def _show_comparison(chosen: Filters, total: int) -> None:
    held = st.query_params.get("held", "")
    left, right, _ = st.columns([1, 1, 2])
    left.button(
        "Hold this selection",
        on_click=filters.keep,
        args=("held", filters.current_selection() or "page=1"),
        width="stretch",
        help="Then change the filters: both are drawn against each other.",
    )
    if not held:
        return
    right.button("Let it go", on_click=filters.keep, args=("held", ""), width="stretch")
    try:
        other, _ = filters.read_selection(held)
        n_other = ask(catalogue.count_rows, other)
    except SearchError as fault:
        st.warning(escape(str(fault)))
        return
    st.caption(f"Held: {n_other:,} objects ({escape(held)}). This page: {total:,}.")
    for slot, (column, step) in zip(st.columns(2), DISTRIBUTIONS.items(), strict=True):
        parts = [
            _share(ask(plots.count_bins, selection, column, step), name)
            for name, selection in (("held", other), ("this page", chosen))
        ]
        chart = charts.draw_comparison(pd.concat(parts), column)
        with slot:
            show_chart(chart, f"{column} of two selections")


def _share(counts: pd.DataFrame, name: str) -> pd.DataFrame:
    sums = counts.groupby("low", as_index=False)["n"].sum()
    return sums.assign(selection=name, share=sums["n"] / max(sums["n"].sum(), 1))


# Apart from the page: turning over the table draws no chart again.
@st.fragment
def _show_table(chosen: Filters, total: int) -> None:
    st.subheader("Objects")
    left, middle, right = st.columns([4, 1, 1], vertical_alignment="bottom")
    with left:
        ranking = filters.choose_ranking()
    with middle:
        names = filters.choose_columns()
    size = right.selectbox("Rows on a page", PAGE_SIZES, index=1)
    n_pages = ceil(total / size)
    if st.session_state.get("page", 1) > n_pages:
        st.session_state["page"] = 1
    slot = st.container()
    page = st.pagination(n_pages, key="page", bind="query-params")
    rows = ask(catalogue.list_rows, chosen, ranking, page, size, names)
    with slot:
        show_objects(
            rows, "Catalogue rows that pass the filters", filters.current_selection(), height=420
        )
    first = (page - 1) * size + 1
    st.caption(f"Rows {first:,} to {first + len(rows) - 1:,} of {total:,}.")


def _offer_rows(chosen: Filters, total: int) -> None:
    st.subheader("Download")
    if total > WIDE.rows:
        st.markdown(
            f"{total:,} rows pass the filters; up to {WIDE.rows:,} can be downloaded here. "
            "Narrow the filters, or take the whole file `catalog/quasars.parquet` of the release."
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
