"""A mirror over HTTP: names with any characters, redirects, and who says what a file is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError, MissingFileError, UserError
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.mirror import HttpSource

QUICK = AcquireSettings(concurrency=2, max_attempts=2, backoff_s=0, timeout_s=2)
DATA = bytes(range(256)) * 4


class Server:
    """Answers from `files`; `moved` redirects; `headers` are sent with every answer."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"base/file": DATA}
        self.moved: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.url = ""


def make_handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET(is_head=True)

        def do_GET(self, is_head: bool = False) -> None:
            heard = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append((self.command, self.path, heard))
            name = unquote(self.path).lstrip("/")
            body, status = server.files.get(name), 200
            if name in server.moved:
                body, status = b"", 302
            if body is None:
                body, status = b"", 404
            if status == 200 and not is_head:
                first, last = heard["range"].removeprefix("bytes=").split("-")
                body, status = body[int(first) : int(last) + 1], 206
            self.send_response(status)
            for word, text in server.headers.items():
                self.send_header(word, text)
            if status == 302:
                self.send_header("Location", server.moved[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not is_head:
                self.wfile.write(body)

    return Handler


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    yield running
    running.files = {"base/file": DATA}
    running.moved, running.headers, running.asked = {}, {}, []


@pytest.fixture
def source(server: Server) -> HttpSource:
    return HttpSource(f"{server.url}/base", QUICK)


@given(start=st.integers(0, len(DATA) - 1), data=st.data())
def test_any_range_is_that_of_the_file(running: Server, start: int, data) -> None:
    stop = data.draw(st.integers(start + 1, len(DATA)))
    assert HttpSource(f"{running.url}/base", QUICK).read("file", [(start, stop)]) == [
        DATA[start:stop]
    ]


@given(
    st.text(st.characters(codec="utf-8"), min_size=1).filter(
        lambda name: name.isprintable() and not {"/", "."} & set(name)
    )
)
def test_any_name_arrives_as_it_is(running: Server, name: str) -> None:
    running.files[f"base/{name}"] = name.encode()
    found = HttpSource(f"{running.url}/base", QUICK).stat(name)
    assert found.size == len(name.encode())


def test_several_ranges_come_in_the_order_asked_for(source: HttpSource) -> None:
    ranges = [(500, 600), (0, 10), (0, 10), (1000, 1024)]
    assert source.read("file", ranges) == [DATA[a:b] for a, b in ranges]


def test_bytes_are_asked_for_as_they_are(server: Server, source: HttpSource) -> None:
    source.read("file", [(3, 9)])
    [(method, path, heard)] = server.asked
    assert (method, path) == ("GET", "/base/file")
    # A server that packs the body on the way would shift every byte.
    assert (heard["range"], heard["accept-encoding"]) == ("bytes=3-8", "identity")


def test_a_redirect_is_followed_and_a_ring_of_them_is_not(
    server: Server, source: HttpSource
) -> None:
    server.files["elsewhere"] = b"moved here"
    server.moved["base/old"] = "/elsewhere"
    assert source.read("old", [(0, 5)]) == [b"moved"]
    server.moved |= {"base/a": "/base/b", "base/b": "/base/a"}
    with pytest.raises(DataError) as caught:
        source.read("a", [(0, 5)])
    assert "\n" not in str(caught.value)


def test_a_file_is_what_its_tag_says_or_else_its_date(server: Server, source: HttpSource) -> None:
    def identify(**headers: str) -> str:
        server.headers = {name.replace("_", "-"): text for name, text in headers.items()}
        return source.stat("file").identity

    day = "Mon, 01 Jan 2024 00:00:00 GMT"
    tagged = identify(ETag='"one"', Last_Modified=day)
    assert identify(ETag='"one"', Last_Modified="Tue, 02 Jan 2024 00:00:00 GMT") == tagged
    assert identify(ETag='"two"', Last_Modified=day) != tagged
    dated = identify(Last_Modified=day)
    assert dated not in (tagged, identify(Last_Modified="Tue, 02 Jan 2024 00:00:00 GMT"))
    assert identify() == identify() != dated


def test_identity_of_a_read_is_that_of_the_stat(server: Server, source: HttpSource) -> None:
    server.headers = {"ETag": '"one"'}
    found = source.stat("file")
    assert found.size == len(DATA)
    assert source.read("file", [(0, 4)], found.identity) == [DATA[:4]]
    server.headers = {"ETag": '"two"'}
    with pytest.raises(DataError, match="changed while it was being read"):
        source.read("file", [(0, 4)], found.identity)


def test_a_missing_file_is_named_by_its_address(server: Server, source: HttpSource) -> None:
    with pytest.raises(MissingFileError, match=f"{server.url}/base/other: no such file"):
        source.stat("other")
    with pytest.raises(MissingFileError, match="other: no such file"):
        source.read("other", [(0, 1)])


def test_a_mirror_cannot_be_listed(source: HttpSource) -> None:
    with pytest.raises(UserError, match="cannot be listed over HTTP"):
        list(source.list("healpix/"))
