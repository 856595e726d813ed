"""Names resolved by a real HTTP server on the loopback interface."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from portal.data.search import Cone
from portal.service import network

ANSWERS = {
    "3C%20273": b"<Sesame><jradeg>187.2779</jradeg><jdedeg>2.0524</jdedeg></Sesame>",
    "nobody": b"<Sesame><Resolver/></Sesame>",
    "broken": b"<html>not closed",
}


class Sesame(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(ANSWERS[self.path.partition("?")[2]])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sesame(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = HTTPServer(("127.0.0.1", 0), Sesame)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(network.SESAME_VARIABLE, f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("sesame")
def test_known_name_becomes_a_place() -> None:
    assert network.resolve_name("3C 273") == Cone(187.2779, 2.0524)


@pytest.mark.usefixtures("sesame")
@pytest.mark.parametrize(("name", "reason"), [("nobody", "Neither"), ("broken", "does not answer")])
def test_what_is_not_resolved_is_one_line(name: str, reason: str) -> None:
    with pytest.raises(network.ResolveError, match=reason):
        network.resolve_name(name)


def test_silence_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(network.SESAME_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(network.ResolveError, match="does not answer"):
        network.resolve_name("3C 273")


def test_network_is_off_unless_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(network.VARIABLE, raising=False)
    assert not network.is_on()
    assert "target=10.0+-5.0&fov" in network.locate_aladin({"TARGET_RA": 10.0, "TARGET_DEC": -5.0})
    assert "ra=10.0&dec=-5.0" in network.locate_cutout({"TARGET_RA": 10.0, "TARGET_DEC": -5.0})
