"""The example notebooks run from top to bottom, in a folder of their own."""

import os
from pathlib import Path

import pytest
from documented import ROOT
from notebooks import run_notebook

pytestmark = pytest.mark.slow
NOTEBOOKS = sorted((ROOT / "docs" / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    run_notebook(path, tmp_path, 600, monkeypatch)
