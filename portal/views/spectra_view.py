"""Spectra: the spectrum with its reconstruction, why it stands out, and normal ones alike."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from catalog_schema.statistics import STATISTICS
from portal.data import explain, published_spectra
from portal.data.evidence import Evidence, list_peaks, measure_velocity, sum_reasons
from portal.data.lines import Line, place_lines
from portal.data.releases import SPECTRA_KIND, AbsentError, Release
from portal.data.spectrum import Spectrum, list_masked, make_curves, name_arms, shift_like
from portal.drawing import evidence_charts
from portal.drawing.spectrum_chart import (
    NO_NORMALS,
    NO_PEAKS,
    Beside,
    View,
    count_merged,
    draw_spectrum,
)
from portal.export import formats
from portal.service import files
from portal.views.access import ask, current_release
from portal.views.object_view import ObjectView, Row
from portal.views.offers import MAX_Z
from portal.views.parts import offer_files, read_zoom, show_chart, tell_fault

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
    "finding",
    "finding_p_value",
    "anomaly_class",
    "artefact_kind",
    "artefact_probability",
    "better_z",
    "cluster",
    "review_status",
)
KINDS = ("emission", "absorption")
MAX_SMOOTHING = 41
_SMOOTHING = 5
N_NORMALS = 5
# How many normal spectra a score is drawn among where the release does not say how many its
# calibration compared with.
N_NULL = 200
# Pixels of a normal spectrum that are averaged into one.
_NORMAL_WIDTH = 16
_METHOD = f"""
Each spectrum is joined over its arms, resampled to a common grid (in the rest frame of its class,
or as observed) and described by an autoencoder that was trained on the survey's own spectra of
that class. {len(STATISTICS)} statistics say how it departs from that description: what the
**reconstruction** misses, as a whole, as narrow or broad excess or lack, or in the shape of
lines, dust, iron, ripples or the light of a second source; how improbable its **latent** code is,
and how isolated. Each is compared with normal spectra alike in SNR, redshift and coverage, so
that a score means the same for bright and faint objects; the strongest reasons together are the
anomaly score with its p-value. A classifier, taught with phenomena planted in ordinary spectra,
says how unlike those a spectrum is in what it knows; both together are the **joint p-value**. It
grades the list of the **named**, whose class is an anomaly or an artefact. The list of the
**unexplained**, which have no such class, is graded by the p-value of the score alone. Over each
list there is a false- discovery rate (q-value); a tier is everything below a level of it that was
fixed before anyone looked at the counts. What has too little signal is on no list.
"""


@dataclass(frozen=True)
class _Look:
    """What the widgets above a spectrum say."""

    frame: str
    kinds: tuple[str, ...]
    width: int
    is_full: bool
    has_normals: bool
    trial: float


def _draw(release: Release, row: Row) -> None:
    targetid = int(row["TARGETID"])
    evidence = ask(published_spectra.find_evidence, targetid)
    tell_fault(partial(_show_section, release, row, evidence))
    tell_fault(partial(_show_context, row, targetid, evidence))


def _draw_blinded(_: Release, row: Row) -> None:
    tell_fault(partial(_show_blinded, row))


# Apart from the page: to zoom in draws nothing else again.
@st.fragment
def _show_blinded(row: Row) -> None:
    spectrum = ask(published_spectra.find_spectrum, int(row["TARGETID"]))
    if spectrum is None:
        st.warning("No spectrum of this object is published; put it off, or look at DESI's own.")
        return
    lines = place_lines(_read_z(row) or 0.0, spectrum.wave[0], spectrum.wave[-1], ("emission",))
    # No peaks: where the score looks is not for blinded eyes.
    beside = Beside(list_masked(spectrum), lines, NO_PEAKS, NO_NORMALS)
    key = f"spectrum-{row['TARGETID']}"
    chart = draw_spectrum(
        make_curves(spectrum, _SMOOTHING), name_arms(spectrum), beside, View(window=read_zoom(key))
    )
    show_chart(chart, "Flux, reconstruction and residual of the spectrum", key, "rerun")


def _show_section(release: Release, row: Row, evidence: Evidence | None) -> None:
    st.subheader("Spectrum")
    try:
        spectrum = ask(published_spectra.find_spectrum, int(row["TARGETID"]))
    except AbsentError:
        spectrum = None
    if spectrum is None:
        _say_absent(release, row)
        return
    _show_spectrum(spectrum, _read_z(row), int(row["TARGETID"]), evidence)


def _read_z(row: Row) -> float | None:
    return None if row.get("Z") is None else float(row["Z"])


def _say_absent(release: Release, row: Row) -> None:
    st.info(
        "No spectrum is published for this object: the release holds the spectra of graded "
        "objects and of a random reference sample."
    )
    if release.is_mock:
        return
    st.markdown("From SPARCL at NOIRLab, in Python:")
    st.code(explain.write_sparcl(str(row["TARGETID"])), language="python")


@st.fragment
def _show_spectrum(
    spectrum: Spectrum, z: float | None, targetid: int, evidence: Evidence | None
) -> None:
    look = _choose_look(z, targetid)
    scale = 1 + look.trial if look.frame == "rest" else 1.0
    lines = place_lines(look.trial, spectrum.wave[0], spectrum.wave[-1], look.kinds)
    step = current_release().setting("preprocess", "log10_step")
    peaks = NO_PEAKS if evidence is None else list_peaks(evidence, z or 0.0, step)
    normals = _gather_normals(spectrum, z or 0.0, targetid) if look.has_normals else NO_NORMALS
    # The same for all objects: the browser keeps the chart, and the zoom, and changes the numbers.
    key = f"spectrum-{look.frame}"
    view = View(scale, look.frame, look.is_full, read_zoom(key))
    chart = draw_spectrum(
        make_curves(spectrum, look.width),
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
    _explain_chart(spectrum, count_merged(spectrum.wave, view))
    with st.expander("Lines and the peaks nearest to them", on_change="rerun") as part:
        if part.open:
            _show_lines(lines, peaks, look.trial)
    _offer_spectrum(spectrum, targetid)


def _choose_look(z: float | None, targetid: int) -> _Look:
    """Draw the widgets above a spectrum and return what they say."""
    top = st.columns([2, 2, 2, 2], vertical_alignment="bottom")
    frame = top[0].segmented_control(
        "Frame", ("observed", "rest"), default="observed", required=True, key="frame"
    )
    kinds = top[1].pills(
        "Lines",
        KINDS,
        selection_mode="multi",
        default=["emission"],
        key="lines",
        help="Markers at the trial redshift.",
    )
    width = top[2].slider(
        "Smoothing (pixels)",
        1,
        MAX_SMOOTHING,
        _SMOOTHING,
        2,
        key="smoothing",
        help="Inverse-variance weighted boxcar; the residual is that of the mean in the box.",
    )
    with top[3]:
        is_full = st.toggle("Whole range", key="full", help="Include pixels that dwarf all others.")
        has_normals = z is not None and st.toggle(
            "Normal spectra",
            key="normals",
            help=f"The {N_NORMALS} published ungraded ones most alike in redshift and SNR, "
            "moved to this redshift and level.",
        )
    trial = st.slider(
        "Trial redshift of the line markers",
        0.0,
        MAX_Z,
        min(max(z or 0.0, 0.0), MAX_Z),
        0.001,
        format="%.3f",
        key=f"trial-{targetid}",
        help="The catalogue says no redshift." if z is None else f"The catalogue says Z = {z:.4f}.",
    )
    return _Look(str(frame), tuple(kinds), width, is_full, has_normals, trial)


def _explain_chart(spectrum: Spectrum, n_merged: int) -> None:
    shown = f"the extremes of every {n_merged} pixels" if n_merged > 1 else "every pixel"
    st.caption(
        f"Drawn is {shown}. {spectrum.n_good:,} of {len(spectrum.flux):,} pixels are good; the "
        "others are named between the panels. The strip below the flux shows where matched filters "
        "find an excess or a lack: as wide as the filter, the fuller the stranger. Scroll or pinch "
        "to zoom in on every pixel, drag to move, double-click to return."
    )


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


def _show_context(row: Row, targetid: int, evidence: Evidence | None) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Why it stands out")
        if evidence is None:
            st.markdown("This release does not say.")
        else:
            chart = evidence_charts.draw_reasons(sum_reasons(evidence))
            show_chart(chart, "Strongest departure by reason")
            st.caption("The strongest statistic of each kind; the dashed line marks 3 spreads.")
    with right:
        st.subheader("Among normal spectra alike")
        tell_fault(partial(_show_null, row, targetid))


def _show_null(row: Row, targetid: int) -> None:
    n_alike = current_release().setting("calibrate", "neighbours") or N_NULL
    null = ask(published_spectra.find_null_scores, targetid, int(n_alike))
    if row.get("anomaly_score") is None:
        st.markdown("The object has no score.")
        return
    score = float(row["anomaly_score"])
    show_chart(evidence_charts.draw_context(null, score), "Score among normal spectra alike")
    st.caption(
        f"The {len(null):,} reference spectra nearest in redshift and SNR; "
        f"{int((null >= score).sum()):,} of them score as high."
    )


SPECTRA = ObjectView(SPECTRA_KIND, FACTS, _draw, _draw_blinded, _METHOD)
