"""Releases behind plain HTTP, read by byte ranges."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

import urllib3

from release.places.remote import MissingError, PassingError, RemoteError

_PIECE = 2**20
_TIMEOUT = urllib3.Timeout(connect=10, read=60)
# The Hub points to where its large files lie; all other attempts are those of `read_steadily`.
_REDIRECTS = urllib3.Retry(None, redirect=5, connect=0, read=0, status=0, other=0)


class WebOrigin:
    """A folder behind HTTP.

    Parameters
    ----------
    address : str
    headers : mapping, optional
        Sent with every request, but not to another host that the server points to.
    """

    def __init__(self, address: str, headers: Mapping[str, str] | None = None) -> None:
        self.name = address.rstrip("/")
        self._headers = {**(headers or {}), "Accept-Encoding": "identity"}
        self._pool = urllib3.PoolManager()

    def read(self, path: str, start: int = 0) -> Iterator[bytes]:
        """See `release.places.remote.Origin.read`."""
        address = f"{self.name}/{quote(path)}"
        more = {"Range": f"bytes={start}-"} if start else {}
        try:
            reply = self._pool.request(
                "GET",
                address,
                headers={**self._headers, **more},
                preload_content=False,
                timeout=_TIMEOUT,
                retries=_REDIRECTS,
            )
            with reply:
                _check(address, reply.status)
                # A server that ignores ranges begins at the beginning.
                waste = start if start and reply.status != 206 else 0
                for piece in reply.stream(_PIECE):
                    kept = piece[waste:]
                    waste = max(waste - len(piece), 0)
                    if kept:
                        yield kept
        except urllib3.exceptions.HTTPError as error:
            reason = type(error).__name__
            raise PassingError(f"{address}: {reason}; run again: what is done is kept") from None


def _check(address: str, status: int) -> None:
    if status < 300:
        return
    if status == 404:
        raise MissingError(f"{address} does not exist")
    if status in (401, 403):
        raise RemoteError(
            f"{address}: access denied ({status}); see that the credentials are right"
        )
    kind = PassingError if status >= 500 or status == 429 else RemoteError
    raise kind(f"{address}: the server answers {status}; run again later")
