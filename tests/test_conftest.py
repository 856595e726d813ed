"""A test that cannot run is skipped with its reason, in CI it fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = {
    "test_absent": "import pytest\npytest.importorskip('no_such_library')\n",
    "test_others": """
import pytest

@pytest.mark.skipif(True, reason="no such program")
def test_a(): pass

def test_b(): pytest.skip("no such data")

@pytest.mark.xfail
def test_c(): assert False

def test_d(): pytest.skip("mounting a file system needs privileges")
""",
}


@pytest.mark.parametrize(
    ("ci", "ended", "code"),
    [("", "4 skipped, 1 xfailed", 0), ("true", "1 failed, 1 skipped, 1 xfailed, 2 errors", 1)],
)
def test_what_cannot_run(tmp_path: Path, ci: str, ended: str, code: int) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    for name, text in _TESTS.items():
        (tmp_path / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "--continue-on-collection-errors", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CI": ci},
    )
    assert ended in done.stdout
    assert done.returncode == code
