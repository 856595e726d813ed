"""How pages reach a release: answers are recalled while its files stand, each of its release."""

import json
import shutil
from pathlib import Path

import pytest
import streamlit as st
from portal_release import N_ROWS
from streamlit.testing.v1 import AppTest

from portal.data.database import MAIN, Connection, fetch
from portal.data.releases import ReleaseError
from portal.views.access import (
    ask,
    ask_of,
    current_connection,
    current_release,
    current_table,
    enter,
)

asked: list[tuple[object, ...]] = []


def count_rows(con: Connection, *words: object) -> int:
    """Count the rows of a release, and note that it was asked."""
    asked.append(words)
    return int(fetch(con, MAIN, "SELECT count(*) AS n FROM rows")["n"][0])


def count_graded(con: Connection, *words: object) -> int:
    """Count its graded rows."""
    asked.append(words)
    return int(fetch(con, MAIN, "SELECT count(*) AS n FROM rows WHERE tier <> 'none'")["n"][0])


@pytest.fixture(autouse=True)
def _forget() -> None:
    st.cache_data.clear()
    asked.clear()


def test_a_question_is_asked_once_for_the_same_words(release: Path) -> None:
    enter(release)
    assert [ask(count_rows, "a"), ask(count_rows, "a"), ask(count_rows, "b", 1)] == [N_ROWS] * 3
    assert asked == [("a",), ("b", 1)]


def test_two_questions_of_the_same_words_are_two(release: Path) -> None:
    enter(release)
    assert ask(count_rows, "a") != ask(count_graded, "a")
    assert asked == [("a",), ("a",)]


def test_another_release_gives_its_own_answer(release: Path, own_release: Path) -> None:
    enter(release)
    assert ask_of(own_release, count_rows) == ask(count_rows)
    assert len(asked) == 2
    assert current_release().root == release


def test_a_release_that_was_changed_is_asked_again(own_release: Path) -> None:
    enter(own_release)
    ask(count_rows)
    ask(count_rows)
    assert len(asked) == 1
    manifest = own_release / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"title": "Changed"}))
    assert ask(count_rows) == N_ROWS
    assert len(asked) == 2


def test_a_release_that_is_gone_is_no_old_answer(own_release: Path) -> None:
    enter(own_release)
    ask(count_rows)
    shutil.rmtree(own_release)
    with pytest.raises(ReleaseError, match=r"has no manifest\.json any more"):
        ask(count_rows)


def test_a_page_shows_the_release_that_it_entered_last(release: Path, own_release: Path) -> None:
    for root in (release, own_release, release):
        entered = enter(root)
        assert current_release() is entered
        assert entered.root == root
    assert current_table().names == current_connection().table.names
    with pytest.raises(ReleaseError):
        enter(own_release / "nothing")
    # What could not be opened replaces nothing.
    assert current_release().root == release


def page() -> None:
    """Write the parameters of two links."""
    import streamlit

    from portal.views.access import link_params

    streamlit.json(link_params(targetid="7", tier=["gold", "silver"], search=""))
    streamlit.json(link_params())


@pytest.mark.parametrize("chosen", [None, "1.2.0"])
def test_a_link_stays_in_the_chosen_release(chosen: str | None) -> None:
    app = AppTest.from_function(page, default_timeout=30)
    if chosen:
        app.query_params["release"] = chosen
    app.query_params["other"] = "gone"
    app.run()
    assert not app.exception
    full, bare = (json.loads(element.value) for element in app.json)
    kept = {"release": [chosen]} if chosen else {}
    assert full == {"targetid": "7", "tier": ["gold", "silver"], **kept}
    assert bare == kept
