"""The page of SQL: editor, schema, cookbook; the answer as table, chart, sky plot and files."""

from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from portal.data import columns
from portal.data.database import SCHEMAS
from portal.data.positions import read_places
from portal.data.ranking import SMALLEST_FIRST, list_sortable
from portal.data.releases import Release
from portal.data.texts import escape
from portal.drawing import catalogue_charts, sky_chart
from portal.export import formats
from portal.service import files
from portal.service.pool import LIMITS, TaskError, describe_timeout, prepare
from portal.service.visitor_sql import Outcome, list_tables, read_cookbook, read_outcome, start
from portal.views.access import current_release, current_table
from portal.views.parts import offer_files, show_chart, show_objects

# What the first statement asks for, of what the release has.
_ASKED = ("TARGETID", "TARGET_RA", "TARGET_DEC", "Z", "snr", "finding", "finding_p_value", "tier")
# Seconds between looks at a statement under way; each look notices a click on Cancel.
_TICK = 0.2
# Rows that a chart draws at most; how many of how many is written below it.
MAX_DRAWN = 5_000
# Different words of a column up to which it colours the chart.
MAX_COLOURS = 12
_ANSWER = "sql_answer"


def show() -> None:
    """Draw the page."""
    release = current_release()
    st.title("SQL")
    editor, schema = st.columns([3, 2], gap="large")
    with schema:
        _show_cookbook(release)
        _show_schema(release)
    with editor:
        text = _ask_for_statement(release)
        if text:
            _show_answer(release, text)
        else:
            prepare()


def _ask_for_statement(release: Release) -> str:
    """Draw the editor and return the statement that is to be answered, which the address holds."""
    st.session_state.setdefault("statement", st.query_params.get("sql", _write_example(release)))
    # A form, so that Ctrl+Enter is one run of the page: text and button arrive together.
    with st.form("editor", border=False):
        text = st.text_area("Statement", key="statement", height=230, max_chars=LIMITS.text)
        run, cancel, _ = st.columns([2, 1, 1])
        if run.form_submit_button("Run", type="primary", width="stretch"):
            st.query_params["sql"] = text
            st.session_state.pop(_ANSWER, None)
        if cancel.form_submit_button(
            "Cancel", width="stretch", help="Ends the statement that is running."
        ):
            st.query_params.pop("sql", None)
    st.caption(f"DuckDB, read only. {LIMITS.describe()}")
    return str(st.query_params.get("sql", ""))


def _write_example(release: Release) -> str:
    table = current_table()
    names = [name for name in _ASKED if name in table.names]
    graded = "\nWHERE tier <> 'none'" if "tier" in names else ""
    order = list_sortable(table)[0]
    shown = ", ".join(dict.fromkeys([*names, order]))
    way = "" if order in SMALLEST_FIRST else " DESC"
    return f"SELECT {shown}\nFROM {release.list_name}{graded}\nORDER BY {order}{way}"


def _show_cookbook(release: Release) -> None:
    st.subheader("Cookbook")
    recipes = {recipe.title: recipe.sql for recipe in read_cookbook(release)}
    if not recipes:
        st.markdown("This release has no cookbook.")
        return
    title = st.selectbox("Recipe", list(recipes))
    st.code(recipes[title], "sql", wrap_lines=True)
    st.button("Into the editor", on_click=_load, args=(recipes[title],))


def _load(sql: str) -> None:
    st.session_state["statement"] = sql


def _show_schema(release: Release) -> None:
    st.subheader("Schema")
    name = st.selectbox("Table", list(list_tables(release.root)))
    table = current_table() if name == release.list_name else SCHEMAS.get(name)
    if table is None:
        st.markdown(f"`DESCRIBE {name}` lists its columns.")
        return
    if table.name == name:
        st.caption(table.description)
    st.dataframe(
        columns.make_dictionary(table)[["Column", "Type", "Unit", "Description"]],
        hide_index=True,
        height=420,
        alt=f"Columns of {name}",
    )


