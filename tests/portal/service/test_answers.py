"""Work for a request ends with its client, and what holds it is closed however it ends."""

import asyncio
import io
import threading
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.requests import Request

from portal.service.answers import FileAnswer, attend
from portal.service.pool import Answer

CONTENT = bytes(range(256)) * 4000


class Client:
    """Who reads so many messages of an answer and then leaves."""

    def __init__(self, patience: int) -> None:
        self.patience, self.messages = patience, []

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    async def receive(self) -> dict[str, Any]:
        if len(self.messages) < self.patience:
            # Nothing more is said by a client that waits.
            await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)


def make_answer(content: bytes) -> tuple[FileAnswer, list[str]]:
    closed: list[str] = []
    held = ExitStack()
    held.callback(closed.append, "closed")
    # What stands behind the content is the worker's own.
    answer = Answer(io.BytesIO(content + b"header"), len(content), {})
    return FileAnswer(answer, held, "text/plain", {"X-A": "b"}), closed


@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
def test_the_whole_content_is_sent_and_no_more(content: bytes) -> None:
    answer, closed = make_answer(content)
    client = Client(10**6)
    asyncio.run(answer({"type": "http", "headers": []}, client.receive, client.send))
    assert client.body == content
    start, *parts = client.messages
    headers = dict(start["headers"])
    assert headers[b"content-length"] == str(len(content)).encode()
    assert headers[b"x-a"] == b"b"
    assert not parts[-1].get("more_body")
    assert all(part["more_body"] for part in parts[:-1])
    assert closed == ["closed"]


def test_a_client_that_leaves_is_sent_no_more() -> None:
    answer, closed = make_answer(CONTENT)
    client = Client(2)
    asyncio.run(answer({"type": "http", "headers": []}, client.receive, client.send))
    assert len(client.body) < len(CONTENT)
    assert closed == ["closed"]


def test_a_connection_that_breaks_closes_what_was_held() -> None:
    answer, closed = make_answer(CONTENT)

    async def fail(_: Any) -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        asyncio.run(answer({"type": "http", "headers": []}, Client(10**6).receive, fail))
    assert closed == ["closed"]


def ask(client: Client) -> Request:
    return Request({"type": "http", "headers": []}, client.receive)


def test_work_is_done_beside_and_its_result_returned() -> None:
    async def work() -> tuple[int, int]:
        found = await attend(ask(Client(10**6)), lambda _: threading.get_ident())
        return found, threading.get_ident()

    mine, loops = asyncio.run(work())
    assert mine != loops


def test_work_is_told_that_its_client_has_left() -> None:
    def wait(left: threading.Event) -> bool:
        return left.wait(30)

    assert asyncio.run(attend(ask(Client(0)), wait))


def test_a_fault_of_the_work_is_raised() -> None:
    def fail(_: threading.Event) -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        asyncio.run(attend(ask(Client(10**6)), fail))
