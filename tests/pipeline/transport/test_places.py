"""Where files that the settings name are looked for: below a local source, then from here."""

from pathlib import Path

import pytest

from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.lake.store import Store
from pipeline.transport.places import find_beside, find_mock


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(folder: Path, name: str = "some.fits") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("it")
    return path


def from_source(source: object) -> Config:
    return load_config(None, source=str(source))


def test_the_source_goes_before_the_working_folder(
    store: Store, here: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    near = put(here)
    source.mkdir()
    found = find_beside(store, from_source(source), "earlier.index", "some.fits")
    assert found.resolve() == near
    far = put(source)
    assert find_beside(store, from_source(source), "earlier.index", "some.fits") == far


def test_a_remote_source_has_no_files_beside_it(store: Store, here: Path) -> None:
    near = put(here, "public/some.fits")
    for source in ("s3://desidata/public", "https://data.desi.lbl.gov/public"):
        found = find_beside(store, from_source(source), "earlier.index", "public/some.fits")
        assert found.resolve() == near


def test_files_beside_a_mock_are_in_its_tree(store: Store, here: Path) -> None:
    config = load_config(None)
    path = put(find_mock(store, config))
    assert find_beside(store, config, "earlier.index", "some.fits") == path


def test_folders_and_absolute_paths_are_found(store: Store, here: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    folder = put(source / "spectra").parent
    other = put(tmp_path / "elsewhere")
    config = from_source(source)
    assert find_beside(store, config, "earlier.spectra", "spectra") == folder
    assert find_beside(store, config, "earlier.spectra", str(other)) == other


@pytest.mark.parametrize("is_local", [True, False])
def test_what_is_nowhere_is_one_line_with_every_folder(
    store: Store, here: Path, tmp_path: Path, is_local: bool
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    config = from_source(source if is_local else "s3://desidata/public")
    with pytest.raises(UserError) as caught:
        find_beside(store, config, "earlier.index", "some.fits")
    text = str(caught.value)
    assert text.startswith("earlier.index some.fits: no such file in ")
    assert "\n" not in text
    assert str(here) in text
    assert (str(source) in text) is is_local


def test_every_mock_has_a_tree_of_its_own_and_always_the_same(store: Store) -> None:
    one, other = load_config(None, ["mock.seed=1"]), load_config(None, ["mock.seed=2"])
    assert find_mock(store, one) == find_mock(store, load_config(None, ["mock.seed=1"]))
    assert find_mock(store, one) != find_mock(store, other)
    # What only decides how the run goes moves no tree.
    assert find_mock(store, load_config(None, ["mock.seed=1", "run.workers=2"])) == find_mock(
        store, one
    )
    assert find_mock(store, one).is_relative_to(store.root / "mock")
