"""Objects of a kind without pictures: their numbers, and where they stand among all objects."""

import streamlit as st

from portal.data import columns, plots
from portal.data.catalogue import list_listed
from portal.data.own_columns import list_numbers
from portal.data.releases import Release
from portal.views.access import ask, current_table
from portal.views.object_view import ObjectView, Row

_METHOD = """
Each object is described by numbers; statistics say how they depart from those of objects alike, and
a p-value how rarely ordinary objects depart so far. Over each of two lists, of objects with a
named class and of unexplained ones, there is a false-discovery rate (q-value); a tier is everything
below a level of it that was fixed before anyone looked at the counts. What the columns mean is in
the data dictionary below and in the documents of the release.
"""
# Of the columns that are listed, what tells of score, class or tier.
_TELLING = ("meta.code", "stat.")


def _draw(_: Release, row: Row) -> None:
    table = current_table()
    _draw_numbers(row, tuple(n for n in list_numbers(table) if n in list_listed(table)))


def _draw_blinded(_: Release, row: Row) -> None:
    table = current_table()
    own = [n for n in list_numbers(table) if n in list_listed(table)]
    _draw_numbers(row, tuple(n for n in own if not table[n].ucd.startswith(_TELLING)))


def _draw_numbers(row: Row, names: tuple[str, ...]) -> None:
    st.subheader("Numbers")
    table = current_table()
    ranks = ask(plots.rank_values, int(row["TARGETID"]), names).dropna(subset=["value"])
    if ranks.empty:
        st.markdown("The release has no numbers of this object.")
        return
    ranks["column"] = [columns.label(table[name]) for name in ranks["column"]]
    titles = {"column": "Quantity", "value": "Value", "below": "Objects with less"}
    st.dataframe(
        ranks.rename(columns=titles),
        hide_index=True,
        column_config={"Objects with less": st.column_config.NumberColumn(format="percent")},
        alt="Numbers of the object and the share of all objects whose values are smaller",
    )


NUMBERS = ObjectView(
    "numbers", ("TARGET_RA", "TARGET_DEC", "Z", "tier"), _draw, _draw_blinded, _METHOD
)
