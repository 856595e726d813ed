"""What every file of a release says of its licence, source and thanks."""

import pytest
from toy_points import POINTS

from catalog_schema.kinds import SPECTRA
from release.credit import LICENCE_URL, find_words, make_citation, make_notes, make_title
from release.rendering import find_template, render


def test_every_note_is_one_that_may_travel_alone() -> None:
    notes = make_notes("A title", "1.2.3", {"specprod": "iron"})
    assert (notes["title"], notes["version"]) == ("A title", "1.2.3")
    assert LICENCE_URL in notes["license"]
    assert notes["citation"] == make_citation({"specprod": "loa"})
    assert all(text == text.strip() and text for text in notes.values())
    for words in ("Office of Science", "I’oligam Du’ag", "Tohono O’odham"):
        assert words in notes["acknowledgement"]


def test_only_what_was_made_of_desi_thanks_desi() -> None:
    notes = make_notes("A title", "1.2.3", {"kind": "toy"})
    assert "acknowledgement" not in notes
    assert "DESI Collaboration" not in notes["citation"]


@pytest.mark.parametrize(("kind", "name"), [("sdss", "Sloan"), ("lamost", "Guoshoujing")])
def test_other_surveys_are_thanked_by_name(kind: str, name: str) -> None:
    source = {"kind": kind}
    assert name in make_notes("A title", "1.2.3", source)["acknowledgement"]
    words = find_template("ACKNOWLEDGEMENTS.md.j2", find_words(source))
    assert name in render(words, {"catalogues": []})


def test_a_title_is_that_of_the_settings_or_says_what_is_listed() -> None:
    assert make_title("Own", SPECTRA) == "Own"
    assert make_title("", SPECTRA) == "DESI-QAD: anomalous quasars"


def test_each_kind_is_titled_by_its_own_members() -> None:
    titles = {make_title("", kind) for kind in (SPECTRA, POINTS)}
    assert titles == {"DESI-QAD: anomalous quasars", "DESI-QAD: anomalous points"}


@pytest.mark.parametrize("source", [{"specprod": "loa"}, {"kind": "toy"}, {}])
def test_the_catalogue_itself_is_cited_first_and_once(source: dict[str, str]) -> None:
    parts = make_citation(source).split("; ")
    assert parts[0] == "DESI-QAD"
    assert len(parts) == len(set(parts)) == (2 if "specprod" in source else 1)
    assert all(parts)
    assert make_notes("t", "1.0.0", source)["citation"] == make_citation(source)
