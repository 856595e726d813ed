"""Paths: the lake and the releases."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.lake.files import show
from pipeline.lake.layout import Lake, Shard, is_remote

SHARD = Shard("sv3", "dark", 26065)


def test_lake_keeps_everything_below_its_root() -> None:
    lake = Lake(Path("root"))
    paths = [
        lake.table("targets"),
        lake.shard("coadds", SHARD),
        lake.model("m"),
        lake.checkpoint("m"),
        lake.ledger,
        lake.lock,
        lake.mock("m"),
        lake.config,
        lake.applied("a"),
        lake.release("1.2.3"),
    ]
    assert all(path.is_relative_to("root") for path in paths)
    assert len(set(paths)) == len(paths)
    assert lake.shard("coadds", SHARD) == Path("root/lake/coadds/sv3/dark/26065.parquet")


def test_lake_in_a_bucket_leaves_the_rest_on_this_machine() -> None:
    lake = Lake(Path("root"), "s3://bucket/some/prefix")
    there = [
        lake.table("targets"),
        lake.shard("coadds", SHARD),
        lake.index(SHARD),
        lake.model("m"),
        lake.checkpoint("m"),
    ]
    assert all(show(path).startswith("s3://bucket/some/prefix/") for path in there)
    here = [lake.config, lake.lock, lake.mock("m"), lake.applied("a"), lake.release("1.2.3")]
    assert all(path.is_relative_to("root") for path in here)


@pytest.mark.parametrize(
    "version", ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.0-rc1", "../1.0.0", "1.0.0\n", "1.0.0 "]
)
def test_version_of_another_form(version: str) -> None:
    with pytest.raises(UserError, match=r"X\.Y\.Z"):
        Lake(Path("root")).release(version)


def test_releases_are_in_the_order_of_their_versions(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.releases == []
    for name in ("0.10.0", "0.9.0", "1.0", "1.0.0-draft", "notes"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "manifest.json").touch()
    (tmp_path / "releases" / "0.11.0").mkdir()
    assert lake.releases == [lake.release("0.9.0"), lake.release("0.10.0")]


def test_shard_prints_as_in_file_names() -> None:
    assert str(SHARD) == "sv3-dark-26065"


@given(
    st.text(max_size=12) | st.sampled_from(["..", ".", "a/b", "/a", "a\\b", "", ".hidden", "a\n"])
)
def test_no_name_leads_out_of_the_lake(name: str) -> None:
    lake = Lake(Path("/root"))
    for find in (
        lake.dataset,
        lake.table,
        lake.model,
        lake.checkpoint,
        lake.mock,
        lake.applied,
        lambda word: lake.catalogue("matches", word),
        lambda word: lake.source_index(word, "f"),
        lambda word: lake.source_index("gaia", word),
        lambda word: lake.shard("coadds", Shard(word, "dark", 1)),
        lambda word: lake.index(Shard("main", word, 1)),
    ):
        try:
            path = find(name)
        except UserError:
            continue
        assert ".." not in path.parts
        assert path.is_relative_to("/root")
        assert any(name in part for part in path.parts)


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), unique=True, max_size=6))
def test_releases_of_any_numbers_come_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, versions: list[tuple[int, int, int]]
) -> None:
    root = tmp_path_factory.mktemp("root")
    for version in versions:
        folder = root / "releases" / ".".join(map(str, version))
        folder.mkdir(parents=True)
        (folder / "manifest.json").touch()
    found = [tuple(map(int, path.name.split("."))) for path in Lake(root).releases]
    assert found == sorted(versions)


@pytest.mark.parametrize(
    ("location", "is_far"),
    [
        ("s3://bucket/x", True),
        ("http://host/x", True),
        ("https://host/x", True),
        ("/data/s3://x", False),
        ("data", False),
        ("s3:/bucket", False),
        ("ftp://host", False),
        ("mock", False),
        ("", False),
    ],
)
def test_what_is_far_is_told_by_its_beginning(location: str, is_far: bool) -> None:
    assert is_remote(location) is is_far
