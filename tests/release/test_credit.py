"""What every file of a release says of its licence, source and thanks."""

from release.credit import CITATION, LICENCE_URL, make_notes


def test_every_note_is_one_that_may_travel_alone() -> None:
    notes = make_notes("A title", "1.2.3")
    assert (notes["title"], notes["version"]) == ("A title", "1.2.3")
    assert LICENCE_URL in notes["license"]
    assert notes["citation"] == CITATION
    assert all(text == text.strip() and text for text in notes.values())
    for words in ("Office of Science", "I’oligam Du’ag", "Tohono O’odham"):
        assert words in notes["acknowledgement"]
