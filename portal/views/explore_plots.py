"""The plots of the page Explore, a tab each; what is dragged over becomes a filter."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import cycle, islice

import pandas as pd
import streamlit as st

from portal.data import catalogue, plots
from portal.data.columns import label
from portal.data.conditions import MAP_COLUMNS, Cells, Filters
from portal.data.search import SearchError
from portal.data.texts import escape
from portal.drawing import catalogue_charts, charts, sky_chart
from portal.views.access import ask, current_table
from portal.views.addresses import current_selection, keep, read_selection, write_cells, write_map
from portal.views.offers import Offer, is_own
from portal.views.parts import show_chart

N_SCATTER = 1_000
N_CORRELATED = 50_000
N_MAP = 2_000
# Columns whose distribution is drawn where the release has them, and the width of a bin.
_DISTRIBUTIONS = {"anomaly_score": 0.5, "Z": 0.1}
_MAX_DISTRIBUTIONS = 4
# Of a slider, in a bin of a column that the schema does not know.
_STEPS_OF_A_BIN = 10
# What a view needs of a release; the others can be drawn of any.
_NEEDED = {
    "Sky": {"_healpix_29", "TARGET_RA", "TARGET_DEC", "tier"},
    "Score against SNR": {"snr", "anomaly_score", "tier"},
    "Map of latents": {"map_x", "map_y"},
}
# HEALPix order and what a cell of that order covers.
CELLS = {3: "54 deg²", 4: "13 deg²", 5: "3.4 deg²", 6: "0.84 deg²"}
_SKY, _CELLS, _MAP = "sky_map", "sky_cells", "latent_map"
# Set when a view has changed what the whole page shows.
_CHANGED = "view_changed"


# Apart from the page, and one at a time: to draw a chart takes a browser longer than all the rest.
@st.fragment
def show_plots(offer: Offer, chosen: Filters, total: int) -> None:
    """Draw the tabs and the plot of the open one."""
    if st.session_state.pop(_CHANGED, False):
        st.rerun()
    bins = _choose_bins(offer)
    views: dict[str, Callable[[], None]] = {
        "Sky": partial(_show_sky, chosen),
        "Score against SNR": partial(_show_scores, chosen, total),
        "Map of latents": partial(_show_map, chosen),
        "Distributions": partial(_show_distributions, bins, chosen),
        "Compare two selections": partial(_show_comparison, offer, bins, chosen, total),
    }
    present = set(offer.table.names)
    views = {title: view for title, view in views.items() if present >= _NEEDED.get(title, set())}
    tabs = st.tabs(list(views), key="view", bind="query-params")
    for tab, show_view in zip(tabs, views.values(), strict=True):
        if tab.open:
            with tab:
                show_view()


def _choose_bins(offer: Offer) -> dict[str, float]:
    """Return the columns whose distribution is drawn, and the width of a bin."""
    own = {s.column: _STEPS_OF_A_BIN * s.step for key, s in offer.sliders.items() if is_own(key)}
    usual = {name: step for name, step in _DISTRIBUTIONS.items() if name in offer.table.names}
    return dict(list((usual | own).items())[:_MAX_DISTRIBUTIONS])


def _choose_part(key: str, text: str) -> None:
    """Turn what was chosen in a view into a filter of the page."""
    keep(key, text)
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
    placed = sky_chart.place_cells(cells)
    placed["chosen"] = _hold(chosen.cells, order, placed["pix"])
    st.session_state[_CELLS] = (order, placed[["pix", "x", "y"]])
    with left:
        show_chart(
            sky_chart.draw_sky(placed, order, "rate" if value == "rate" else "n"),
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
    _choose_part("sky", write_cells(chosen))


def _describe_sky(cells: pd.DataFrame, chosen: Filters) -> str:
    tiers = chosen.get_words("tier")
    grade = " or ".join(tiers) if tiers else "gold, silver or bronze"
    n_hidden = int(cells.loc[cells["ra"].isna(), "n"].sum())
    text = (
        f"{cells['n_found'].sum():,} of {cells['n'].sum():,} scored objects are {grade}, in all "
        f"{len(cells):,} cells, each drawn at the mean position of its objects; cells with fewer "
        f"than {sky_chart.FEW_MEMBERS} objects are pale. Mollweide projection, right ascension "
        "grows to the left; where nothing is drawn nothing was observed. Drag over the map to "
        "choose a part of it."
    )
    return f"{text} Not drawn for want of a position: {n_hidden:,}." if n_hidden else text


def _show_scores(chosen: Filters, total: int) -> None:
    trend = ask(plots.trace_scores, chosen)
    points = ask(plots.sample_scores, chosen, N_SCATTER, N_SCATTER)
    rho = ask(plots.correlate_scores, chosen, max(1, total // N_CORRELATED))
    show_chart(
        catalogue_charts.draw_scores(points, trend), "Anomaly score against signal-to-noise ratio"
    )
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
    show_chart(catalogue_charts.draw_map(points), "Objects on the map of latents", _MAP, _brush_map)
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
        _choose_part("map", write_map(limits))


def _show_distributions(bins: dict[str, float], chosen: Filters) -> None:
    slots = islice(cycle(st.columns(2)), len(bins))
    for slot, (column, step) in zip(slots, bins.items(), strict=True):
        counts = ask(plots.count_bins, chosen, column, step)
        with slot:
            show_chart(
                catalogue_charts.draw_bins(counts, _label(column), step), f"Objects by {column}"
            )
        slot.caption(f"{counts['n'].sum():,} objects in bins of {step:g}.")


def _label(column: str) -> str:
    return label(current_table()[column])


def _show_comparison(offer: Offer, bins: dict[str, float], chosen: Filters, total: int) -> None:
    held = st.query_params.get("held", "")
    left, right, _ = st.columns([1, 1, 2])
    left.button(
        "Hold this selection",
        on_click=keep,
        args=("held", current_selection(offer) or "page=1"),
        width="stretch",
        help="Then change the filters: both are drawn against each other.",
    )
    if not held:
        return
    right.button("Let it go", on_click=keep, args=("held", ""), width="stretch")
    try:
        other, _ = read_selection(held, offer)
        n_other = ask(catalogue.count_rows, other)
    except SearchError as fault:
        st.warning(escape(str(fault)))
        return
    st.caption(f"Held: {n_other:,} objects ({escape(held)}). This page: {total:,}.")
    slots = islice(cycle(st.columns(2)), len(bins))
    for slot, (column, step) in zip(slots, bins.items(), strict=True):
        parts = [
            _share(ask(plots.count_bins, selection, column, step), name)
            for name, selection in (("held", other), ("this page", chosen))
        ]
        chart = catalogue_charts.draw_comparison(pd.concat(parts), _label(column))
        with slot:
            show_chart(chart, f"{column} of two selections")


def _share(counts: pd.DataFrame, name: str) -> pd.DataFrame:
    sums = counts.groupby("low", as_index=False)["n"].sum()
    return sums.assign(selection=name, share=sums["n"] / max(sums["n"].sum(), 1))
