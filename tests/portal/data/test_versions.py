"""Which releases lie on a machine, newest first."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.data.releases import ReleaseError
from portal.data.versions import (
    RELEASE_VARIABLE,
    chosen_release,
    find_release,
    list_siblings,
    list_versions,
    open_sibling,
)


def copy_release(release: Path, data: Path, *versions: str) -> None:
    for version in versions:
        target = data / "releases" / version
        target.mkdir(parents=True)
        shutil.copy(release / "manifest.json", target)


def test_newest_version_is_semantic(release: Path, tmp_path: Path) -> None:
    copy_release(release, tmp_path, "1.9.0", "1.10.0", "1.10.0-rc.2", "1.10.0-rc.10")
    (tmp_path / "releases/2.0.0").mkdir()
    (tmp_path / "releases/draft").mkdir()
    assert find_release(tmp_path).name == "1.10.0"
    assert find_release(tmp_path / "releases").name == "1.10.0"
    assert find_release(tmp_path / "releases/1.9.0").name == "1.9.0"
    names = [root.name for root in list_siblings(find_release(tmp_path))]
    assert names == ["1.10.0", "1.10.0-rc.10", "1.10.0-rc.2", "1.9.0"]


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=1, max_size=8, unique=True))
def test_the_greatest_numbers_are_the_newest(
    release: Path, tmp_path_factory: pytest.TempPathFactory, numbers: list[tuple[int, ...]]
) -> None:
    data = tmp_path_factory.mktemp("data")
    copy_release(release, data, *(".".join(map(str, each)) for each in numbers))
    found = [root.name for root in list_versions(data / "releases")]
    assert found == [".".join(map(str, each)) for each in sorted(numbers, reverse=True)]
    assert find_release(data).name == found[0]


@pytest.mark.parametrize(
    "name", ["1.0", "1.0.0.0", "v1.0.0", "1.x.0", "latest", ".1.0.0", "1.0.0 "]
)
def test_what_is_no_version_is_no_release(release: Path, tmp_path: Path, name: str) -> None:
    copy_release(release, tmp_path, name)
    assert list_versions(tmp_path / "releases") == []


def test_a_release_of_another_name_stands_before_its_siblings(
    release: Path, tmp_path: Path
) -> None:
    copy_release(release, tmp_path, "draft", "1.0.0")
    draft = tmp_path / "releases/draft"
    assert [root.name for root in list_siblings(draft)] == ["draft", "1.0.0"]
    assert open_sibling(draft, "1.0.0") == tmp_path / "releases/1.0.0"
    assert open_sibling(draft, "2.0.0") is None
    assert open_sibling(draft, "../releases/1.0.0") is None


def test_no_release_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ReleaseError, match="no release in") as fault:
            find_release(folder)
        assert "\n" not in str(fault.value)
    monkeypatch.delenv(RELEASE_VARIABLE, raising=False)
    with pytest.raises(ReleaseError, match="qad portal PATH"):
        chosen_release()
    monkeypatch.setenv(RELEASE_VARIABLE, str(tmp_path))
    assert chosen_release() == tmp_path
