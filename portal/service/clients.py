"""How much one client may have under way; where the portal stands behind a proxy, who it is."""

import os
import threading
from collections import Counter
from contextlib import ExitStack

from starlette.requests import Request

from portal.service.pool import BusyError

# Set to 1 where a proxy alone reaches the portal and tells whom it speaks for.
PROXY_VARIABLE = "QAD_BEHIND_PROXY"
MAX_PER_CLIENT = 4
_counts: Counter[str] = Counter()
_counting = threading.Lock()


def admit(request: Request) -> ExitStack:
    """Count a client's request until what is returned is closed.

    Raises
    ------
    portal.service.pool.BusyError
        If it has as many under way as one client may have.
    """
    name = _name_client(request)
    with _counting:
        if _counts[name] >= MAX_PER_CLIENT:
            raise BusyError(
                f"{MAX_PER_CLIENT} requests of yours are under way: ask again when one has ended."
            )
        _counts[name] += 1
    held = ExitStack()
    held.callback(_release, name)
    return held


def _release(name: str) -> None:
    with _counting:
        _counts[name] -= 1
        if not _counts[name]:
            del _counts[name]


def _name_client(request: Request) -> str:
    if os.environ.get(PROXY_VARIABLE) == "1":
        # The last is what the proxy saw itself; those before it are the client's word.
        told = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if told:
            return told
    return request.client.host if request.client else ""
