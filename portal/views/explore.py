"""The page that shows the whole catalogue: counts, sky, scores, redshifts and every row."""

import io
from functools import partial
from math import ceil

import pandas as pd
import pyarrow.csv
import pyarrow.parquet
import streamlit as st

from catalog_schema.tables import QUASARS
from catalog_schema.vocabulary import Tier
from portal import charts, columns, filters, queries
from portal.conditions import Filters
from portal.database import Connection
from portal.search import SearchError, parse_search
from portal.views.access import ask, current_connection, current_release, link_params

PAGE_SIZES = (25, 50, 100, 250)
MAX_EXPORT = 200_000
N_SCATTER = 2_000
N_CORRELATED = 50_000
REDSHIFT_STEP = 0.1
# HEALPix order and what a cell of that order covers.
CELLS = {3: "54 deg²", 4: "13 deg²", 5: "3.4 deg²", 6: "0.84 deg²"}


def show() -> None:
    """Draw the page."""
    st.title("Anomalous quasars")
    chosen = filters.choose_filters()
    try:
        parse_search(chosen.search)
    except SearchError as fault:
        st.warning(str(fault))
        return
    found = ask(queries.count_tiers, chosen)
    counts = {str(tier): int(n) for tier, n in zip(found["tier"], found["n"], strict=True)}
    total = sum(counts.values())
    _show_counts(counts, total)
    if total == 0:
        st.warning("No object passes the filters: widen them, or reset them in the sidebar.")
        return
    sky, scores = st.columns([3, 2], gap="medium")
    with sky:
        _show_sky(chosen)
    with scores:
        _show_scores(chosen, total)
    _show_table(chosen, total)
    _show_redshifts(chosen)
    _offer_rows(chosen, total)


def _show_counts(counts: dict[str, int], total: int) -> None:
    levels = current_release().levels
    places = st.columns(len(Tier) + 1)
    places[0].metric("objects", f"{total:,}", border=True, help="Rows that pass the filters.")
    for place, tier in zip(places[1:], Tier, strict=True):
        level = f" · FDR ≤ {levels[tier]:g}" if tier in levels else ""
        place.metric(f"{tier}{level}", f"{counts.get(tier, 0):,}", border=True, help=tier.meaning)


def _show_sky(chosen: Filters) -> None:
    st.subheader("On the sky")
    left, right = st.columns(2)
    value = left.segmented_control(
        "Show", ("rate", "coverage"), default="rate", required=True,
        help="The share of anomalies, or how many objects were scored at all.",
    )  # fmt: skip
    order = right.selectbox("Cell size", list(CELLS), index=1, format_func=CELLS.__getitem__)
    cells = ask(queries.count_sky, chosen, order)
    chart = charts.draw_sky(cells, order, "rate" if value == "rate" else "n")
    st.altair_chart(chart, alt="Mollweide map of the anomaly rate in HEALPix cells")
    st.caption(_describe_sky(cells, chosen))


def _describe_sky(cells: pd.DataFrame, chosen: Filters) -> str:
    grade = " or ".join(chosen.tiers) if chosen.tiers else "gold, silver or bronze"
    n_hidden = int(cells.loc[cells["ra"].isna(), "n"].sum())
    text = (
        f"{cells['n_found'].sum():,} of {cells['n'].sum():,} scored objects are {grade}, in "
        f"{len(cells):,} cells, each drawn at the mean position of its members; cells with fewer "
        f"than {charts.FEW_MEMBERS} objects are pale. Right ascension grows to the left; white is "
        "not observed."
    )
    return f"{text} Not drawn for want of a position: {n_hidden:,}." if n_hidden else text


