"""The portal's front door: chooses the release, the page and what frames every page."""

import os
from pathlib import Path

import streamlit as st

from portal.releases import Release, ReleaseError, list_siblings
from portal.views import access

RELEASE_VARIABLE = "QAD_RELEASE"
ACKNOWLEDGEMENT = (
    "This portal uses data obtained with the Dark Energy Spectroscopic Instrument (DESI). "
    "DESI construction and operations is managed by the Lawrence Berkeley National Laboratory. "
    "The full acknowledgement is on the page “About”."
)


def main() -> None:
    """Draw the chosen page; a release that cannot be shown becomes one line."""
    st.set_page_config("DESI-QAD", page_icon="🔭", layout="wide", menu_items={})
    page = st.navigation(
        [
            st.Page("views/explore.py", title="Explore", default=True),
            st.Page("views/object.py", title="Object", url_path="object"),
            st.Page("views/sql.py", title="SQL", url_path="sql"),
            st.Page("views/match.py", title="Match", url_path="match"),
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
        page.run()
    except ReleaseError as fault:
        st.error(str(fault))
    else:
        _draw_footer(release)


def _choose_root() -> Path:
    start = os.environ.get(RELEASE_VARIABLE)
    if start is None:
        raise ReleaseError(
            f"No release was chosen: start the portal with `qad portal PATH` or set "
            f"`{RELEASE_VARIABLE}` to a release directory."
        )
    roots = {root.name: root for root in list_siblings(Path(start))}
    return roots[_choose_version(list(roots), Path(start).name)]


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
    st.caption(f"**{release.title}**, release {release.version}. {ACKNOWLEDGEMENT}")


main()
