"""Releases in an S3 bucket: immutable objects, a `latest.json` that moves last.

boto3 has its doors here and in `pipeline.transport.s3`.
"""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    SSLError,
)

from pipeline.errors import UserError
from pipeline.lake.files import CHECKSUMS_IN_HEADERS
from pipeline.transport.retry import RetryPolicy
from release.places.content_types import find_content_type
from release.places.remote import (
    LATEST,
    NOTICES,
    MissingError,
    MovedError,
    Origin,
    Parcel,
    PassingError,
    RemoteError,
    Tell,
    read_remote,
    refuse_difference,
)
from release.sealing import CHECKSUMS, hash_pieces
from release.versions import parse_version

# Larger files go in parts; S3 takes 10,000 of them and none below 5 MiB.
_PART_BYTES = 2**26
_PIECE = 2**20
_TIMEOUT_S = 60
# Two publications at once may each see the latest.json that the other is about to replace.
_MOVING = RetryPolicy(max_attempts=3, backoff_s=0.1, longest_s=1)
_ADVICE = {
    "NoSuchBucket": "create the bucket first",
    "AccessDenied": "see that the credentials may do this",
    "InvalidAccessKeyId": "see that the credentials are right",
    "SignatureDoesNotMatch": "see that the credentials are right",
}


class _Entry(NamedTuple):
    size: int
    tag: str


class _Prefix:
    """A prefix of a bucket and the client that reaches it."""

    def __init__(self, address: str, below: str = "", client: Any = None) -> None:
        place = address.removeprefix("s3://").rstrip("/") + below
        self._bucket, _, self._prefix = place.partition("/")
        if not self._bucket:
            raise UserError(f"{address}: give s3://BUCKET/PREFIX")
        self.name = f"s3://{place}"
        with _faults(self.name):
            self._client = client or _make_client()
        self.server = str(self._client.meta.endpoint_url)

    def _open(self, below: str = "") -> "BucketOrigin":
        return BucketOrigin(self.name, below, self._client)

    def _key(self, path: str) -> str:
        return "/".join(filter(None, (self._prefix, path)))


class BucketOrigin(_Prefix):
    """A prefix of a bucket to read from; without credentials the bucket must be public."""

    def read(self, path: str, start: int = 0) -> Iterator[bytes]:
        """See `Origin.read`."""
        more = {"Range": f"bytes={start}-"} if start else {}
        with _faults(f"{self.name}/{path}"):
            found = self._client.get_object(Bucket=self._bucket, Key=self._key(path), **more)
            yield from found["Body"].iter_chunks(_PIECE)


