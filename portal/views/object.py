"""The page of one object: facts, scores in plain words, spectrum, ways out, citation."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from catalog_schema.tables import QUASARS
from catalog_schema.vocabulary import MatchState
from portal.data import columns, crossmatch, explain, objects, published_spectra, ranking
from portal.data.evidence import (
    Evidence,
    list_peaks,
    measure_velocity,
    sum_reasons,
)
from portal.data.lines import Line, place_lines
from portal.data.releases import ReleaseError
from portal.data.search import SearchError, parse_targetid
from portal.data.spectrum import Spectrum, list_masked, make_curves, name_arms, shift_like
from portal.data.texts import escape
from portal.drawing import charts
from portal.drawing.spectrum_chart import (
    NO_NORMALS,
    NO_PEAKS,
    Beside,
    View,
    count_merged,
    draw_spectrum,
)
from portal.export import formats
from portal.service import files, network
from portal.views import filters
from portal.views.access import ask, current_release, link_params
from portal.views.parts import (
    link_object,
    offer_files,
    read_zoom,
    show_chart,
    show_objects,
    tell,
)

FACTS = (
    "TARGET_RA",
    "TARGET_DEC",
    "Z",
    "ZWARN",
    "SPECTYPE",
    "snr",
    "parent",
    "SURVEY",
    "PROGRAM",
    "HEALPIX",
    "joint_p_value",
    "anomaly_class",
    "artefact_kind",
    "artefact_probability",
    "better_z",
    "cluster",
    "review_status",
)
MAX_SMOOTHING = 41
N_NORMALS = 5
N_NEIGHBOURS = 5
# As many as calibration compares with, in the default settings.
N_NULL = 200
_NORMAL_WIDTH = 16


def show() -> None:
    """Draw the page."""
    text = st.query_params.get("targetid", "").strip()
    if not text:
        _ask_for_target()
        return
    try:
        targetid = parse_targetid(text).targetid
    except SearchError as fault:
        tell(fault)
        return
    # A link from this page to itself changes the object but not the browser's address.
    st.query_params["targetid"] = str(targetid)
    row = ask(objects.find_object, targetid)
    if row is None:
        st.error(
            f"TARGETID {targetid} is not in release {current_release().version}: it was not "
            "scored. The page “Statistics” says which rows were dropped and why."
        )
        return
    _show_place(targetid)
    _show_header(row)
    evidence = ask(published_spectra.find_evidence, targetid)
    for section in (
        partial(_show_spectrum_section, row, targetid, evidence),
        partial(_show_context, row, targetid, evidence),
        partial(_show_beside, targetid),
    ):
        _tell_fault(section)
    _show_ways_out(row)


def _tell_fault(section: Callable[[], None]) -> None:
    """Draw a part of the page; a damaged file takes away no other part."""
    try:
        section()
    except ReleaseError as fault:
        tell(fault)


def _ask_for_target() -> None:
    st.title("Object")
    text = st.text_input("TARGETID", placeholder="39627…")
    if text:
        link_object(text)
    st.page_link(
        "views/explore.py", label="Choose one in the catalogue", query_params=link_params()
    )


def _show_place(targetid: int) -> None:
    """Draw the ways along the ranking that the address carries."""
    among = st.query_params.get("among", "")
    try:
        place = ask(ranking.find_place, *filters.read_selection(among), targetid)
    except (SearchError, ValueError):
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
    for slot, label, key, neighbour in (
        (before, "← Previous", "p", place.previous),
        (after, "Next →", "n", place.following),
    ):
        # A callback: the page is drawn once, already for the neighbour.
        slot.button(
            label,
            shortcut=key,
            disabled=neighbour is None,
            width="stretch",
            on_click=_go_to,
            args=(neighbour,),
        )


def _go_to(targetid: str) -> None:
    st.query_params["targetid"] = targetid


def _show_header(row: dict[str, object]) -> None:
    st.title(escape(str(row.get("DESINAME") or f"TARGETID {row['TARGETID']}")))
    st.html(f"TARGETID {row['TARGETID']} {columns.tier_badge(str(row['tier']))}")
    left, right = st.columns([3, 4], gap="large")
    with left:
        st.subheader("Facts")
        facts = [
            (columns.label(name), escape(columns.write_value(name, row.get(name))))
            for name in FACTS
            if name in QUASARS.names
        ]
        st.table(pd.DataFrame(facts, columns=["Quantity", "Value"]).set_index("Quantity"))
    with right:
        st.subheader("What the score says")
        st.markdown(explain.explain_score(row, current_release().levels))
        _show_columns(row)


@st.fragment
def _show_columns(row: dict[str, object]) -> None:
    with st.expander("All columns of this object", on_change="rerun") as part:
        if part.open:
            st.dataframe(_describe_row(row), hide_index=True, alt="All columns of this object")


def _describe_row(row: dict[str, object]) -> pd.DataFrame:
    known = set(QUASARS.names)
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


def _show_spectrum_section(
    row: dict[str, object], targetid: int, evidence: Evidence | None
) -> None:
    st.subheader("Spectrum")
    spectrum = ask(published_spectra.find_spectrum, targetid)
    if spectrum is None:
        _say_absent(row)
        return
    _show_spectrum(spectrum, float(str(row["Z"])), targetid, evidence)


def _say_absent(row: dict[str, object]) -> None:
    release = current_release()
    st.info(
        "No spectrum is published for this object: the release holds the spectra of graded "
        "objects and of a random reference sample."
    )
    if release.is_mock:
        return
    st.markdown("From SPARCL at NOIRLab, in Python:")
    st.code(explain.write_sparcl(str(row["TARGETID"])), language="python")


@st.fragment
def _show_spectrum(spectrum: Spectrum, z: float, targetid: int, evidence: Evidence | None) -> None:
    top = st.columns([2, 2, 2, 2], vertical_alignment="bottom")
    frame = top[0].segmented_control(
        "Frame", ("observed", "rest"), default="observed", required=True, key="frame"
    )
    kinds = top[1].pills(
        "Lines",
        ("emission", "absorption"),
        selection_mode="multi",
        default=["emission"],
        key="lines",
        help="Markers at the trial redshift.",
    )
    width = top[2].slider(
        "Smoothing (pixels)",
        1,
        MAX_SMOOTHING,
        5,
        2,
        key="smoothing",
        help="Inverse-variance weighted boxcar; the residual is that of the mean in the box.",
    )
    with top[3]:
        full = st.toggle("Whole range", key="full", help="Include pixels that dwarf all others.")
        compare = st.toggle(
            "Normal quasars",
            key="normals",
            help=f"The {N_NORMALS} published ungraded quasars most alike in redshift and SNR, "
            "moved to this redshift and level.",
        )
    trial = st.slider(
        "Trial redshift of the line markers",
        0.0,
        filters.MAX_Z,
        min(max(z, 0.0), filters.MAX_Z),
        0.001,
        format="%.3f",
        key=f"trial-{targetid}",
        help=f"The catalogue says Z = {z:.4f}.",
    )
    scale = 1 + trial if frame == "rest" else 1.0
    lines = place_lines(trial, spectrum.wave[0], spectrum.wave[-1], tuple(kinds))
    peaks = NO_PEAKS if evidence is None else list_peaks(evidence, z)
    normals = _gather_normals(spectrum, z, targetid) if compare else NO_NORMALS
    # The same for all objects: the browser keeps the chart, and the zoom, and changes the numbers.
    key = f"spectrum-{frame}"
    view = View(scale, str(frame), full, read_zoom(key))
    chart = draw_spectrum(
        make_curves(spectrum, width),
        name_arms(spectrum),
        Beside(list_masked(spectrum), lines, peaks, normals),
        view,
    )
    show_chart(
        chart,
        "Flux, reconstruction, evidence, bad pixels and residual of the spectrum",
        key,
        "rerun",
    )
    n_merged = count_merged(spectrum.wave, view)
    shown = f"the extremes of every {n_merged} pixels" if n_merged > 1 else "every pixel"
    st.caption(
        f"Drawn is {shown}. {spectrum.n_good:,} of {len(spectrum.flux):,} pixels are good; the "
        "others are named between the panels. The strip below the flux shows where matched filters "
        "find an excess or a lack: as wide as the filter, the fuller the stranger. Scroll or pinch "
        "to zoom in on every pixel, drag to move, double-click to return."
    )
    with st.expander("Lines and the peaks nearest to them", on_change="rerun") as part:
        if part.open:
            _show_lines(lines, peaks, trial)
    _offer_spectrum(spectrum, targetid)


def _gather_normals(spectrum: Spectrum, z: float, targetid: int) -> pd.DataFrame:
    parts = []
    for name, other_z, other in ask(published_spectra.find_normals, targetid, N_NORMALS):
        wave, flux = shift_like(other, other_z, spectrum, z, _NORMAL_WIDTH)
        parts.append(pd.DataFrame({"TARGETID": name, "wave": wave, "flux": flux.round(4)}))
    if not parts:
        st.caption("The release holds no ungraded spectra to compare with.")
        return NO_NORMALS
    return pd.concat(parts)


def _show_lines(lines: list[Line], peaks: pd.DataFrame, trial: float) -> None:
    if not lines:
        st.markdown("No line falls into the spectrum at this redshift.")
        return
    rows = []
    for line in lines:
        near = peaks.iloc[(peaks["wave"] - line.wave).abs().argsort()[:1]]
        peak = float(near["wave"].iloc[0]) if len(near) else np.nan
        rows.append(
            (
                line.name,
                line.kind,
                line.wave / (1 + trial),
                line.wave,
                peak,
                measure_velocity(peak, line.wave),
            )
        )
    names = ["Line", "Kind", "Rest (Å)", "Observed (Å)", "Nearest peak (Å)", "Velocity (km/s)"]
    st.dataframe(
        pd.DataFrame(rows, columns=names).round(1),
        hide_index=True,
        alt="Spectral lines at the trial redshift",
    )


def _offer_spectrum(spectrum: Spectrum, targetid: int) -> None:
    rows = pa.table(
        {
            "wave": spectrum.wave.round(1),
            "flux": spectrum.flux,
            "ivar": spectrum.ivar,
            "mask": spectrum.mask,
            "model": spectrum.model,
        }
    )
    offer_files(
        "Spectrum",
        f"desi-{targetid}",
        partial(files.write_rows, rows),
        (formats.CSV, formats.FITS, formats.VOTABLE),
        "Observed frame, unsmoothed: wave, flux, ivar, mask, model.",
    )


def _show_context(row: dict[str, object], targetid: int, evidence: Evidence | None) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Why it stands out")
        if evidence is None:
            st.markdown("This release does not say.")
        else:
            show_chart(charts.draw_reasons(sum_reasons(evidence)), "Strongest departure by reason")
            st.caption("The strongest statistic of each kind; the dashed line marks 3 spreads.")
    with right:
        st.subheader("Among normal spectra alike")
        null = ask(published_spectra.find_null_scores, targetid, N_NULL)
        score = float(str(row["anomaly_score"]))
        show_chart(charts.draw_context(null, score), "Score among normal spectra alike")
        st.caption(
            f"The {len(null):,} reference spectra nearest in redshift and SNR; "
            f"{int((null >= score).sum()):,} of them score as high."
        )


# Apart from the page, and one at a time: each of them asks for all rows of a table.
@st.fragment
def _show_beside(targetid: int) -> None:
    views = {
        "In other catalogues": _show_matches,
        "Neighbours in latent space": _show_neighbours,
        "Evidence for the class": _show_class,
        "Earlier spectra": _show_changes,
    }
    for tab, show_view in zip(st.tabs(list(views), on_change="rerun"), views.values(), strict=True):
        if tab.open:
            with tab:
                _tell_fault(partial(show_view, targetid))


def _show_class(targetid: int) -> None:
    rows = ask(objects.find_class_evidence, targetid)
    if rows.empty:
        st.markdown("This release has none for this object.")
        return
    st.dataframe(rows, hide_index=True, alt="Features that decided the class")


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


def _show_ways_out(row: dict[str, object]) -> None:
    release = current_release()
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Elsewhere")
        _show_links(row)
    with right:
        st.subheader("Cite")
        st.markdown(escape(explain.cite_object(row, release.title, release.version)))
        _show_bibtex(row)


# Only when it is asked for: what colours code is a megabyte of script, read for the first time.
@st.fragment
def _show_bibtex(row: dict[str, object]) -> None:
    release = current_release()
    year = release.date[:4]
    with st.expander("BibTeX", on_change="rerun") as part:
        if part.open:
            entry = explain.write_bibtex(row, release.title, release.version, year)
            st.code(entry, "bibtex", wrap_lines=True)


def _show_links(row: dict[str, object]) -> None:
    release = current_release()
    links = [] if release.is_mock else explain.list_links(row)
    if not links:
        st.markdown("The object has no position on the real sky.")
        return
    st.markdown("\n".join(f"- [{link.title}]({link.address})" for link in links))
    specprod = release.facts.get("Reduction (specprod)", "iron")
    st.markdown(f"- In DESI's archive: [coadd file]({explain.locate_coadd(row, specprod)})")
    if network.is_on():
        st.image(network.locate_cutout(row), caption="Legacy Surveys DR10", width=256)
        st.iframe(network.locate_aladin(row), height=360, alt="Aladin Lite, centred on the object")
    else:
        st.caption(
            "Absent: the Legacy Surveys' image and Aladin Lite, for this portal runs without "
            "network (`qad portal --network`)."
        )


if __name__ == "__main__":
    show()
