"""The page of one object: facts, scores in plain words, spectrum, ways out, citation."""

import io

import pandas as pd
import streamlit as st

from catalog_schema.vocabulary import MatchState
from portal import columns, explain, filters, queries
from portal.lines import place_lines
from portal.releases import ReleaseError
from portal.search import SearchError, parse_targetid
from portal.spectrum import Spectrum, list_masked, make_curves
from portal.spectrum_chart import draw_spectrum
from portal.views.access import ask, current_release, link_params

FACTS = (
    "TARGET_RA", "TARGET_DEC", "Z", "ZWARN", "SPECTYPE", "snr", "parent", "SURVEY", "PROGRAM",
    "HEALPIX", "anomaly_class", "artefact_probability", "review_status",
)  # fmt: skip
MAX_SMOOTHING = 41


def show() -> None:
    """Draw the page."""
    text = st.query_params.get("targetid", "").strip()
    if not text:
        _ask_for_target()
        return
    try:
        targetid = parse_targetid(text).targetid
    except SearchError as fault:
        st.error(str(fault))
        return
    # A link from this page to itself changes the object but not the browser's address.
    st.query_params["targetid"] = str(targetid)
    row = ask(queries.find_object, targetid)
    if row is None:
        st.error(
            f"TARGETID {targetid} is not in release {current_release().version}: it was not "
            "scored. The page “About” says which rows were dropped and why."
        )
        return
    _show_place(targetid)
    _show_header(row)
    try:
        _show_spectrum_section(row, targetid)
    except ReleaseError as fault:
        st.error(str(fault))
    _show_matches(targetid)
    _show_ways_out(row)


def _ask_for_target() -> None:
    st.title("Object")
    text = st.text_input("TARGETID", placeholder="39627…")
    if text:
        st.page_link(
            "views/object.py", label=f"Open object {text} →",
            query_params=link_params(targetid=text),
        )  # fmt: skip
    st.page_link(
        "views/explore.py", label="Choose one in the catalogue", query_params=link_params()
    )


def _show_place(targetid: int) -> None:
    """Draw the links along the ranking that the address carries."""
    among = st.query_params.get("among", "")
    try:
        place = ask(queries.find_place, *filters.read_selection(among), targetid)
    except SearchError:
        place = None
    back, before, where, after = st.columns([2, 2, 3, 2], vertical_alignment="center")
    back.page_link(
        "views/explore.py",
        label="↑ Back to the list",
        query_params=link_params(**filters.split_selection(among)),
    )
    if place is None:
        where.markdown("Not among the objects that the filters leave.")
        return
    where.markdown(f"Number **{place.rank:,}** of {place.total:,} in this ranking")
    for slot, label, neighbour in (
        (before, "← Previous", place.previous),
        (after, "Next →", place.following),
    ):
        slot.page_link(
            "views/object.py", label=label, disabled=neighbour is None,
            query_params=link_params(targetid=neighbour or "", among=among),
        )  # fmt: skip


def _show_header(row: dict[str, object]) -> None:
    st.title(str(row.get("DESINAME") or f"TARGETID {row['TARGETID']}"))
    st.html(f"TARGETID {row['TARGETID']} {columns.tier_badge(str(row['tier']))}")
    left, right = st.columns([3, 4], gap="large")
    with left:
        st.subheader("Facts")
        facts = [(columns.label(name), columns.write_value(name, row.get(name))) for name in FACTS]
        st.table(pd.DataFrame(facts, columns=["Quantity", "Value"]).set_index("Quantity"))
    with right:
        st.subheader("What the score says")
        st.markdown(explain.explain_score(row, current_release().levels))
        with st.expander("All columns of this object"):
            st.dataframe(_describe_row(row), hide_index=True, alt="All columns of this object")


def _describe_row(row: dict[str, object]) -> pd.DataFrame:
    known = set(columns.PUBLISHED[0].names)
    return pd.DataFrame(
        [
            (
                columns.label(name),
                columns.write_value(name, value),
                columns.explain(name).splitlines()[0],
            )
            for name, value in row.items()
            if name in known
        ],
        columns=["Column", "Value", "Meaning"],
    )


def _show_spectrum_section(row: dict[str, object], targetid: int) -> None:
    st.subheader("Spectrum")
    spectrum = ask(queries.find_spectrum, targetid)
    if spectrum is None:
        _say_absent(row)
        return
    _show_spectrum(spectrum, float(str(row["Z"])), str(targetid))


