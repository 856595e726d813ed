"""What the set-up asks pip for: pip itself first, torch alone from the CPU index, all pinned."""

import os
import subprocess
from pathlib import Path

import pytest
from distributions import ROOT


def _install(folder: Path, extras: str, index: str) -> list[str]:
    """Run the set-up with a python that notes how it was called."""
    calls, python = folder / "calls", folder / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    python.chmod(0o755)
    command = [ROOT / "deploy" / "install-dependencies.sh", python, extras]
    environment = os.environ | {"TORCH_INDEX": index}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return [line for line in calls.read_text().splitlines() if line.startswith("-m pip install")]


@pytest.mark.parametrize("extras", ["pipeline", "release,pipeline,dev", "portal"])
@pytest.mark.parametrize("index", ["", "http://127.0.0.1:9/simple"])
def test_pip_is_asked(tmp_path: Path, extras: str, index: str) -> None:
    first, *torch, last = _install(tmp_path, extras, index)
    assert all(" -c constraints.txt " in call for call in (first, *torch, last))
    assert first.endswith(" pip")
    assert last.endswith(f" --build-constraint constraints.txt --only-deps .[{extras}]")
    assert "index" not in first + last
    if index and "pipeline" in extras:
        assert [call.split("constraints.txt ")[1] for call in torch] == [
            f"--no-deps --extra-index-url {index} torch"
        ]
    else:
        assert not torch
