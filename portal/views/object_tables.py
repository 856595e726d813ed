"""What other tables of a release hold of an object, and what is like it: one at a time."""

from functools import partial

import streamlit as st

from catalog_schema.vocabulary import MatchState
from portal.data import crossmatch, explain, objects
from portal.views.access import ask
from portal.views.parts import show_objects, tell_fault

N_NEIGHBOURS = 5


# Apart from the page, and one at a time: each of them asks for all rows of a table.
@st.fragment
def show_beside(targetid: int) -> None:
    """Draw the tables as tabs."""
    views = {
        "In other catalogues": _show_matches,
        "Neighbours in latent space": _show_neighbours,
        "Evidence for the class": _show_class,
        "Earlier spectra": _show_changes,
    }
    for tab, show_view in zip(st.tabs(list(views), on_change="rerun"), views.values(), strict=True):
        if tab.open:
            with tab:
                tell_fault(partial(show_view, targetid))


def _show_class(targetid: int) -> None:
    rows = ask(objects.find_class_evidence, targetid)
    if rows.empty:
        st.markdown("This release has none for this object.")
        return
    if statements := explain.list_statements(rows):
        st.markdown("\n".join(f"- {statement}" for statement in statements))
    st.dataframe(rows, hide_index=True, alt="Features that decided the class")
    st.caption(
        "What tells the class from an ordinary spectrum, the most telling first. Wavelengths are "
        "at rest unless called observed; departures are in units of the spread of spectra alike."
    )


def _show_changes(targetid: int) -> None:
    rows = ask(objects.find_changes, targetid).dropna(axis="columns", how="all")
    if rows.empty:
        st.markdown("The object was compared with no earlier spectrum.")
        return
    st.dataframe(rows, hide_index=True, alt="What has changed since earlier spectra")
    st.caption(
        "Fluxes of broad lines now and then, and the significance of the difference in standard "
        "errors; the earlier flux is multiplied by flux_scale."
    )


def _show_neighbours(targetid: int) -> None:
    rows = ask(objects.find_neighbours, targetid, N_NEIGHBOURS)
    if rows.empty:
        st.markdown("This release has no latents.")
        return
    show_objects(rows, "Objects nearest in latent space")


def _show_matches(targetid: int) -> None:
    rows = ask(crossmatch.find_matches, targetid).to_pandas()
    searched = rows[rows["match_state"] != MatchState.NOT_QUERIED.value]
    if searched.empty:
        st.markdown("No external catalogue was searched for this object.")
        return
    shown = searched.dropna(axis="columns", how="all")
    st.dataframe(
        shown.rename(columns={"match_state": "state", "match_id": "counterpart"}),
        hide_index=True,
        alt="Counterparts in external catalogues",
        column_config={
            "separation": st.column_config.NumberColumn("separation (arcsec)", format="%.2f"),
            "normalised_separation": st.column_config.NumberColumn("in sigma", format="%.1f"),
            "chance_probability": st.column_config.NumberColumn("by chance", format="%.1e"),
        },
    )
    n_silent = rows["catalogue"].nunique() - searched["catalogue"].nunique()
    st.caption(
        f"{n_silent} other catalogues were not searched. Only “no_match” says that the object is "
        "uncatalogued: “not_covered” lies outside the catalogue's footprint."
    )
