"""How every page reaches the release, its rows and its sibling pages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from portal.database import Connection, connect
from portal.releases import Release, open_release

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
    """Ask the release a question of `portal.queries`, or recall the answer."""
    root = current_release().root
    answer: Answer = _recall(_stamp(root), str(root), question.__name__, arguments, question)
    return answer


def current_connection() -> Connection:
    """Return the connection, for work outside of a page's run such as a deferred download."""
    root = current_release().root
    connection: Connection = _connection(_stamp(root), str(root))
    return connection


def link_params(**params: str | list[str]) -> dict[str, str | list[str]]:
    """Return the parameters of a link within the portal, which stays in the chosen release."""
    kept = {"release": st.query_params.get_all("release")}
    return {name: value for name, value in {**params, **kept}.items() if value}


@st.cache_data(max_entries=512, show_spinner=False)
def _recall(
    stamp: int, root: str, name: str, arguments: tuple[object, ...], _question: Callable[..., Any]
) -> Any:
    return _question(_connection(stamp, root), *arguments)


@st.cache_resource(max_entries=8, show_spinner="Opening the release …")
def _connection(stamp: int, root: str) -> Connection:
    return connect(Path(root))


def _stamp(root: Path) -> int:
    # A release rebuilt in place must not be answered from memory.
    return (root / "manifest.json").stat().st_mtime_ns
