"""The command that shows a release."""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from portal_release import seal

from pipeline.errors import QadError
from portal.cli import portal


def test_no_release_exits_with_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(portal, [str(tmp_path)])
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1
    assert "no release in" in result.output


def test_command_hands_the_release_over(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    result = CliRunner().invoke(portal, [str(release.parents[1]), "--port", "9000"])
    assert result.exit_code == 0, result.output
    _, command, environment = calls[0]
    assert environment["QAD_RELEASE"] == str(release)
    assert "--server.port=9000" in command
    assert "--server.address=127.0.0.1" in command
    assert "--browser.gatherUsageStats=false" in command


def test_port_must_be_a_port(release: Path) -> None:
    assert CliRunner().invoke(portal, [str(release), "--port", "99999"]).exit_code == 2


def test_command_fetches_checks_and_shows(
    own_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(own_release)
    calls = []
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    handler = partial(SimpleHTTPRequestHandler, directory=str(own_release.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        address = f"http://127.0.0.1:{server.server_port}/1.2.0"
        flags = ["--release", address, "--into", str(tmp_path / "into")]
        fine = CliRunner().invoke(portal, flags)
        (own_release / "catalog/quasars.parquet").write_bytes(b"other")
        shutil.rmtree(tmp_path / "into")
        broken = CliRunner().invoke(portal, flags)
        server.shutdown()
    assert fine.exit_code == 0, fine.output
    assert calls[0][2]["QAD_RELEASE"] == str(tmp_path / "into/1.2.0")
    assert len(calls) == 1
    # `qad` says it in one line.
    assert isinstance(broken.exception, QadError)
    assert "checksum" in str(broken.exception)
