"""How much one client may have under way, and who it is behind a proxy."""

from contextlib import ExitStack

import pytest
from starlette.requests import Request

from portal.service.clients import MAX_PER_CLIENT, PROXY_VARIABLE, admit
from portal.service.pool import BusyError


def request(host: str | None = "10.0.0.1", *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", text.encode()) for text in forwarded]
    client = None if host is None else (host, 1)
    return Request({"type": "http", "headers": headers, "client": client})


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROXY_VARIABLE, raising=False)


def count_admitted(*requests: Request) -> int:
    """Return how many of these requests are let in while all are under way."""
    with ExitStack() as held:
        for number, each in enumerate(requests):
            try:
                held.enter_context(admit(each))
            except BusyError:
                return number
    return len(requests)


def test_a_client_has_so_many_and_others_have_theirs() -> None:
    mine = [request()] * (MAX_PER_CLIENT + 1)
    assert count_admitted(*mine) == MAX_PER_CLIENT
    mixed = [request(f"10.0.0.{n}") for n in (1, 2)] * MAX_PER_CLIENT
    assert count_admitted(*mixed) == len(mixed)


def test_what_has_ended_makes_room() -> None:
    for _ in range(3):
        assert count_admitted(*[request()] * MAX_PER_CLIENT) == MAX_PER_CLIENT


def test_the_reason_is_one_line() -> None:
    with ExitStack() as held:
        for _ in range(MAX_PER_CLIENT):
            held.enter_context(admit(request()))
        with pytest.raises(BusyError, match=f"^{MAX_PER_CLIENT} requests of yours"):
            admit(request())


def test_nobody_speaks_for_others_without_a_proxy() -> None:
    liars = [request("10.0.0.1", f"1.2.3.{n}") for n in range(MAX_PER_CLIENT + 1)]
    assert count_admitted(*liars) == MAX_PER_CLIENT


def test_a_proxy_tells_who_asks_and_its_last_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROXY_VARIABLE, "1")
    many = [request("10.0.0.1", f"1.2.3.{n}") for n in range(3 * MAX_PER_CLIENT)]
    assert count_admitted(*many) == len(many)
    liars = [request("10.0.0.1", f"9.9.9.{n}, 1.2.3.4") for n in range(MAX_PER_CLIENT + 1)]
    assert count_admitted(*liars) == MAX_PER_CLIENT
    silent = [request("10.0.0.1", "")] * (MAX_PER_CLIENT + 1)
    assert count_admitted(*silent) == MAX_PER_CLIENT


def test_clients_without_an_address_are_one() -> None:
    assert count_admitted(*[request(None)] * (MAX_PER_CLIENT + 1)) == MAX_PER_CLIENT
