"""Stand-ins of the CDS XMatch and TAP services on the loopback interface, which fail on command."""

import io
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from astropy.table import Table, vstack

from pipeline.context.science.match import measure_separations

TABLE = "vizier:X/1/sources"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that has gone, as it may."""


class Observatory:
    """Serves one catalogue (columns Source, ra, dec, and others) by both protocols.

    A fault is spent for each request: an HTTP status, or ``hang``, ``html``, ``truncate``,
    ``text`` (positions as words), ``lacking`` (no column Source), ``overflow``.
    """

    def __init__(self, catalogue: Table) -> None:
        self.catalogue = catalogue
        self.faults: deque[int | str] = deque()
        self.requests: list[float] = []
        self.n_asked: list[int] = []
        self._server = _Server(("127.0.0.1", 0), _make_handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def match(self, objects: Table, radius: float) -> Table:
        """Join the uploaded objects with the catalogue, as the services do."""
        parts = []
        for row in objects:
            n = len(self.catalogue)
            gap = measure_separations(
                np.full(n, float(row["qad_ra"])),
                np.full(n, float(row["qad_dec"])),
                np.array(self.catalogue["ra"]),
                np.array(self.catalogue["dec"]),
            )
            near = self.catalogue[gap <= radius]
            near["qad_row"] = int(row["qad_row"])
            parts.append(near)
        return vstack(parts, metadata_conflicts="silent") if parts else self.catalogue[:0]


def _make_handler(observatory: Observatory) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fields = _parse_form(self.headers["Content-Type"], body)
            observatory.requests.append(time.monotonic())
            objects, radius = _read_question(fields)
            observatory.n_asked.append(len(objects))
            fault = observatory.faults.popleft() if observatory.faults else None
            if fault == "hang":
                time.sleep(1.5)
                return
            if isinstance(fault, int):
                self._answer(fault, b"<html><body>Sorry</body></html>", "text/html")
                return
            if fault == "html":
                self._answer(200, b"<html><body>Maintenance</body></html>", "text/html")
                return
            data = _write_votable(observatory.match(objects, radius), fault)
            self._answer(200, data, "application/x-votable+xml")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _parse_form(kind: str, body: bytes) -> dict[str, bytes]:
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in message.get_payload()
    }


def _read_question(fields: dict[str, bytes]) -> tuple[Table, float]:
    if "cat1" in fields:
        objects = Table.read(fields["cat1"].decode(), format="ascii.csv")
        assert fields["cat2"].decode() == TABLE
        return objects, float(fields["distMaxArcsec"])
    upload = next(data for name, data in fields.items() if data.lstrip().startswith(b"<?xml"))
    radius = fields["QUERY"].decode().rpartition(",")[2].strip(" )")
    return Table.read(io.BytesIO(upload), format="votable"), 3600 * float(radius)


def _write_votable(table: Table, fault: str | None) -> bytes:
    if fault == "text":
        table["ra"] = np.full(len(table), "north", dtype="U5")
    if fault == "lacking":
        table.remove_column("Source")
    target = io.BytesIO()
    table.write(target, format="votable")
    data = target.getvalue()
    if fault == "overflow":
        info = b'<INFO name="QUERY_STATUS" value="OVERFLOW"/>'
        return data.replace(b"</TABLE>", b"</TABLE>" + info)
    if fault == "truncate":
        return data[: 2 * len(data) // 3]
    return data.replace(
        b'<RESOURCE type="results">',
        b'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>',
    )


@contextmanager
def serving(catalogue: Table) -> Iterator[Observatory]:
    """Run both services for the length of a block."""
    observatory = Observatory(catalogue)
    try:
        yield observatory
    finally:
        observatory.close()
