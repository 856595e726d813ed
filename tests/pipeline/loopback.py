"""Servers on the loopback interface: a mirror that fails on command, and an S3 endpoint."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "desidata"


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


def make_client(endpoint: str) -> object:
    """Return a client that may write."""
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="testing", aws_secret_access_key="testing",
    )  # fmt: skip


def without_credentials(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Leave the code under test nothing but the endpoint."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
