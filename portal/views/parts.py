"""What several pages draw alike: tables that lead to their objects, rows of files to take away."""

import html
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import pandas as pd
import streamlit as st

from catalog_schema.column import Column
from portal.data import columns
from portal.data.releases import AbsentError, ReleaseError
from portal.data.texts import escape, write_message
from portal.drawing.charts import TIER_COLOURS, Chart
from portal.drawing.spectrum_chart import ZOOM
from portal.export.formats import Format
from portal.views.access import current_table, link_params

_PROBABILITIES = {
    "p_value",
    "p_value_low",
    "p_value_high",
    "joint_p_value",
    "finding_p_value",
    "q_value",
}


def tell(fault: Exception) -> None:
    """Draw in one line what is wrong, or what a release was made without."""
    draw = st.caption if isinstance(fault, AbsentError) else st.error
    draw(write_message(str(fault)))


def tell_fault(draw: Callable[[], None]) -> None:
    """Draw a part of a page; a file that is damaged or absent takes away no other part."""
    try:
        draw()
    except ReleaseError as fault:
        tell(fault)


def show_chart(
    chart: Chart,
    alt: str,
    key: str | None = None,
    on_select: Literal["ignore", "rerun"] | Callable[[], None] = "ignore",
) -> None:
    """Draw a chart.

    Parameters
    ----------
    chart : Chart
    alt : str
        What it shows, for screen readers.
    key : str or None
        Name under which the page's state has what is selected in it.
    on_select : str or callable
        What follows when something is selected.
    """
    # Panels side by side keep their own width, all else takes the page's.
    width: Literal["content", "stretch"] = "content" if "facet" in chart.spec else "stretch"
    st.vega_lite_chart(
        {**chart.spec, "datasets": chart.tables},
        key=key,
        on_select=on_select,
        alt=alt,
        width=width,
    )


def read_zoom(key: str) -> tuple[float, float] | None:
    """Return the wavelengths that the chart of a spectrum is zoomed in on, or None for all."""
    held = st.session_state.get(key, {}).get("selection", {}).get(ZOOM, {})
    window = held.get("wave") or ()
    return (min(window), max(window)) if len(window) == 2 else None


def show_objects(
    rows: pd.DataFrame, alt: str, among: str = "", height: int | Literal["auto"] = "auto"
) -> None:
    """Draw a table whose ticked row can be opened as an object.

    Parameters
    ----------
    rows : pandas.DataFrame
        With TARGETID, or nothing can be opened.
    alt : str
        What the table holds, for screen readers.
    among : str
        Selection through which the object's page walks.
    """
    link = st.container()
    table = st.dataframe(
        rows,
        hide_index=True,
        height=height,
        on_select="rerun",
        selection_mode="single-row",
        column_config=_configure_columns(list(rows.columns)),
        alt=alt,
    )
    if "TARGETID" not in rows:
        return
    ticked = [0] if len(rows) == 1 else table["selection"]["rows"]
    if not ticked:
        link.markdown("Tick the box at the left of a row to open its object.")
        return
    with link:
        link_object(str(rows["TARGETID"].iloc[ticked[0]]), among)


def link_object(targetid: str, among: str = "") -> None:
    """Draw the link to an object's page."""
    st.page_link(
        "views/object.py",
        label=f"Open object {escape(targetid)} →",
        query_params=link_params(targetid=targetid, among=among),
    )


def offer_files(
    title: str,
    name: str,
    write: Callable[[Format], bytes],
    kinds: Iterable[Format],
    text: str | None = None,
) -> None:
    """Draw a button for each kind of file; a file is written when its button is pressed.

    Parameters
    ----------
    title : str
        What the files hold.
    name : str
        Name of the files without suffix.
    write : callable
        Makes the content of a file of one kind.
    kinds : iterable of Format
        Four at most.
    text : str or None
        Help of the buttons.
    """
    for slot, kind in zip(st.columns(4), kinds, strict=False):
        slot.download_button(
            f"{title} as {kind.title}",
            partial(write, kind),
            f"{name}.{kind.suffix}",
            kind.media,
            on_click="ignore",
            width="stretch",
            help=text,
        )


def write_tier(tier: str) -> str:
    """Return a tier as coloured HTML; the word stays readable without the colour."""
    colour = TIER_COLOURS.get(tier, TIER_COLOURS["none"])
    return (
        f'<span style="border:1px solid {colour};border-left-width:0.6rem;padding:0.1rem 0.5rem;'
        f'border-radius:0.2rem">{html.escape(tier)}</span>'
    )


def _configure_columns(names: list[str]) -> dict[str, Any]:
    """Return the configuration of a table of catalogue rows."""
    table = current_table()
    return {name: _configure(table[name]) for name in names if name in table.names}


def _configure(column: Column) -> Any:
    title, text = columns.label(column), columns.explain(column)
    if column.name == "TARGETID":
        return st.column_config.TextColumn(title, help=text, pinned=True)
    kind = str(column.type)
    if kind == "bool":
        return st.column_config.CheckboxColumn(title, help=text)
    if column.vocabulary or kind == "string":
        return st.column_config.TextColumn(title, help=text)
    if kind.startswith(("int", "uint")):
        return st.column_config.NumberColumn(title, help=text, format="%d")
    style = "%.3f"
    if column.name in _PROBABILITIES:
        style = "%.2e"
    elif column.name in columns.DEGREES:
        style = "%.5f"
    return st.column_config.NumberColumn(title, help=text, format=style)