def _say_absent(row: dict[str, object]) -> None:
    release = current_release()
    st.info(
        "No spectrum is published for this object: the release holds the spectra of graded "
        "objects and of a random reference sample."
    )
    if release.is_mock:
        return
    specprod = release.facts.get("Reduction (specprod)", "iron")
    st.markdown(f"- In DESI's archive: [coadd file]({explain.locate_coadd(row, specprod)})")
    st.markdown("- From SPARCL at NOIRLab, in Python:")
    st.code(explain.write_sparcl(str(row["TARGETID"])), language="python")


@st.fragment
def _show_spectrum(spectrum: Spectrum, z: float, targetid: str) -> None:
    top = st.columns([2, 2, 2, 2])
    frame = top[0].segmented_control(
        "Frame", ("observed", "rest"), default="observed", required=True, key="frame"
    )
    kinds = top[1].pills(
        "Lines", ("emission", "absorption"), selection_mode="multi", default=["emission"],
        key="lines", help="Markers at the trial redshift.",
    )  # fmt: skip
    width = top[2].slider(
        "Smoothing (pixels)", 1, MAX_SMOOTHING, 5, 2, key="smoothing",
        help="Inverse-variance weighted boxcar; the residual is that of the mean in the box.",
    )  # fmt: skip
    full = top[3].toggle("Whole range", key="full", help="Include pixels that dwarf all others.")
    trial = st.slider(
        "Trial redshift of the line markers", 0.0, filters.MAX_Z, min(max(z, 0.0), filters.MAX_Z),
        0.001, format="%.3f", key=f"trial-{targetid}", help=f"The catalogue says Z = {z:.4f}.",
    )  # fmt: skip
    scale = 1 + trial if frame == "rest" else 1.0
    lines = place_lines(trial, spectrum.wave[0], spectrum.wave[-1], tuple(kinds))
    chart = draw_spectrum(
        make_curves(spectrum, width), list_masked(spectrum), lines, scale, str(frame), full
    )
    st.altair_chart(
        chart, width="stretch", alt="Flux, reconstruction, bad pixels and residual of the spectrum"
    )
    n_pixels = len(spectrum.flux)
    st.caption(
        f"{spectrum.n_good:,} of {n_pixels:,} pixels are good; the others are named between the "
        "panels. Scroll or pinch to zoom, drag to move, double-click to return."
    )
    st.download_button(
        "Spectrum as CSV", _write_csv(spectrum), f"desi-{targetid}.csv", "text/csv",
        on_click="ignore", help="Observed frame, unsmoothed: wave, flux, ivar, mask, model.",
    )  # fmt: skip


def _write_csv(spectrum: Spectrum) -> bytes:
    target = io.BytesIO()
    pd.DataFrame(
        {
            "wave": spectrum.wave.round(1), "flux": spectrum.flux, "ivar": spectrum.ivar,
            "mask": spectrum.mask, "model": spectrum.model,
        }
    ).to_csv(target, index=False)  # fmt: skip
    return target.getvalue()


def _show_matches(targetid: int) -> None:
    st.subheader("In other catalogues")
    try:
        rows = ask(queries.find_matches, targetid)
    except ReleaseError as fault:
        st.error(str(fault))
        return
    searched = rows[rows["match_state"] != MatchState.NOT_QUERIED.value]
    if searched.empty:
        st.markdown("No external catalogue was searched for this object.")
        return
    shown = searched.dropna(axis="columns", how="all")
    st.dataframe(
        shown.rename(columns={"match_state": "state", "match_id": "counterpart"}),
        hide_index=True, alt="Counterparts in external catalogues",
        column_config={
            "separation": st.column_config.NumberColumn("separation (arcsec)", format="%.2f"),
            "normalised_separation": st.column_config.NumberColumn("in sigma", format="%.1f"),
            "chance_probability": st.column_config.NumberColumn("by chance", format="%.1e"),
        },
    )  # fmt: skip
    n_silent = rows["catalogue"].nunique() - searched["catalogue"].nunique()
    st.caption(
        f"{n_silent} other catalogues were not searched. Only “no_match” says that the object is "
        "uncatalogued: “not_covered” lies outside the catalogue's footprint."
    )


def _show_ways_out(row: dict[str, object]) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Elsewhere")
        links = [] if current_release().is_mock else explain.list_links(row)
        st.markdown("\n".join(f"- [{link.title}]({link.address})" for link in links))
        if not links:
            st.markdown("The object has no position on the real sky.")
    with right:
        st.subheader("Cite")
        release = current_release()
        st.code(explain.cite_object(row, release.title, release.version), None, wrap_lines=True)


if __name__ == "__main__":
    show()
