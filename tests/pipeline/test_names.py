"""Names that become paths: below their folder, or refused in one line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.config import load_config
from pipeline.errors import QadError, UserError
from pipeline.lake.layout import Lake, Shard
from pipeline.names import check_list, find_below
from release.versions import parse_version

ROOT = Path("/tmp/somewhere/root")
LAKE = Lake(ROOT)
PLACES: dict[str, Callable[[str], Path]] = {
    "dataset": LAKE.dataset,
    "table": LAKE.table,
    "survey": lambda name: LAKE.shard("coadds", Shard(name, "dark", 1)),
    "program": lambda name: LAKE.shard("coadds", Shard("main", name, 1)),
    "index": lambda name: LAKE.index(Shard(name, name, 1)),
    "catalogue": lambda name: LAKE.catalogue("matches", name),
    "index of a catalogue": lambda name: LAKE.source_index(name, name),
    "model": LAKE.model,
    "checkpoint": LAKE.checkpoint,
    "mock": LAKE.mock,
    "queue": LAKE.queue,
    "applied": LAKE.applied,
    "release": LAKE.release,
    "listed file": lambda name: find_below(ROOT, name),
}
HOSTILE = [
    "",
    ".",
    "..",
    "../..",
    "../../.",
    "/",
    "/etc/passwd",
    "a/../../b",
    "..\\..\\b",
    "a\0b",
    "a\nb",
    "a" * 300,
    "é" * 150,
    "\u202egnp.exe",
    "a/",
    "a//b",
    " a",
    "a ",
    "C:\\a",
    "\ud800",
    "0.1.0/../..",
    ".hidden",
]
# What a stranger writes: any text, mostly of the letters that lead elsewhere.
names = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=30), st.text("./\\~ab\0\n:", max_size=12)
)


@pytest.mark.parametrize("kind", PLACES)
@given(name=names)
@example(name="../../.")
@example(name="main")
@example(name="0.1.0")
def test_a_path_is_below_its_root_or_refused(kind: str, name: str) -> None:
    try:
        path = PLACES[kind](name)
    except UserError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert message.isprintable()
        assert len(message) < 300
        return
    place = Path(os.path.normpath(path))
    assert place.is_relative_to(ROOT)
    assert place != ROOT
    assert all(len(os.fsencode(part)) <= 255 for part in place.parts)


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_refused(kind: str, name: str) -> None:
    with pytest.raises(UserError):
        PLACES[kind](name)


@pytest.mark.parametrize("version", ["\u0660.\u0661.\u0662", "0.01.0", "9" * 5000 + ".0.0", "1.0"])
def test_a_version_has_one_spelling(version: str) -> None:
    with pytest.raises(UserError, match=r"not of the form X.Y.Z"):
        LAKE.release(version)
    with pytest.raises(UserError, match=r"not of the form X.Y.Z"):
        parse_version(version)


def test_desi_names_and_ids_are_taken() -> None:
    for name in ("main", "sv3", "dark1b", "bright", "3f2a9c11b0de", "sdss-dr16q", "gaia_dr3"):
        assert LAKE.dataset(name) == ROOT / "lake" / name


@pytest.mark.parametrize(
    "listed",
    [
        ["a", "a/b"],
        ["a/b", "a/b/c"],
        ["a", "a"],
        ["catalog/Quasars", "catalog/quasars"],
        ["A/x", "a/x"],
        ["caf\u00e9", "cafe\u0301"],
        ["stra\u00dfe", "STRASSE"],
        ["b", "../b"],
    ],
)
def test_lists_in_which_one_file_takes_another_s_place_are_refused(listed: list[str]) -> None:
    with pytest.raises(UserError, match="do not use it"):
        check_list(listed, "SHA256SUMS")


@given(listed=st.lists(st.text("aAb/", min_size=1, max_size=6), max_size=5, unique=True))
def test_accepted_lists_can_be_written(
    tmp_path_factory: pytest.TempPathFactory, listed: list[str]
) -> None:
    try:
        check_list(listed, "list")
    except UserError:
        return
    folder = tmp_path_factory.mktemp("files")
    for name in listed:
        path = find_below(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert [(folder / name).read_text() for name in listed] == listed


@pytest.mark.parametrize("link", ["", "catalog", "catalog/quasars.parquet"])
def test_links_in_the_way_are_refused(tmp_path: Path, link: str) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "0.1.0"
    outside.mkdir()
    place = folder / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    with pytest.raises(UserError, match="is a link"):
        find_below(folder, "catalog/quasars.parquet")


def test_file_and_folder_in_each_other_s_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "b").mkdir()
    for name in ("a/b", "b"):
        with pytest.raises(UserError, match="in the way"):
            find_below(tmp_path, name)


@pytest.mark.parametrize("name", ["../x", "a/b", "a" * 300, ""])
def test_catalogue_of_the_configuration_is_refused_at_once(name: str) -> None:
    with pytest.raises(QadError, match="catalogue"):
        load_config(None, [f'crossmatch.catalogues={{"{name}"={{files=["x.csv"]}}}}'])
