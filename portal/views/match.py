"""The page that matches a visitor's list to the catalogue."""

from functools import partial
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from portal.data import columns, uploads
from portal.data.catalogue import SUMMARY
from portal.data.texts import escape
from portal.data.uploads import MAX_BYTES, MAX_COLUMNS, MAX_RADIUS, MAX_ROWS, UploadError
from portal.export import formats
from portal.service import files
from portal.views.access import current_connection, current_release, current_table
from portal.views.parts import offer_files

_NONE = "(none)"
_PREVIEW = 200
_LIST = "uploaded_list"


class Choice(NamedTuple):
    """How a list is to be matched; None where a column is not named."""

    targetid: str | None
    ra: str | None
    dec: str | None
    radius: float
    ours: tuple[str, ...]


def show() -> None:
    """Draw the page."""
    st.title("Match my list")
    st.markdown(
        f"A CSV, VOTable, FITS or other table of up to {MAX_ROWS:,} rows, {MAX_COLUMNS} columns "
        f"and {MAX_BYTES >> 20} MiB. It is matched in memory and not kept."
    )
    given = st.file_uploader("Your list", max_upload_size=MAX_BYTES >> 20)
    if given is None:
        st.session_state.pop(_LIST, None)
        return
    try:
        rows = _read(given)
        choice = _choose(rows.columns.astype(str).tolist(), uploads.guess_columns(rows))
        if choice is not None:
            _show_result(_match(rows, choice))
    except UploadError as fault:
        st.error(escape(str(fault)))


def _read(given: UploadedFile) -> pd.DataFrame:
    """Read the file that was uploaded, once and not each time that the page is drawn."""
    held = st.session_state.get(_LIST)
    if held is None or held[0] != given.file_id:
        held = given.file_id, uploads.read_list(given.name, given.getvalue())
        st.session_state[_LIST] = held
    rows: pd.DataFrame = held[1]
    return rows


def _choose(names: list[str], guessed: uploads.Columns) -> Choice | None:
    """Draw what was guessed, so that it can be put right."""
    st.subheader("Its columns")
    by_id, by_place = "TARGETID", "position"
    kind = st.segmented_control(
        "Match by",
        (by_id, by_place),
        default=by_id if guessed.targetid else by_place,
        required=True,
    )
    slots = st.columns(3)
    if kind == by_id:
        targetid = _choose_column(slots[0], "TARGETID", names, guessed.targetid)
        ra = dec = None
        radius = 0.0
    else:
        targetid = None
        ra = _choose_column(slots[0], "Right ascension (deg or h:m:s)", names, guessed.ra)
        dec = _choose_column(slots[1], "Declination (deg or d:m:s)", names, guessed.dec)
        radius = slots[2].number_input("Radius (arcsec)", 0.1, MAX_RADIUS, 1.5, 0.5)
    table = current_table()
    ours = st.multiselect(
        "Our columns",
        [column.name for column in table.scalars],
        default=[name for name in SUMMARY if name in table.names],
        format_func=lambda name: columns.label(table[name]),
        help="They are added to yours with desi_ before their names.",
    )
    if (targetid is None and (ra is None or dec is None)) or not ours:
        st.info("Choose the columns that identify your objects, and at least one of ours.")
        return None
    return Choice(targetid, ra, dec, radius, tuple(dict.fromkeys(("TARGETID", *ours))))


def _choose_column(
    slot: st.delta_generator.DeltaGenerator, title: str, names: list[str], guess: str | None
) -> str | None:
    offered = [_NONE, *names]
    chosen = slot.selectbox(title, offered, index=offered.index(guess) if guess else 0)
    return None if chosen == _NONE else str(chosen)


def _match(rows: pd.DataFrame, choice: Choice) -> pa.Table:
    con = current_connection()
    if choice.targetid is not None:
        return uploads.match_ids(con, rows, choice.targetid, choice.ours)
    assert choice.ra is not None
    assert choice.dec is not None
    return uploads.match_places(con, rows, choice.ra, choice.dec, choice.radius, choice.ours)


# Apart from the page: a look at other rows does not match the list again.
@st.fragment
def _show_result(matched: pa.Table) -> None:
    st.subheader("Result")
    is_found = pc.is_valid(matched["desi_TARGETID"])
    n_found = pc.sum(is_found).as_py() or 0
    st.markdown(f"**{n_found:,}** of {matched.num_rows:,} rows have a counterpart.")
    only = st.toggle("Only rows with a counterpart", value=True)
    kept = matched.filter(is_found) if only else matched
    st.dataframe(
        formats.make_frame(kept.slice(0, _PREVIEW)),
        hide_index=True,
        height=380,
        alt="Rows of the list with the columns of the release",
    )
    if kept.num_rows > _PREVIEW:
        st.caption(f"The first {_PREVIEW:,} of {kept.num_rows:,} rows; the files hold all.")
    offer_files(
        f"{kept.num_rows:,} rows",
        f"desi-qad-{current_release().version}-matched",
        partial(files.write_rows, kept),
        (*formats.FORMATS, formats.FITS),
    )


if __name__ == "__main__":
    show()
