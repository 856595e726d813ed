"""The portal's front door: chooses the release, the page and what frames every page."""

from pathlib import Path

import streamlit as st

from portal.data.releases import SPECTRA_KIND, Release, ReleaseError
from portal.data.texts import escape
from portal.data.versions import chosen_release, list_siblings
from portal.service.observe import time_page
from portal.views import access
from portal.views.parts import tell

# Of releases of DESI's spectra.
ACKNOWLEDGEMENT = (
    "This portal uses data obtained with the Dark Energy Spectroscopic Instrument (DESI). "
    "DESI construction and operations is managed by the Lawrence Berkeley National Laboratory. "
    "The full acknowledgement is on the page “About”. "
)
LICENCES = "Catalogue: CC BY 4.0; code: MIT licence."


def main() -> None:
    """Draw the chosen page; a release that cannot be shown becomes one line."""
    st.set_page_config("DESI-QAD", page_icon="🔭", layout="wide", menu_items={})
    page = st.navigation(
        [
            st.Page("views/explore.py", title="Explore", default=True),
            st.Page("views/object.py", title="Object", url_path="object"),
            st.Page("views/sql.py", title="SQL", url_path="sql"),
            st.Page("views/match.py", title="Match", url_path="match"),
            st.Page("views/review.py", title="Review", url_path="review"),
            st.Page("views/statistics.py", title="Statistics", url_path="statistics"),
            st.Page("views/about.py", title="About", url_path="about"),
        ],
        position="top",
    )
    try:
        release = access.enter(_choose_root())
        if release.is_mock:
            st.info(
                "This release was made from the mock survey: the spectra are simulated and the "
                "positions lead to no real object."
            )
        with time_page(page.title):
            page.run()
    except ReleaseError as fault:
        tell(fault)
    else:
        _draw_footer(release)


def _choose_root() -> Path:
    start = chosen_release()
    roots = {root.name: root for root in list_siblings(start)}
    return roots[_choose_version(list(roots), start.name)]


def _choose_version(versions: list[str], default: str) -> str:
    wanted = st.query_params.get("release", default)
    if wanted not in versions:
        st.warning(
            f"The release that the address asks for is not published here; this is {default}."
        )
        wanted = default
    if len(versions) > 1:
        st.session_state.setdefault("version", wanted)
        wanted = st.sidebar.selectbox("Release", versions, key="version")
    if wanted == default:
        st.query_params.pop("release", None)
    else:
        st.query_params["release"] = wanted
    return wanted


def _draw_footer(release: Release) -> None:
    st.divider()
    thanks = ACKNOWLEDGEMENT if release.kind == SPECTRA_KIND and release.is_desi else ""
    st.caption(f"**{escape(release.title)}**, release {release.version}. {thanks}{LICENCES}")


main()
