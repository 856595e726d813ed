"""Starts the portal's server, or another that answers as Streamlit does, at a free port."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.request import urlopen

START_SECONDS = 300
Served = tuple[str, subprocess.Popen[bytes]]


def serve(root: Path, *flags: str) -> AbstractContextManager[Served]:
    """Serve a release as `qad portal` does."""
    command = [sys.executable, "-c", "from portal.cli import portal; portal()"]
    return start([*command, str(root), *flags])


@contextmanager
def start(command: list[str]) -> Iterator[Served]:
    """Start a server at a free port; yield its address and process once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    option = "--server.port" if "streamlit" in command else "--port"
    server = subprocess.Popen(
        [*command, option, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(address)
        yield address, server
    finally:
        server.terminate()
        server.wait(10)


def wait_until_healthy(address: str) -> None:
    for _ in range(START_SECONDS):
        try:
            with urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise SystemExit(f"the portal did not start within {START_SECONDS} s")
