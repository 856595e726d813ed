"""How every page reaches the release, its rows and its sibling pages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from catalog_schema.column import Table
from portal.data.database import Connection, connect_once, stamp
from portal.data.releases import Release, open_release

Answer = TypeVar("Answer")
_STATE = "open_release"


def enter(root: Path) -> Release:
    """Open a release for this run of the page."""
    release = open_release(root)
    st.session_state[_STATE] = release
    return release


def current_release() -> Release:
    """Return the release that this run of the page shows."""
    release = st.session_state[_STATE]
    assert isinstance(release, Release)
    return release


def ask(question: Callable[..., Answer], *arguments: object) -> Answer:
    """Ask the release a question of `portal.data`, or recall the answer."""
    return ask_of(current_release().root, question, *arguments)


def ask_of(root: Path, question: Callable[..., Answer], *arguments: object) -> Answer:
    """Ask another release the same, e.g. the one before."""
    answer: Answer = _recall(stamp(root), str(root), question.__name__, arguments, question)
    return answer


def current_connection() -> Connection:
    """Return the connection, for work outside of a page's run such as a deferred download."""
    return connect_once(current_release().root)


def current_table() -> Table:
    """Return the columns that the release's main table has."""
    return current_connection().table


def link_params(**params: str | list[str]) -> dict[str, str | list[str]]:
    """Return the parameters of a link within the portal, which stays in the chosen release."""
    kept = {"release": st.query_params.get_all("release")}
    return {name: value for name, value in {**params, **kept}.items() if value}


@st.cache_data(max_entries=512, show_spinner=False)
def _recall(
    seal: int, root: str, name: str, arguments: tuple[object, ...], _question: Callable[..., Any]
) -> Any:
    return _question(connect_once(Path(root)), *arguments)