def _show_scores(chosen: Filters, total: int) -> None:
    st.subheader("Score against SNR")
    trend = ask(queries.trace_scores, chosen)
    points = ask(queries.sample_scores, chosen, N_SCATTER, N_SCATTER)
    rho = ask(queries.correlate_scores, chosen, max(1, total // N_CORRELATED))
    st.altair_chart(
        charts.draw_scores(points, trend), alt="Anomaly score against signal-to-noise ratio"
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


def _show_redshifts(chosen: Filters) -> None:
    st.subheader("Redshifts by tier")
    counts = ask(queries.count_redshifts, chosen, REDSHIFT_STEP)
    top = float(counts["z"].max()) + REDSHIFT_STEP
    tiers = [tier for tier in Tier if tier.value in set(counts["tier"])]
    for slot, tier in zip(st.columns(len(tiers)), tiers, strict=True):
        slot.markdown(f"**{tier}**")
        chart = charts.draw_redshifts(counts, tier.value, REDSHIFT_STEP, top)
        slot.altair_chart(chart, alt=f"Number of {tier} objects by redshift")
    st.caption(f"Objects in bins of {REDSHIFT_STEP:g} in Z; each tier has its own scale.")


def _show_table(chosen: Filters, total: int) -> None:
    st.subheader("Objects")
    left, right = st.columns([3, 1])
    with left:
        ranking = filters.choose_ranking()
    size = right.selectbox("Rows on a page", PAGE_SIZES, index=1)
    n_pages = ceil(total / size)
    if st.session_state.get("page", 1) > n_pages:
        st.session_state["page"] = 1
    slot = st.container()
    page = st.pagination(n_pages, key="page", bind="query-params")
    rows = ask(queries.list_rows, chosen, ranking, page, size)
    with slot:
        _show_rows(rows)
    first = (page - 1) * size + 1
    st.caption(f"Rows {first:,} to {first + len(rows) - 1:,} of {total:,}.")


def _show_rows(rows: pd.DataFrame) -> None:
    link = st.container()
    table = st.dataframe(
        rows, hide_index=True, height=420, on_select="rerun", selection_mode="single-row",
        column_config=columns.configure_columns(list(rows.columns)),
        alt="Catalogue rows that pass the filters",
    )  # fmt: skip
    chosen = table["selection"]["rows"]
    if len(rows) == 1:
        chosen = [0]
    if not chosen:
        link.markdown("Tick the box at the left of a row to open its object.")
        return
    targetid = str(rows["TARGETID"].iloc[chosen[0]])
    link.page_link(
        "views/object.py", label=f"Open object {targetid} →",
        query_params=link_params(targetid=targetid, among=filters.current_selection()),
    )  # fmt: skip


def _offer_rows(chosen: Filters, total: int) -> None:
    st.subheader("Download")
    if total > MAX_EXPORT:
        st.markdown(
            f"{total:,} rows pass the filters; up to {MAX_EXPORT:,} can be downloaded here. "
            "Narrow the filters, or take the whole file `catalog/quasars.parquet` of the release."
        )
        return
    name = f"desi-qad-{current_release().version}-selection"
    con = current_connection()
    left, right, _ = st.columns([1, 1, 3])
    left.download_button(
        f"{total:,} rows as CSV", partial(_write_csv, con, chosen), f"{name}.csv", "text/csv",
        on_click="ignore", help="Every column but the arrays.", width="stretch",
    )  # fmt: skip
    right.download_button(
        f"{total:,} rows as Parquet", partial(_write_parquet, con, chosen), f"{name}.parquet",
        "application/vnd.apache.parquet", on_click="ignore", width="stretch",
        help="Every column, with units and descriptions.",
    )  # fmt: skip


def _write_csv(con: Connection, chosen: Filters) -> bytes:
    rows = queries.export_rows(con, chosen)
    rows = rows.drop_columns([column.name for column in QUASARS.columns if column.array])
    target = io.BytesIO()
    pyarrow.csv.write_csv(rows, target)
    return target.getvalue()


def _write_parquet(con: Connection, chosen: Filters) -> bytes:
    target = io.BytesIO()
    pyarrow.parquet.write_table(queries.export_rows(con, chosen), target, compression="zstd")
    return target.getvalue()


if __name__ == "__main__":
    show()
