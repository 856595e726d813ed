"""Publishing to the bucket of an S3 server on loopback, and looking into it."""

import json
from pathlib import Path
from typing import Any

from release.places.bucket import Bucket
from release.places.publish import deliver
from release.places.remote import Parcel
from release.sealing import CHECKSUMS, list_files

ADDRESS = "s3://vac/desi"
SECRET = "wJalrXUtnFEMI"


def send(released: Path, **options: Any) -> Any:
    return deliver(Parcel(released, "0.1.0"), [Bucket(ADDRESS, True)], **options)[0]


def read(s3: Any, key: str) -> bytes:
    return bytes(s3.get_object(Bucket="vac", Key=key)["Body"].read())


def keys(s3: Any) -> set[str]:
    found = s3.list_objects_v2(Bucket="vac").get("Contents", ())
    return {entry["Key"] for entry in found}


def assert_published(s3: Any, released: Path) -> None:
    for name in [*list_files(released), CHECKSUMS]:
        assert read(s3, f"desi/0.1.0/{name}") == (released / name).read_bytes()
    assert json.loads(read(s3, "desi/latest.json"))["version"] == "0.1.0"
