"""Publishing to the Hub with its real client, against a stand-in behind a proxy."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_proxy import Fault, FaultyProxy, run_proxy
from forked import start_qad
from hub_server import HubServer, run_hub

from pipeline.errors import QadError, UserError
from release.places.fetch import fetch
from release.places.hub import Hub
from release.places.publish import deliver, withdraw
from release.places.remote import Parcel
from release.sealing import CHECKSUMS, list_files, seal

REPO = "desi/anomalies"
ADDRESS = f"hf://{REPO}"
TOKEN = "hf_secretsecret"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with run_hub() as server:
        yield server


@pytest.fixture
def proxy(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    with run_proxy(hub.address) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


def send(released: Path, **options: Any) -> Any:
    parcel = Parcel(released, released.name)
    return deliver(parcel, [Hub(ADDRESS, True)], **options)[0]


def read_tag(path: Path, tag: str, proxy: FaultyProxy) -> dict[str, bytes]:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=proxy.address)
    folder = api.snapshot_download(
        REPO, repo_type="dataset", revision=tag, local_dir=path, cache_dir=path / ".cache"
    )
    names = api.list_repo_files(REPO, repo_type="dataset", revision=tag)
    return {name: (Path(folder) / name).read_bytes() for name in names}


def contents(released: Path) -> dict[str, bytes]:
    names = [*list_files(released), CHECKSUMS]
    return {name: (released / name).read_bytes() for name in names}


def change(released: Path, name: str) -> None:
    (released / name).chmod(0o644)
    (released / name).write_text((released / name).read_text() + "\n")
    (released / CHECKSUMS).chmod(0o644)
    seal(released)


def test_tag_holds_what_was_built(
    proxy: FaultyProxy, hub: HubServer, released: Path, tmp_path: Path
) -> None:
    assert send(released).is_moved
    assert len(hub.repos[REPO].commits) == 2
    assert read_tag(tmp_path / "back", "v0.1.0", proxy) == contents(released)


def test_second_publication_moves_nothing(proxy: FaultyProxy, hub: HubServer, small: Path) -> None:
    send(small)
    proxy.log.clear()
    again = send(small)
    assert (again.sent, again.is_moved) == ((), False)
    assert proxy.count("POST") == proxy.count("PUT") == 0


def test_staging_is_a_branch_and_a_tag_of_its_own(
    proxy: FaultyProxy, hub: HubServer, small: Path
) -> None:
    deliver(Parcel(small, "0.1.0"), [Hub(ADDRESS, False)])
    repo = hub.repos[REPO]
    assert set(repo.tags) == {"v0.1.0-staging"}
    assert repo.commits[repo.branches["main"]] == {}


def test_dry_run_makes_no_repository(proxy: FaultyProxy, hub: HubServer, small: Path) -> None:
    assert set(send(small, is_dry=True).sent) == set(contents(small))
    assert hub.repos == {}


def test_next_version_replaces_the_files(
    proxy: FaultyProxy, hub: HubServer, small: Path, tmp_path: Path
) -> None:
    send(small)
    before = contents(small)
    hub.commit_other(REPO)
    manifest = small / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text().replace('"0.1.0"', '"0.1.1"', 1))
    (small / CHECKSUMS).chmod(0o644)
    seal(small)
    later = small.rename(small.with_name("0.1.1"))
    assert set(send(later).sent) == {"manifest.json", CHECKSUMS}
    assert read_tag(tmp_path / "new", "v0.1.1", proxy) == contents(later)
    assert read_tag(tmp_path / "old", "v0.1.0", proxy) == before


def test_published_tag_never_changes(proxy: FaultyProxy, hub: HubServer, small: Path) -> None:
    send(small)
    change(small, "LICENSE")
    with pytest.raises(QadError, match=r"v0.1.0 holds another release 0.1.0"):
        send(small)


def test_branch_moved_by_somebody_else(proxy: FaultyProxy, hub: HubServer, small: Path) -> None:
    proxy.faults = [Fault("POST", "/commit/", lambda: hub.commit_other(REPO))]
    with pytest.raises(QadError, match="moved by somebody else"):
        send(small)
    assert hub.repos[REPO].tags == {}
    assert send(small).is_moved


@pytest.mark.parametrize("action", [500, 403, 409, "drop"])
def test_fault_is_one_line_and_the_next_run_goes_on(
    proxy: FaultyProxy, small: Path, action: Any
) -> None:
    for method, pattern in (("GET", "/refs"), ("POST", "/commit/"), ("POST", "/tag/")):
        proxy.faults = [Fault(method, pattern, action, times=9)]
        with pytest.raises(QadError) as caught:
            send(small)
        assert "\n" not in str(caught.value)
        assert TOKEN not in str(caught.value)
    proxy.faults = []
    assert send(small).is_moved


def test_flipped_byte_stops_before_the_tag(proxy: FaultyProxy, hub: HubServer, small: Path) -> None:
    proxy.faults = [Fault("GET", "cdn/.*quasars", "flip")]
    with pytest.raises(QadError, match="another checksum"):
        send(small)
    assert hub.repos[REPO].tags == {}
    assert send(small).is_moved


def test_tag_is_on_the_commit_that_was_read_back(
    proxy: FaultyProxy, hub: HubServer, small: Path
) -> None:
    proxy.faults = [Fault("POST", "/tag/", lambda: hub.commit_other(REPO))]
    assert send(small).is_moved
    repo = hub.repos[REPO]
    assert "OTHER.md" in repo.commits[repo.branches["main"]]
    files = repo.commits[repo.tags["v0.1.0"]]
    assert {path: hub.blobs[name] for path, name in files.items()} == contents(small)


def test_tag_set_by_somebody_else_is_left(proxy: FaultyProxy, hub: HubServer, small: Path) -> None:
    def set_tag() -> None:
        hub.repos[REPO].tags["v0.1.0"] = "0" * 40

    proxy.faults = [Fault("GET", "cdn/.*quasars", set_tag)]
    with pytest.raises(QadError, match=r"v0\.1\.0 was set by somebody else meanwhile"):
        send(small)
    assert hub.repos[REPO].tags == {"v0.1.0": "0" * 40}


def test_card_that_the_hub_refuses(proxy: FaultyProxy, hub: HubServer, small: Path) -> None:
    proxy.faults = [Fault("POST", "validate-yaml", 400)]
    with pytest.raises(QadError):
        send(small)
    assert hub.repos[REPO].tags == {}


def test_withdrawn_version(proxy: FaultyProxy, hub: HubServer, small: Path, tmp_path: Path) -> None:
    send(small)
    target = Hub(ADDRESS, True)
    assert list(withdraw("0.1.0", [target], "wrong null").values()) == [True]
    assert list(withdraw("0.1.0", [target], "again").values()) == [False]
    assert read_tag(tmp_path / "back", "v0.1.0", proxy) == contents(small)
    assert fetch(f"{ADDRESS}@v0.1.0", tmp_path / "in").notice == "wrong null"
    with pytest.raises(UserError, match="was withdrawn"):
        send(small)
    with pytest.raises(UserError, match="has no release"):
        withdraw("7.0.0", [target], "none")


@pytest.mark.slow
def test_publication_killed_at_every_turn_goes_on(
    proxy: FaultyProxy, hub: HubServer, released: Path
) -> None:
    for method, pattern in (
        ("POST", "/repos/create"),
        ("PUT", "/lfs/"),
        ("POST", "/commit/"),
        ("GET", "/cdn/.*q"),
        ("POST", "/tag/"),
    ):
        child = start_qad("release", "publish", released, "--to", ADDRESS, "--production")
        proxy.faults = [Fault(method, pattern, child.kill)]
        child.join(300)
        assert child.exitcode == -signal.SIGKILL
    send(released)
    repo = hub.repos[REPO]
    files = repo.commits[repo.tags["v0.1.0"]]
    assert {path: hub.blobs[name] for path, name in files.items()} == contents(released)
    assert send(released).sent == ()
