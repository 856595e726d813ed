"""The policy of what a page may load goes with every answer."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from portal.service import network
from portal.service.headers import Headers


def answer(_: Request) -> PlainTextResponse:
    return PlainTextResponse("x", headers={"Content-Security-Policy": "default-src *"})


def ask(path: str = "/") -> dict[str, str]:
    app = Starlette(routes=[Route("/", answer)], middleware=[Middleware(Headers)])
    return dict(TestClient(app).get(path).headers)


def read_policy(headers: dict[str, str]) -> dict[str, list[str]]:
    parts = headers["content-security-policy"].split("; ")
    return {name: sources for name, *sources in map(str.split, parts)}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(network.VARIABLE, raising=False)


@pytest.mark.parametrize("path", ["/", "/missing"])
def test_each_answer_has_one_policy_which_none_replaces(path: str) -> None:
    headers = ask(path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert read_policy(headers)["default-src"] == ["'self'"]


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name, sources in read_policy(ask()).items():
        assert not [source for source in sources if "://" in source or source == "*"], name
    assert read_policy(ask())["object-src"] == ["'none'"]


def test_the_network_opens_pictures_and_frames_only(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = read_policy(ask())
    monkeypatch.setenv(network.VARIABLE, "1")
    opened = read_policy(ask())
    added = {name: set(opened[name]) - set(closed[name]) for name in closed}
    assert {name: sources for name, sources in added.items() if sources} == {
        "img-src": {network.IMAGES},
        "frame-src": {network.FRAMES},
    }
