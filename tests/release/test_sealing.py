"""A release is there whole, listed and read-only, or not at all."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from release.sealing import (
    CHECKSUMS,
    building,
    hash_file,
    hash_pieces,
    hold,
    list_files,
    read_checksums,
    seal,
)

# Files end in one letter, folders in none, so that no name is both.
parts = st.text("abé- ", min_size=1, max_size=5).map(lambda text: f"{text}_")
names = st.tuples(st.lists(parts, max_size=2), parts).map(lambda p: "/".join((*p[0], f"{p[1]}f")))
trees = st.dictionaries(names, st.binary(max_size=50), min_size=1, max_size=6)


def write(folder: Path, tree: dict[str, bytes]) -> None:
    for name, content in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@given(trees)
def test_list_names_every_file_and_its_bytes(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
) -> None:
    path = tmp_path_factory.mktemp("releases") / "0.1.0"
    with building(path) as partial:
        write(partial, tree)
    assert list_files(path) == sorted(tree)
    assert read_checksums(path) == {name: hash_pieces([tree[name]]) for name in sorted(tree)}
    assert [entry.name for entry in path.parent.iterdir()] == ["0.1.0"]
    for name in (*tree, CHECKSUMS):
        assert stat.S_IMODE((path / name).stat().st_mode) == 0o444


@pytest.mark.parametrize("fault", [KeyError("x"), KeyboardInterrupt(), UserError("no")])
def test_what_fails_leaves_nothing(tmp_path: Path, fault: BaseException) -> None:

    def fail() -> None:
        with building(tmp_path / "r" / "0.1.0") as partial:
            (partial / "file").write_text("half")
            raise fault

    with pytest.raises(type(fault)):
        fail()
    assert list((tmp_path / "r").iterdir()) == []


def test_what_a_killed_build_left_is_no_part_of_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".0.1.0.partial"
    write(left, {"old/file": b"old"})
    with building(tmp_path / "0.1.0") as partial:
        write(partial, {"new": b"new"})
    assert list_files(tmp_path / "0.1.0") == ["new"]
    assert not left.exists()


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    again = hold(tmp_path)
    with hold(tmp_path), pytest.raises(UserError, match="another release is being built or moved"):
        again.__enter__()
    with hold(tmp_path):
        pass


@given(st.lists(st.binary(max_size=20)))
def test_pieces_hash_as_their_file(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("hash") / "file"
    path.write_bytes(b"".join(pieces))
    assert hash_pieces(pieces) == hash_file(path)


def test_sealing_again_lists_what_is_there_now(tmp_path: Path) -> None:
    write(tmp_path, {"a": b"1", "b/c": b"2"})
    seal(tmp_path)
    before = read_checksums(tmp_path)
    os.chmod(tmp_path / CHECKSUMS, 0o644)
    (tmp_path / "b" / "c").unlink()
    seal(tmp_path)
    assert read_checksums(tmp_path) == {"a": before["a"]}
