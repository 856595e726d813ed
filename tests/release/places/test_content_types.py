"""Every file of a release has a media type of its own."""

from pathlib import Path

import pytest

from release.faces.face import Face
from release.faces.registry import FACES
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


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_every_file_of_a_face_has_a_type(face: Face, released: Path) -> None:
    for name in list_files(released):
        if any(name == file or (file[-1] == "/" and name.startswith(file)) for file in face.files):
            kind = find_content_type(name)
            assert kind != "application/octet-stream"
            assert kind.endswith("; charset=utf-8") == kind.startswith("text/")
    for ending, kind in face.media_types.items():
        name = f"folder/name{ending}" if ending.startswith(".") else f"folder/{ending}"
        assert find_content_type(name).removesuffix("; charset=utf-8") == kind
        assert find_content_type(f"other/{name}") == find_content_type(name)
