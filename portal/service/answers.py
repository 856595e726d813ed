"""Work for one request: beside the event loop, ended when its client has left, sent in steps."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from portal.service.pool import MAX_RUNNING, MAX_WAITING, Answer

# Seconds between looks at whether the client is still there.
_TICK = 0.25
_STEP_BYTES = 1 << 18
# What a slow client may take for the whole answer.
_MAX_SENDING = 900.0
# Of their own, so that no other request waits for those who wait for a process.
_threads = ThreadPoolExecutor(MAX_RUNNING + MAX_WAITING + 2, thread_name_prefix="portal-task")

Result = TypeVar("Result")


async def attend(request: Request, work: Callable[[threading.Event], Result]) -> Result:
    """Do work in a thread; the event it is given is set when the client has left."""
    left = threading.Event()
    future = asyncio.get_running_loop().run_in_executor(_threads, work, left)
    try:
        while not future.done():
            await asyncio.wait({future}, timeout=_TICK)
            if not future.done() and await request.is_disconnected():
                left.set()
        return future.result()
    finally:
        left.set()


class FileAnswer(Response):
    """An answer of the pool, sent in steps; whatever happens, what holds it is closed."""

    def __init__(
        self, answer: Answer, held: ExitStack, media: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(media_type=media, headers=headers)
        self.headers["content-length"] = str(answer.n_bytes)
        self._answer, self._held = answer, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the content until it ends or its client leaves."""
        request = Request(scope, receive)
        try:
            async with asyncio.timeout(_MAX_SENDING):
                start = {"type": "http.response.start", "status": self.status_code}
                await send({**start, "headers": self.raw_headers})
                await self._send_content(request, send)
        finally:
            self._held.close()

    async def _send_content(self, request: Request, send: Send) -> None:
        left, file = self._answer.n_bytes, self._answer.file
        file.seek(0)
        while left > 0 and not await request.is_disconnected():
            content = file.read(min(left, _STEP_BYTES))
            left -= len(content)
            await send({"type": "http.response.body", "body": content, "more_body": left > 0})
        if not self._answer.n_bytes:
            await send({"type": "http.response.body", "body": b""})
