"""Templates: all of them parse, HTML shows any text as text, and nothing is left out in silence."""

from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release import rendering
from release.rendering import find_template, load_template, render

FOLDER = Path(rendering.__file__).parent / "templates"
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))
ROW = {"TARGETID": "1", "x": ""}
LIST = {
    "is_home": False,
    "home": "",
    "title": "",
    "version": "",
    "date": "2026-01-01",
    "source": {"kind": "desi"},
    "columns": ["x"],
}


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_parses(name: str) -> None:
    assert load_template(name)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_text_is_shown_as_text(text: str) -> None:
    expected = read(render("site/list.html.j2", {**LIST, "heading": "", "rows": [ROW]})).tags
    page = read(render("site/list.html.j2", {**LIST, "heading": text, "rows": [ROW | {"x": text}]}))
    assert page.tags == expected
    assert page.text.count(text) >= 2


def test_text_is_kept_outside_html() -> None:
    assert "<&>" in render("LICENSE.j2", {"licence_url": "", "title": "<&>", "version": "1"})


def test_a_fact_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("site/list.html.j2", {})
    with pytest.raises(jinja2.TemplateNotFound):
        load_template("nothing.j2")


@pytest.mark.parametrize("name", ["README.md.j2", "LICENSE.j2", "CITATION.cff.j2"])
def test_a_kind_with_a_text_of_its_own_has_that_and_others_the_common_one(name: str) -> None:
    assert find_template(name, "spectra") == f"spectra/{name}"
    assert find_template(name, "points") == name
    assert (FOLDER / name).is_file()


def test_of_what_is_nowhere_the_common_name_is_told() -> None:
    assert find_template("nothing.j2", "spectra") == "nothing.j2"
    # A folder is no template.
    assert find_template("verbatim", "spectra") == "verbatim"
