"""The page of SQL: editor, schema, cookbook; the answer as table, chart, sky plot and files."""

from functools import partial
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from portal import charts, columns, formats
from portal.releases import Release
from portal.sql import (
    LIMITS,
    Outcome,
    SqlError,
    describe_timeout,
    list_tables,
    read_cookbook,
    start,
)
from portal.texts import escape
from portal.views.access import current_release, link_params

EXAMPLE = """SELECT TARGETID, TARGET_RA, TARGET_DEC, Z, snr, anomaly_score, tier
FROM quasars
WHERE tier <> 'none'
ORDER BY anomaly_score DESC"""
# Seconds between looks at a statement under way; each look notices a click on Cancel.
_TICK = 0.2
# Rows that a chart draws at most; how many of how many is written below it.
MAX_DRAWN = 5_000
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
        text = _ask_for_statement()
        if text:
            _show_answer(release, text)


def _ask_for_statement() -> str:
    """Draw the editor and return the statement that is to be answered, which the address holds."""
    st.session_state.setdefault("statement", st.query_params.get("sql", EXAMPLE))
    text = st.text_area("Statement", key="statement", height=230, max_chars=LIMITS.text)
    run, cancel, _ = st.columns([2, 1, 1])
    if run.button("Run", type="primary", shortcut="Ctrl+Enter", width="stretch"):
        st.query_params["sql"] = text
        st.session_state.pop(_ANSWER, None)
    cancel.button("Cancel", width="stretch", help="Ends the statement that is running.")
    st.caption(f"DuckDB, read only. {LIMITS.describe()}")
    return str(st.query_params.get("sql", ""))


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
    known = {table.name: table for table in columns.PUBLISHED}
    name = st.selectbox("Table", list(list_tables(release.root)))
    table = known.get(columns.SCHEMA_NAMES.get(name, name))
    if table is None:
        st.markdown(f"`DESCRIBE {name}` lists its columns.")
        return
    st.caption(table.description)
    st.dataframe(
        columns.make_dictionary(table)[["Column", "Type", "Unit", "Description"]],
        hide_index=True, height=420, alt=f"Columns of {name}",
    )  # fmt: skip


def _show_answer(release: Release, sql: str) -> None:
    try:
        outcome = _answer(release, sql)
    except SqlError as fault:
        st.error(escape(str(fault)))
        return
    read = "" if outcome.bytes_read is None else f", {outcome.bytes_read / 1e6:,.2f} MB read"
    st.caption(f"{outcome.rows.num_rows:,} rows in {outcome.seconds:.2f} s{read}.")
    if outcome.is_cut:
        st.warning(
            f"Cut after {outcome.rows.num_rows:,} rows: add a LIMIT or a condition, or take the "
            "whole files of the release."
        )
    _show_result(outcome)
    _offer(release, outcome, sql)


def _answer(release: Release, sql: str) -> Outcome:
    """Run a statement, or return the answer if it was the last one asked."""
    key = (str(release.root), sql)
    held = st.session_state.get(_ANSWER)
    if held and held[0] == key:
        outcome: Outcome = held[1]
        return outcome
    place, waited = st.empty(), 0.0
    with start(release, sql) as running:
        while not running.wait(_TICK):
            waited += _TICK
            # Where the visitor has clicked, this call ends the page's run and so the statement.
            place.caption(f"Running for {waited:.0f} s …")
            if waited > LIMITS.seconds:
                raise describe_timeout()
        outcome = running.read()
    place.empty()
    st.session_state[_ANSWER] = (key, outcome)
    return outcome


def _show_result(outcome: Outcome) -> None:
    rows = formats.make_frame(outcome.rows)
    table, chart, sky, plan = st.tabs(["Table", "Chart", "Sky", "Plan"])
    with table:
        _show_rows(rows)
    with chart:
        _show_chart(rows)
    with sky:
        _show_sky(rows)
    plan.code(outcome.plan, None)


def _show_rows(rows: pd.DataFrame) -> None:
    table = st.dataframe(
        rows, hide_index=True, height=420, alt="Rows that the statement returns",
        column_config=columns.configure_columns(list(rows.columns)),
        on_select="rerun", selection_mode="single-row",
    )  # fmt: skip
    if "TARGETID" in rows and table["selection"]["rows"]:
        targetid = str(rows["TARGETID"].iloc[table["selection"]["rows"][0]])
        st.page_link(
            "views/object.py", label=f"Open object {targetid} →",
            query_params=link_params(targetid=targetid),
        )  # fmt: skip


def _show_chart(rows: pd.DataFrame) -> None:
    numbers = [str(name) for name in rows.select_dtypes("number").columns]
    if not numbers:
        st.info("The result has no column of numbers.")
        return
    left, right = st.columns(2)
    x = left.selectbox("Across", numbers)
    y = right.selectbox("Up", ["count", *numbers], index=min(2, len(numbers)))
    words = [str(name) for name in rows if name not in numbers and rows[name].nunique() <= 12]
    drawn = rows.head(MAX_DRAWN)
    st.altair_chart(charts.draw_columns(drawn, x, y, words[0] if words else None),
                    alt=f"{y} against {x}")  # fmt: skip
    st.caption(f"{len(drawn):,} of {len(rows):,} rows.")


def _show_sky(rows: pd.DataFrame) -> None:
    found = {name.lower(): name for name in map(str, rows.columns)}
    ra = found.get("target_ra") or found.get("ra")
    dec = found.get("target_dec") or found.get("dec")
    if ra is None or dec is None:
        st.info("Return the columns TARGET_RA and TARGET_DEC to see the rows on the sky.")
        return
    places = pd.DataFrame({"ra": rows[ra], "dec": rows[dec]}).apply(pd.to_numeric, errors="coerce")
    places = places[places["ra"].between(0, 360) & places["dec"].between(-90, 90)]
    drawn = places.head(MAX_DRAWN)
    st.altair_chart(charts.draw_places(drawn), alt="Positions of the rows on the sky")
    st.caption(f"{len(drawn):,} of {len(rows):,} rows; {len(rows) - len(places):,} of them have no "
               "position.")  # fmt: skip


def _offer(release: Release, outcome: Outcome, sql: str) -> None:
    name = f"desi-qad-{release.version}-query"
    for slot, kind in zip(st.columns([1, 1, 1, 2]), formats.FORMATS, strict=False):
        slot.download_button(
            kind.title, partial(formats.write, outcome.rows, kind), f"{name}.{kind.suffix}",
            kind.media, on_click="ignore", width="stretch",
        )  # fmt: skip
    st.markdown("**Link to this statement on this release**")
    address = st.context.url or ""
    st.code(f"{address.partition('?')[0]}?{urlencode({'release': release.version, 'sql': sql})}",
            None, wrap_lines=True)  # fmt: skip


if __name__ == "__main__":
    show()
