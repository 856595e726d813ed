"""Paths: the lake and the releases."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.lake.files import show
from pipeline.lake.layout import Lake, Shard

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
