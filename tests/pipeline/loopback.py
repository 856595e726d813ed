"""Servers on the loopback interface: a mirror that fails on command, and an S3 endpoint."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "desidata"
# Of one connection only; a proxy has its own.
_HOP_HEADERS = ("connection", "expect", "transfer-encoding")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that has gone, as it may."""


class Mirror:
    """Serves files with byte ranges; `faults` are spent one per GET, in order.

    A fault is a status, or ``drop`` (the connection closes), ``truncate`` (half the body), ``slow``
    (a second before the first byte), ``whole`` (ranges are ignored).
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.faults: deque[int | str] = deque()
        self.gets: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _make_handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Address of the mirror."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _make_handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(200, mirror.files.get(self.path.lstrip("/")), is_head=True)

        def do_GET(self) -> None:
            mirror.gets.append(self.headers.get("Range", ""))
            data = mirror.files.get(self.path.lstrip("/"))
            fault = mirror.faults.popleft() if mirror.faults else None
            if fault == "drop":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(1)
            if isinstance(fault, int) or data is None:
                self._answer(fault if isinstance(fault, int) else 404, None)
                return
            if fault == "whole":
                self._answer(200, data)
                return
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            self._answer(206, data[int(first) : int(last) + 1], cut=fault == "truncate")

        def _answer(
            self, status: int, body: bytes | None, is_head: bool = False, cut: bool = False
        ) -> None:
            self.send_response(404 if body is None and status == 200 else status)
            self.send_header("Content-Length", str(len(body or b"")))
            whole = mirror.files.get(self.path.lstrip("/"), b"")
            self.send_header("ETag", f'"{hash(whole)}"')
            self.end_headers()
            if body and not is_head:
                self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = self.close_connection or cut

    return Handler


class FaultyProxy:
    """Passes requests on to an S3 server, or fails those that `fails` picks.

    `fails` is told method and path with query, and returns None or a fault: a status, or ``drop``
    (the connection closes before the server is asked), ``cut`` (it closes amid the reply).
    """

    def __init__(self, endpoint: str, tls: SSLContext | None = None) -> None:
        self.fails: Callable[[str, str], int | str | None] = lambda method, path: None
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._upstream = urlsplit(endpoint)
        self._server = _Server(("127.0.0.1", 0), _make_proxy_handler(self))
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Address of the proxy."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> HTTPResponse:
        """Ask the server behind."""
        connection = HTTPConnection(self._upstream.hostname or "", self._upstream.port, timeout=30)
        sent = {k: v for k, v in headers.items() if k.lower() not in _HOP_HEADERS}
        connection.request(method, path, body, sent | {"Content-Length": str(len(body))})
        return connection.getresponse()

    def close(self) -> None:
        """Stop passing on."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _make_proxy_handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def pass_on(self) -> None:
            body = b"".join(self._read_body())
            proxy.requests.append(f"{self.command} {self.path}")
            proxy.headers.append({name.lower(): text for name, text in self.headers.items()})
            fault = proxy.fails(self.command, self.path)
            if fault == "drop":
                self.close_connection = True
                return
            if isinstance(fault, int):
                self._answer(fault, [], b"")
                return
            reply = proxy.ask(self.command, self.path, self.headers, body)
            self._answer(reply.status, reply.getheaders(), reply.read(), is_cut=fault == "cut")

        do_GET = do_HEAD = pass_on
        do_PUT = do_POST = do_DELETE = pass_on

        def _read_body(self) -> Iterator[bytes]:
            if self.headers.get("Transfer-Encoding") != "chunked":
                yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
                return
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _answer(
            self, status: int, headers: list[tuple[str, str]], body: bytes, is_cut: bool = False
        ) -> None:
            self.send_response_only(status)
            kept = {
                k: v for k, v in headers if k.lower() not in ("connection", "transfer-encoding")
            }
            kept = {"Content-Length": str(len(body))} | kept
            for name, value in kept.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
            self.close_connection = self.close_connection or is_cut

    return Handler


@contextmanager
def faulty_proxy(endpoint: str, tls: SSLContext | None = None) -> Iterator[FaultyProxy]:
    """Run a proxy for the length of a block."""
    proxy = FaultyProxy(endpoint, tls)
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Mirror]:
    """Run a mirror for the length of a block."""
    mirror = Mirror(files)
    try:
        yield mirror
    finally:
        mirror.close()


def read_tree(root: Path) -> dict[str, bytes]:
    """Return every file below a folder by its relative path."""
    found = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


@contextmanager
def s3_endpoint() -> Iterator[str]:
    """Run an S3 server with an empty public bucket and give its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        make_client(f"http://{host}:{port}").create_bucket(Bucket=BUCKET, ACL="public-read")
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def upload(endpoint: str, prefix: str, files: dict[str, bytes]) -> str:
    """Store files in the bucket, readable for everybody, and return their location."""
    client = make_client(endpoint)
    for path, data in files.items():
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{path}", Body=data, ACL="public-read")
    return f"s3://{BUCKET}/{prefix}"


def make_client(endpoint: str) -> Any:
    """Return a client that may write."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def list_keys(endpoint: str, prefix: str) -> list[str]:
    """List the objects below a prefix, folder marks left out."""
    pages = (
        make_client(endpoint)
        .get_paginator("list_objects_v2")
        .paginate(Bucket=BUCKET, Prefix=prefix)
    )
    found = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    return [key for key in found if not key.endswith("/")]


def bucket_environment(endpoint: str) -> dict[str, str]:
    """Return what lets a program write to the bucket."""
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "very-secret-testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }


def without_credentials(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Leave the code under test nothing but the endpoint."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
