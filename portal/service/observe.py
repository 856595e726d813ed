"""What the server measures of itself and writes of its visits: times, never who asked what."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
REQUESTS = Histogram(
    "qad_request_seconds", "Time of a request.", ("method", "route", "status"), buckets=_BUCKETS
)
PAGES = Histogram("qad_page_seconds", "Time to draw a page.", ("page",), buckets=_BUCKETS)
FAULTS = Counter("qad_page_faults_total", "Pages that ended in an unforeseen fault.", ("kind",))
# First part of a path: what it is called. Everything else is a page.
_ROUTES = (
    "api/object",
    "api/query",
    "scs",
    "healthz",
    "metrics",
    "_stcore",
    "static",
    "media",
    "component",
)
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
_log = logging.getLogger("portal.access")


def start_log() -> None:
    """Write the access log to standard error, an object of JSON a line."""
    if not _log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


@contextmanager
def time_page(name: str) -> Iterator[None]:
    """Measure the drawing of a page, however it ends."""
    began = time.perf_counter()
    try:
        yield
    finally:
        PAGES.labels(name).observe(time.perf_counter() - began)


class Observer:
    """Middleware that times each request and writes one line about it.

    The line has neither address nor parameters: what people search for is theirs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, n_bytes = time.perf_counter(), 500, 0

        async def watch(message: Message) -> None:
            nonlocal status, n_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
            n_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - began
            route = name_route(scope["path"])
            # Each new word would be measured by itself for ever.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(method, route, status).observe(seconds)
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(1000 * seconds, 1),
                "bytes": n_bytes,
            }
            _log.info(json.dumps(line))


def name_route(path: str) -> str:
    """Return the name of the route that serves a path, without the path's own values."""
    bare = path.strip("/")
    return next((name for name in _ROUTES if bare == name or bare.startswith(f"{name}/")), "page")
