"""Every file of a release has a media type of its own."""

from pathlib import Path

from release.places.content_types import find_content_type
from release.sealing import list_files


def test_only_weights_are_mere_bytes(released: Path) -> None:
    found = {name: find_content_type(name) for name in list_files(released)}
    unknown = [name for name, kind in found.items() if kind == "application/octet-stream"]
    assert all(name.endswith(".safetensors") for name in unknown)
    assert found["site/index.html"] == "text/html; charset=utf-8"


def test_spelling_and_kinds_of_the_library() -> None:
    assert find_content_type("a/MAP.PNG") == "image/png"
    assert find_content_type("a/PAGE.Html") == "text/html; charset=utf-8"
    assert find_content_type("no_such_kind.zzz") == "application/octet-stream"
