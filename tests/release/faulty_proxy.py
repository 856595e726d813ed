"""A server on loopback that passes requests on to another one and spoils those it was told to."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from urllib.parse import urlsplit

Action = int | str | Callable[[], object]


@dataclass
class Fault:
    """Spoils requests: a status, `drop`, `hang`, `flip` (a byte of the reply), `cut`, or a call."""

    method: str
    pattern: str
    action: Action
    skip: int = 0
    times: int = 1

    def hits(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.pattern, path) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class FaultyProxy(ThreadingHTTPServer):
    """The proxy; `faults` may be set at any time, `log` and `headers` list what was asked."""

    daemon_threads = True

    def __init__(self, behind: str, tls: SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.behind = urlsplit(behind).netloc
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.headers: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        scheme = "https" if tls else "http"
        self.address = f"{scheme}://127.0.0.1:{self.server_address[1]}"

    def choose(self, method: str, path: str) -> Action | None:
        with self.lock:
            self.log.append(f"{method} {path}")
            return next((f.action for f in self.faults if f.hits(method, path)), None)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep still: a client that was refused hangs up, and stderr is what the tests look at."""

    def count(self, method: str) -> int:
        return sum(line.startswith(f"{method} ") for line in self.log)


@contextmanager
def run_proxy(behind: str, tls: SSLContext | None = None) -> Iterator[FaultyProxy]:
    """Serve until the block ends."""
    server = FaultyProxy(behind, tls)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self._read_body()
        self.server.headers.append((f"{self.command} {self.path}", self._lower_headers()))
        action = self.server.choose(self.command, self.path)
        if callable(action):
            action()
        if isinstance(action, int):
            self._reply(action, {}, b"")
        elif action in ("drop", "hang"):
            time.sleep(1 if action == "hang" else 0)
            self.close_connection = True
        else:
            self._forward(body, action)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _lower_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _forward(self, body: bytes, action: Action | None) -> None:
        link = http.client.HTTPConnection(self.server.behind)
        headers = dict(self.headers.items()) | {"Content-Length": str(len(body))}
        headers.pop("Transfer-Encoding", None)
        headers.pop("Expect", None)
        link.request(self.command, self.path, body, headers)
        answer = link.getresponse()
        content = answer.read()
        link.close()
        dropped = {"content-length", "transfer-encoding", "connection"}
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in dropped}
        if action == "flip" and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self._reply(
            answer.status,
            kept,
            content,
            is_cut=action == "cut",
            length=answer.getheader("Content-Length"),
        )

    def _reply(
        self,
        status: int,
        headers: dict[str, str],
        content: bytes,
        is_cut: bool = False,
        length: str | None = None,
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if is_cut:
            content, self.close_connection = content[: len(content) // 2], True
        if self.command != "HEAD":
            self.wfile.write(content)

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)