def _show_answer(release: Release, sql: str) -> None:
    try:
        outcome, rows = _answer(release, sql)
    except TaskError as fault:
        st.error(escape(str(fault)))
        return
    read = "" if outcome.bytes_read is None else f", {outcome.bytes_read / 1e6:,.2f} MB read"
    st.caption(f"{outcome.rows.num_rows:,} rows in {outcome.seconds:.2f} s{read}.")
    if outcome.is_cut:
        st.warning(
            f"Cut after {outcome.rows.num_rows:,} rows: add a LIMIT or a condition, or take the "
            "whole files of the release."
        )
    _show_result(rows, outcome.plan)
    _offer(release, outcome, sql)


def _answer(release: Release, sql: str) -> tuple[Outcome, pd.DataFrame]:
    """Run a statement, or recall the answer of the last one; also as rows for the page."""
    key = (str(release.root), sql)
    held = st.session_state.get(_ANSWER)
    if held is None or held[0] != key:
        outcome = _run(release, sql)
        held = st.session_state[_ANSWER] = key, outcome, formats.make_frame(outcome.rows)
    return held[1], held[2]


def _run(release: Release, sql: str) -> Outcome:
    place, waited = st.empty(), 0.0
    with start(release, sql) as running:
        while not running.wait(_TICK):
            waited += _TICK
            # Where the visitor has clicked, this call ends the page's run and so the statement.
            place.caption(f"Running for {waited:.0f} s …")
            if waited > LIMITS.seconds:
                raise describe_timeout()
        outcome = read_outcome(running.read())
    place.empty()
    return outcome


@st.fragment
def _show_result(rows: pd.DataFrame, plan_text: str) -> None:
    views: dict[str, Callable[[], object]] = {
        "Table": partial(show_objects, rows, "Rows that the statement returns", height=420),
        "Chart": partial(_show_chart, rows),
        "Sky": partial(_show_sky, rows),
        "Plan": partial(st.code, plan_text, None),
    }
    for tab, show_view in zip(st.tabs(list(views), on_change="rerun"), views.values(), strict=True):
        if tab.open:
            with tab:
                show_view()


def _show_chart(rows: pd.DataFrame) -> None:
    numbers = [str(name) for name in rows.select_dtypes("number").columns]
    if not numbers:
        st.info("The result has no column of numbers.")
        return
    left, right = st.columns(2)
    x = left.selectbox("Across", numbers)
    y = right.selectbox("Up", ["count", *numbers], index=min(2, len(numbers)))
    drawn = rows.head(MAX_DRAWN)
    words = (str(name) for name in rows if name not in numbers)
    colour = next((name for name in words if drawn[name].nunique() <= MAX_COLOURS), None)
    show_chart(catalogue_charts.draw_columns(drawn, x, y, colour), f"{y} against {x}")
    st.caption(f"{len(drawn):,} of {len(rows):,} rows.")


def _show_sky(rows: pd.DataFrame) -> None:
    found = {name.lower(): name for name in map(str, rows.columns)}
    ra = found.get("target_ra") or found.get("ra")
    dec = found.get("target_dec") or found.get("dec")
    if ra is None or dec is None:
        st.info("Return the columns TARGET_RA and TARGET_DEC to see the rows on the sky.")
        return
    places = read_places(rows[ra], rows[dec])
    drawn = places.head(MAX_DRAWN)
    show_chart(sky_chart.draw_places(drawn), "Positions of the rows on the sky")
    st.caption(
        f"{len(drawn):,} of {len(rows):,} rows; {len(rows) - len(places):,} of them have no "
        "position."
    )


def _offer(release: Release, outcome: Outcome, sql: str) -> None:
    offer_files(
        f"{outcome.rows.num_rows:,} rows",
        f"desi-qad-{release.version}-query",
        partial(files.write_rows, outcome.rows),
        formats.FORMATS,
    )
    st.markdown("**Link to this statement on this release**")
    address = st.context.url or ""
    st.code(
        f"{address.partition('?')[0]}?{urlencode({'release': release.version, 'sql': sql})}",
        None,
        wrap_lines=True,
    )


if __name__ == "__main__":
    show()