class Bucket(_Prefix):
    """A prefix of a bucket to publish to: a folder per version, in staging/ unless production."""

    def __init__(self, address: str, is_production: bool, part_bytes: int = _PART_BYTES) -> None:
        super().__init__(address, "" if is_production else "/staging")
        self._part_bytes = part_bytes

    def find_missing(self, parcel: Parcel) -> list[str]:
        """See `Target.find_missing`; the list of checksums is the last."""
        present = self._list(parcel.version)
        added = present.keys() - parcel.checksums.keys()
        changed = [n for n in present if n not in added and present[n].size != parcel.size(n)]
        if added or changed:
            raise refuse_difference(
                f"{self.name}/{parcel.version}",
                parcel,
                changed,
                added,
                "remove it there (what is missing is sent again) or choose another",
            )
        return [name for name in parcel.checksums if name not in present]

    def send(self, parcel: Parcel, names: list[str], tell: Tell) -> None:
        """See `Target.send`."""
        for name in names:
            self._put_file(parcel.path / name, f"{parcel.version}/{name}", parcel.checksums[name])
            tell(parcel.size(name))

    def open_sent(self, parcel: Parcel) -> tuple[dict[str, str], Origin]:
        """See `Target.open_sent`; the state of an object is its ETag."""
        states = {name: entry.tag for name, entry in self._list(parcel.version).items()}
        return states, self._open(f"/{parcel.version}")

    def announce(self, parcel: Parcel) -> bool:
        """Move latest.json forward, unless it names this version or a later one."""
        return _MOVING.retrying(MovedError)(self._move_latest, parcel)

    def _move_latest(self, parcel: Parcel) -> bool:
        entry = {"version": parcel.version, "path": parcel.version, CHECKSUMS: parcel.seal}
        condition: dict[str, str] = {"IfNoneMatch": "*"}
        with suppress(MissingError):
            latest, tag = self._read_latest()
            found = parse_version(latest["version"])
            if latest == entry or found > parse_version(parcel.version):
                return False
            if found == parse_version(parcel.version):
                raise RemoteError(
                    f"{self.name}/{LATEST} names another release {found}; look at it and remove it"
                )
            condition = {"IfMatch": tag}
        if not self._put(LATEST, json.dumps(entry, indent=1).encode(), **condition):
            raise MovedError(f"{self.name}/{LATEST} is being moved by somebody else; run again")
        return True

    def read_notice(self, version: str) -> dict[str, Any] | None:
        """See `Target.read_notice`."""
        with suppress(MissingError):
            text = read_remote(self._open(), f"{NOTICES}/{version}.json")
            return dict(json.loads(text))
        return None

    def withdraw(self, version: str, notice: dict[str, Any]) -> bool:
        """See `Target.withdraw`."""
        if CHECKSUMS not in self._list(version):
            raise UserError(f"{self.name} has no release {version}")
        body = json.dumps(notice, indent=1, ensure_ascii=False).encode()
        return self._put(f"{NOTICES}/{version}.json", body, IfNoneMatch="*")

    def _list(self, version: str) -> dict[str, _Entry]:
        """Return what is below a version, but for the marks of folders that some tools leave."""
        prefix = self._key(f"{version}/")
        with _faults(self.name):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            return {
                entry["Key"].removeprefix(prefix): _Entry(entry["Size"], entry["ETag"])
                for page in pages
                for entry in page.get("Contents", ())
                if entry["Size"] or not entry["Key"].endswith("/")
            }

    def _read_latest(self) -> tuple[dict[str, Any], str]:
        with _faults(f"{self.name}/{LATEST}"):
            found = self._client.get_object(Bucket=self._bucket, Key=self._key(LATEST))
            text = found["Body"].read()
        try:
            latest = dict(json.loads(text))
            parse_version(latest["version"])
        except (ValueError, KeyError, TypeError, UserError):
            raise RemoteError(
                f"{self.name}/{LATEST} is damaged; look at it and remove it"
            ) from None
        return latest, found["ETag"]

    def _put_file(self, path: Path, key: str, checksum: str) -> None:
        if path.stat().st_size > self._part_bytes:
            self._put_parts(path, key)
        else:
            # The checksum of the list: the server refuses what has changed since it was checked.
            self._put(key, path.read_bytes(), checksum, IfNoneMatch="*")

    def _put(self, path: str, body: bytes, sha256: str = "", /, **conditions: str) -> bool:
        """Put an object; False if its condition does not hold (any more)."""
        with _faults(f"{self.name}/{path}"):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._key(path),
                    Body=body,
                    ContentType=find_content_type(path),
                    ChecksumSHA256=_encode(sha256 or hash_pieces([body])),
                    **conditions,
                )
            except ClientError as error:
                if _status(error) not in (409, 412):
                    raise
                return False
        return True

    def _put_parts(self, path: Path, key: str) -> None:
        where = {"Bucket": self._bucket, "Key": self._key(key)}
        with _faults(f"{self.name}/{key}"):
            self._abort_left_over(where)
            upload = self._client.create_multipart_upload(
                **where, ContentType=find_content_type(key), ChecksumAlgorithm="SHA256"
            )
            where["UploadId"] = upload["UploadId"]
            try:
                parts = self._send_parts(path, where)
                self._client.complete_multipart_upload(
                    **where, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
                )
            except BaseException as error:
                # Parts that belong to no object cost money and nobody sees them.
                self._client.abort_multipart_upload(**where)
                if not (isinstance(error, ClientError) and _status(error) in (409, 412)):
                    raise

    def _send_parts(self, path: Path, where: dict[str, str]) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        with path.open("rb") as handle:
            while body := handle.read(self._part_bytes):
                part: dict[str, Any] = {
                    "PartNumber": len(parts) + 1,
                    "ChecksumSHA256": _encode(hash_pieces([body])),
                }
                sent = self._client.upload_part(**where, **part, Body=body)
                parts.append(part | {"ETag": sent["ETag"]})
        return parts

    def _abort_left_over(self, where: dict[str, str]) -> None:
        """Drop the parts that a killed publication of the same file left behind."""
        found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=where["Key"])
        for upload in found.get("Uploads", ()):
            if upload["Key"] == where["Key"]:
                self._client.abort_multipart_upload(**where, UploadId=upload["UploadId"])


def _make_client() -> Any:
    session = boto3.Session()
    anonymous = {} if session.get_credentials() else {"signature_version": UNSIGNED}
    # Checksums are compared here with those of the release, which reach further than S3's own.
    named = {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} & os.environ.keys()
    settings = Config(
        connect_timeout=10,
        read_timeout=_TIMEOUT_S,
        **CHECKSUMS_IN_HEADERS,
        s3={"addressing_style": "path"} if named else {},
        **anonymous,
    )
    region = session.region_name or "us-west-2"
    return session.client("s3", region_name=region, config=settings)


@contextmanager
def _faults(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, status = error.response["Error"].get("Code", "?"), _status(error)
        if code in ("NoSuchKey", "404"):
            raise MissingError(f"{what} does not exist") from None
        kind = PassingError if status >= 500 else RemoteError
        advice = _ADVICE.get(code, "run again: what is done is kept")
        raise kind(f"{what}: S3 answers {code} ({status}); {advice}") from None
    except NoCredentialsError:
        raise UserError(f"{what}: no AWS credentials in the environment or ~/.aws") from None
    except SSLError as error:
        raise PassingError(
            f"{what}: {_join(error)}; AWS_CA_BUNDLE names the file of a certificate authority of "
            "your own"
        ) from None
    except (HTTPClientError, IncompleteReadError, urllib3.exceptions.HTTPError) as error:
        reason = type(error).__name__
        raise PassingError(f"{what}: {reason}; run again: what is done is kept") from None
    # Settings that boto3 finds in the environment and in files; an endpoint is a ValueError.
    except (BotoCoreError, ValueError) as error:
        raise UserError(f"{what}: {_join(error)}") from None


def _join(error: Exception) -> str:
    return " ".join(str(error).split())


def _encode(checksum: str) -> str:
    return base64.b64encode(bytes.fromhex(checksum)).decode()


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
