"""A small lake and its release, made once and copied for every test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from bucket_server import SECRET, keys
from faulty_proxy import FaultyProxy, run_proxy
from moto.server import ThreadedMotoServer
from once import make_once
from synthetic_lake import write_lake

from pipeline.config import Config
from pipeline.flow.root import Root
from pipeline.lake.store import Store
from pipeline.transport.retry import RetryPolicy
from release.build import build
from release.sealing import seal

# The Hub's client reads these once, when it is imported; its Xet protocol has no stand-in.
os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1")


@pytest.fixture(scope="session")
def template(shared: Path) -> Path:
    """A data root with three shards, 60 scored spectra of 57 objects, and release 0.1.0."""

    def make(root: Path) -> None:
        build(write_lake(root), Config(), "0.1.0")

    return make_once(shared / "release-template", make)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no attempt wait."""
    monkeypatch.setattr("release.places.remote.READING", RetryPolicy(5, 0, 0))


@pytest.fixture
def config() -> Config:
    """The default settings, which the lake's tiers follow."""
    return Config()


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Store:
    """The lake without a release."""
    root = tmp_path / "root"
    shutil.copytree(template, root, ignore=shutil.ignore_patterns("releases"))
    return Root(root)


@pytest.fixture
def released(template: Path, store: Store) -> Path:
    """A fresh release of the lake."""
    shutil.copytree(template / "releases", store.root / "releases")
    return store.root / "releases" / "0.1.0"


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3(moto: str) -> Any:
    """A client that looks at the bucket past the proxy."""
    return boto3.client(
        "s3",
        endpoint_url=moto,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@pytest.fixture
def proxy(moto: str, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with run_proxy(moto) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        s3.create_bucket(Bucket="vac")
        yield server
    left = [{"Key": key} for key in keys(s3)]
    if left:
        s3.delete_objects(Bucket="vac", Delete={"Objects": left})


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A sealed folder of a dozen files, for what does not look into a release."""
    folder = tmp_path / "releases" / "0.1.0"
    for name in (
        "LICENSE",
        "CITATION.cff",
        "catalog/quasars.parquet",
        "catalog/anomalies.parquet",
        "cds/ReadMe",
        "hats/quasars/dataset/_metadata",
        "model/reference.safetensors",
        "site/index.html",
        "site/style.css",
        "spectra/spectra.parquet",
        "vo/anomalies.fits",
        "vo/anomalies.vot",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}\n" * 99)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A release\n")
    (folder / "manifest.json").write_text('{"version": "0.1.0"}')
    seal(folder)
    return folder
