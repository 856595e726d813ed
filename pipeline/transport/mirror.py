"""An HTTP mirror of the survey, read by byte ranges."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import urllib3

from pipeline.errors import UserError
from pipeline.lake.store import digest
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.ranges import Range
from pipeline.transport.remote import RemoteSource, Reply, to_request_error
from pipeline.transport.sources import FileStat
from pipeline.transport.transfer import RequestError


class HttpSource(RemoteSource):
    """A mirror that answers range requests; it cannot be listed."""

    def __init__(self, location: str, settings: AcquireSettings) -> None:
        super().__init__(location, settings)
        retries = urllib3.Retry(3, connect=0, read=0, status=0, other=0, redirect=3)
        self._pool = urllib3.PoolManager(
            maxsize=settings.concurrency, retries=retries, timeout=settings.timeout_s
        )

    def list(self, prefix: str) -> Iterator[str]:
        """See `Source.list`."""
        raise UserError(
            f"source {self.location}: files cannot be listed over HTTP; it needs the redshift "
            "catalogue zall-pix"
        )

    def _head(self, path: str) -> FileStat:
        with _http_faults():
            reply = self._pool.request("HEAD", self._url(path))
        if reply.status != 200:
            raise RequestError.of_status(reply.status, reply.headers.get("Retry-After"))
        return FileStat(int(reply.headers.get("Content-Length", 0)), _identify(reply.headers))

    def _get(self, path: str, part: Range) -> Reply:
        wanted = {"Range": f"bytes={part[0]}-{part[1] - 1}", "Accept-Encoding": "identity"}
        with _http_faults():
            reply = self._pool.request(
                "GET", self._url(path), headers=wanted, preload_content=False
            )
        if reply.status != 206:
            reply.close()
            if reply.status == 200:
                raise RequestError("no_ranges")
            raise RequestError.of_status(reply.status, reply.headers.get("Retry-After"))

        def read() -> bytes:
            with _http_faults():
                body = reply.read()
            reply.release_conn()
            return body

        return Reply(_identify(reply.headers), read)

    def _url(self, path: str) -> str:
        return f"{self.location}/{quote(path)}"


@contextmanager
def _http_faults() -> Iterator[None]:
    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise to_request_error(error) from error


def _identify(headers: Mapping[str, str]) -> str:
    return digest(headers.get("ETag") or headers.get("Last-Modified") or "")
