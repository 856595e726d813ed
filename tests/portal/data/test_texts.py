"""Texts from elsewhere are shown as they are, whatever Markdown would make of them."""

import html
import re

import pytest
from hostile import HOST, MARKUP
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from portal.data.texts import MAX_LENGTH, clean, escape, write_message

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
# As hostile as texts come: what opens something in Markdown, and what it may open.
SIGNS = st.text(st.sampled_from("*_`[]()<>#+-.!|~$:&@=\\1a \n\t{}/\u202e\x07w"), max_size=30)
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def render(text: str) -> str:
    """Return what a reader sees; nothing may have become an element beside the paragraph."""
    shown = MARKDOWN.render(text).strip()
    inside = re.fullmatch(r"(?:<p>(.*)</p>)?", shown, re.DOTALL)
    assert inside is not None, shown
    told = inside[1] or ""
    assert "<" not in told, told
    return html.unescape(told)


@given(SIGNS)
@example("1. a")
@example("- a")
@example("![a](http://x/b)")
@example("a&amp;b")
def test_escaped_texts_are_read_as_they_are(text: str) -> None:
    assert render(escape(text)) == clean(text)


@given(st.text(max_size=3 * MAX_LENGTH))
def test_clean_texts_are_one_short_line_without_controls(text: str) -> None:
    line = clean(text)
    assert not CONTROLS.search(line)
    assert len(line) <= MAX_LENGTH + 2
    assert line == line.strip()
    line.encode()


@given(st.text(max_size=200))
def test_to_clean_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(SIGNS.filter(lambda text: "`" not in text))
def test_only_code_of_a_message_stays_markup(text: str) -> None:
    told = MARKDOWN.render(write_message(f"`name` {text}"))
    assert told.count("<code>") == 1
    assert not re.search(r"<(?!/?(?:code|p)>)", told)


@given(SIGNS)
def test_an_open_quote_makes_no_code(text: str) -> None:
    if text.count("`") % 2:
        assert render(write_message(text)) == clean(text)


def test_addresses_become_no_links() -> None:
    assert escape(MARKUP).replace("\\", "") == clean(MARKUP).replace("\\", "")
    assert HOST not in write_message(f"`x` is {MARKUP}").split("http\\:")[0]
    assert "www." not in escape("see www.evil.test and WWW.evil.test").lower()


@pytest.mark.parametrize("text", ["a\ud800b", "x" * 10**6, "\u200f\u202ea"])
def test_unwritable_and_endless_texts_are_shortened(text: str) -> None:
    assert len(clean(text).encode()) < 4 * MAX_LENGTH
