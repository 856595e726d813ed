"""A public S3 bucket of the survey, read by byte ranges.

Design note: boto3 has its doors here and in ``release/places/bucket.py``; stages see `SourceFile`
only.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.lake.files import CHECKSUMS_IN_HEADERS
from pipeline.lake.store import digest
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.ranges import Range
from pipeline.transport.remote import RemoteSource, Reply, to_request_error
from pipeline.transport.sources import FileStat
from pipeline.transport.transfer import RequestError

# Where DESI's bucket is; another region costs a redirect.
_REGION = "us-west-2"


class S3Source(RemoteSource):
    """A public bucket, read without credentials; ``AWS_ENDPOINT_URL`` may name another server."""

    def __init__(self, location: str, settings: AcquireSettings) -> None:
        super().__init__(location, settings)
        self._bucket, _, self._prefix = self.location.removeprefix("s3://").partition("/")
        self._client = _make_client(settings)

    def list(self, prefix: str) -> Iterator[str]:
        """See `Source.list`."""
        token: str | None = ""
        while token is not None:
            send = partial(self._list, prefix, token)
            page = self._transfer.call(f"{self.location}/{prefix}", "list", send)
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(self._key(""))
            token = page.get("NextContinuationToken")

    def _list(self, prefix: str, token: str) -> dict[str, Any]:
        more = {"ContinuationToken": token} if token else {}
        with _s3_faults():
            return self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._key(prefix), **more
            )

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _head(self, path: str) -> FileStat:
        with _s3_faults():
            found = self._client.head_object(Bucket=self._bucket, Key=self._key(path))
        return FileStat(found["ContentLength"], digest(found["ETag"]))

    def _get(self, path: str, part: Range) -> Reply:
        wanted = f"bytes={part[0]}-{part[1] - 1}"
        with _s3_faults():
            found = self._client.get_object(Bucket=self._bucket, Key=self._key(path), Range=wanted)

        def read() -> bytes:
            with _s3_faults():
                return found["Body"].read()

        return Reply(digest(found["ETag"]), read)


def _make_client(settings: AcquireSettings) -> Any:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = ClientConfig(
        signature_version=UNSIGNED,
        # Retries are ours, so that each fault is counted.
        retries={"total_max_attempts": 1},
        max_pool_connections=settings.concurrency,
        connect_timeout=settings.timeout_s,
        read_timeout=settings.timeout_s,
        **CHECKSUMS_IN_HEADERS,
        s3={"addressing_style": "path"} if endpoint else {},
    )
    region = os.environ.get("AWS_DEFAULT_REGION", _REGION)
    return boto3.client("s3", region_name=region, endpoint_url=endpoint, config=config)


@contextmanager
def _s3_faults() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        answer = error.response["ResponseMetadata"]
        if error.response["Error"].get("Code") == "SlowDown":
            raise RequestError("slow_down") from error
        pause = answer.get("HTTPHeaders", {}).get("retry-after")
        raise RequestError.of_status(answer["HTTPStatusCode"], pause) from error
    except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as error:
        raise to_request_error(error) from error
