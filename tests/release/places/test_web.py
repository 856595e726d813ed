"""Reading behind plain HTTP: from any byte on, whether the server knows ranges or not."""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

import pytest

from release.places.remote import MissingError, PassingError, RemoteError, read_remote
from release.places.web import WebOrigin

CONTENT = bytes(range(256)) * 20


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT as the first part of a path says, and keeps what it was asked."""

    asked: ClassVar[list[dict[str, str]]] = []
    elsewhere = ""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(dict(self.headers.items()))
        kind = self.path.split("/")[1]
        if kind.isdigit():
            self.answer(int(kind), b"no")
        elif kind == "moved":
            self.send_response_only(302)
            self.send_header("Location", f"{self.elsewhere}/ranged/file")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(wanted[1]) if wanted and kind == "ranged" else 0
            self.answer(206 if start else 200, CONTENT[start:])

    def answer(self, status: int, content: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serve(elsewhere: str = "") -> Iterator[tuple[str, type[Handler]]]:
    handler = type("Own", (Handler,), {"asked": [], "elsewhere": elsewhere})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["ranged", "deaf"])
@pytest.mark.parametrize("start", [0, 1, 255, 256, len(CONTENT) - 1])
@pytest.mark.parametrize("piece", [7, 256, 2**20])
def test_bytes_from_any_place_on(
    monkeypatch: pytest.MonkeyPatch, kind: str, start: int, piece: int
) -> None:
    monkeypatch.setattr("release.places.web._PIECE", piece)
    with serve() as (address, handler):
        assert b"".join(WebOrigin(f"{address}/{kind}/").read("file", start)) == CONTENT[start:]
    assert handler.asked[0].get("Range") == (f"bytes={start}-" if start else None)
    assert handler.asked[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (404, MissingError, "does not exist"),
        (401, RemoteError, "access denied"),
        (403, RemoteError, "access denied"),
        (400, RemoteError, "answers 400"),
        (416, RemoteError, "answers 416"),
        (429, PassingError, "answers 429"),
        (500, PassingError, "answers 500"),
        (503, PassingError, "answers 503"),
    ],
)
def test_answers_that_are_no_file(status: int, kind: type[RemoteError], text: str) -> None:
    with serve() as (address, handler):
        with pytest.raises(kind, match=text) as caught:
            read_remote(WebOrigin(f"{address}/{status}"), "a file")
        assert type(caught.value) is kind
        assert str(caught.value).startswith(f"{address}/{status}/a%20file")
    assert len(handler.asked) == (5 if kind is PassingError else 1)


def test_nobody_there() -> None:
    with serve() as (address, _):
        pass
    with pytest.raises(PassingError, match=f"^{address}/x: .*run again"):
        read_remote(WebOrigin(address), "x")


def test_a_token_stays_with_its_host() -> None:
    with ExitStack() as stack:
        other, there = stack.enter_context(serve())
        address, here = stack.enter_context(serve(other.replace("127.0.0.1", "localhost")))
        origin = WebOrigin(f"{address}/moved", {"Authorization": "Bearer secret"})
        assert read_remote(origin, "file") == CONTENT
    assert here.asked[0]["Authorization"] == "Bearer secret"
    assert "Authorization" not in there.asked[0]
