"""Visits are measured and logged without telling who asked what."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from portal.service.observe import PAGES, Observer, name_route, time_page

SECRET = "39627000000000001"
KNOWN = {"api/object", "api/query", "scs", "healthz", "metrics", "page"}
KNOWN |= {"_stcore", "static", "media", "component"}


def answer(request: Request) -> PlainTextResponse:
    if "fail" in request.query_params:
        raise RuntimeError(SECRET)
    return PlainTextResponse("four")


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/api/object/{targetid}", answer, methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=[Middleware(Observer)])
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "portal.access")
    logging.getLogger("portal.access").propagate = True
    return caplog


def test_a_line_has_time_route_status_and_size(
    client: TestClient, lines: pytest.LogCaptureFixture
) -> None:
    client.get(f"/api/object/{SECRET}?release={SECRET}", headers={"x-forwarded-for": "1.2.3.4"})
    (line,) = (json.loads(message) for message in lines.messages if message.startswith("{"))
    assert (line["method"], line["route"], line["status"]) == ("GET", "api/object", 200)
    assert line["bytes"] == 4
    assert line["milliseconds"] >= 0
    assert SECRET not in str(line)
    assert "1.2.3.4" not in str(line)


def test_a_failure_is_counted_as_one(client: TestClient, lines: pytest.LogCaptureFixture) -> None:
    assert client.get(f"/api/object/{SECRET}?fail=1").status_code == 500
    (line,) = (json.loads(message) for message in lines.messages if message.startswith("{"))
    assert line["status"] == 500
    assert SECRET not in str(line)


def test_invented_methods_are_measured_as_one(client: TestClient) -> None:
    for number in range(3):
        client.request(f"INVENTED{number}", f"/api/object/{SECRET}")
    told = [
        sample.labels
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "qad_request_seconds_count"
    ]
    assert not [labels for labels in told if labels["method"].startswith("INVENTED")]
    assert "other" in {labels["method"] for labels in told}
    assert SECRET not in str(told)


@given(st.text(max_size=30))
def test_any_path_is_of_a_known_route(path: str) -> None:
    assert name_route(path) in KNOWN


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "page"),
        ("/object", "page"),
        ("/healthz", "healthz"),
        ("/healthz/x", "healthz"),
        ("/healthzx", "page"),
        ("//scs//", "scs"),
        ("/_stcore/stream", "_stcore"),
    ],
)
def test_routes_hide_their_values(path: str, route: str) -> None:
    assert name_route(path) == route


def test_pages_are_timed_however_they_end() -> None:
    def count() -> float:
        return PAGES.labels("Test")._sum.get()

    before = count()
    with time_page("Test"):
        pass
    between = count()
    with pytest.raises(ValueError, match="x"), time_page("Test"):
        raise ValueError("x")
    assert before < between < count()
