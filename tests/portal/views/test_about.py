"""The page about the release."""

from pathlib import Path

import pytest
from pages import open_page, written


def test_about_page_states_law_and_dictionary(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "about")
    assert "I'oligam Du'ag" in written(app)
    app.text_input(key="word").set_value("SFD98").run()
    assert app.dataframe[-1].value["Column"].tolist() == ["EBV"]
    app.text_input(key="word").set_value("nonsense").run()
    assert "No column" in app.info[-1].value
