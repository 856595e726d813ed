"""The catalogues of a run: how each is searched, and what tells that its files are others."""

import os
from pathlib import Path

import pytest

from pipeline.config import load_config
from pipeline.context.searches import Search, list_searches
from pipeline.errors import UserError
from pipeline.lake.store import Store
from pipeline.settings.context import CatalogueSettings


def list_mine(store: Store, source: Path, *overrides: str) -> Search:
    config = load_config(None, overrides, source=str(source))
    (mine,) = [search for search in list_searches(store, config) if search.name == "mine"]
    return mine


def name_file(*files: str, **rest: str) -> str:
    values = {"files": str(list(files)), **{key: f'"{value}"' for key, value in rest.items()}}
    told = ", ".join(f"{key} = {value}" for key, value in values.items())
    return f"crossmatch.catalogues={{mine = {{{told}}}}}"


@pytest.mark.parametrize("files", [(), (Path("a.csv"),)])
@pytest.mark.parametrize("is_asked", [False, True])
@pytest.mark.parametrize("service", ["", "xmatch", "tap"])
def test_a_file_spares_the_service_and_a_service_is_asked_only_by_name(
    files: tuple[Path, ...], is_asked: bool, service: str
) -> None:
    settings = CatalogueSettings.model_validate({"service": service})
    search = Search("mine", settings, files, None, is_asked)
    wanted = "file" if files else (service if is_asked else "none")
    assert search.access == wanted
    assert search.is_remote == (wanted in ("xmatch", "tap"))


def test_files_are_found_beside_the_source_in_the_order_given(store: Store, tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "sky.fits"):
        (tmp_path / name).write_text("ra,dec\n1,2\n")
    mine = list_mine(store, tmp_path, name_file("b.csv", "a.csv", moc="sky.fits"))
    assert mine.files == (tmp_path / "b.csv", tmp_path / "a.csv")
    assert mine.moc == tmp_path / "sky.fits"
    assert len(mine.identify_sources()) == 2
    assert len(mine.identify_footprint()) == 1
    assert not list_mine(store, tmp_path, name_file("a.csv")).identify_footprint()


@pytest.mark.parametrize("key", ["files", "moc"])
def test_a_file_that_is_not_there_is_one_line(store: Store, tmp_path: Path, key: str) -> None:
    (tmp_path / "a.csv").write_text("ra,dec\n1,2\n")
    told = name_file("no\nwhere") if key == "files" else name_file("a.csv", moc="nowhere")
    with pytest.raises(UserError, match=r"\[crossmatch.catalogues.mine\] no") as caught:
        list_mine(store, tmp_path, told.replace("\n", "\\n"))
    assert str(tmp_path) in str(caught.value)


def test_a_file_is_the_same_until_it_is_written_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ra,dec\n1,2\n")

    def identify() -> tuple[str, ...]:
        return list_mine(store, tmp_path, name_file("a.csv")).identify_sources()

    first = identify()
    assert identify() == first
    path.write_text("ra,dec\n1,2\n3,4\n")
    longer = identify()
    assert longer != first
    path.write_text("ra,dec\n1,2\n3,5\n")
    os.utime(path, (1, 1))
    assert identify() not in (first, longer)


def test_a_part_more_in_a_folder_makes_it_another(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "1.parquet").write_bytes(b"one")
    first = list_mine(store, tmp_path, name_file("parts")).identify_sources()
    (folder / "2.parquet").write_bytes(b"two")
    assert list_mine(store, tmp_path, name_file("parts")).identify_sources() != first


def test_catalogues_come_by_name_and_only_those_named_are_asked(
    store: Store, tmp_path: Path
) -> None:
    config = load_config(None, ['crossmatch.ask=["simbad"]'], source=str(tmp_path))
    searches = {search.name: search for search in list_searches(store, config)}
    assert list(searches) == sorted(searches)
    assert [name for name, search in searches.items() if search.is_remote] == ["simbad"]
    assert {search.access for name, search in searches.items() if name != "simbad"} == {"none"}
