"""The example notebooks run from top to bottom, in a folder of their own."""

import os
from pathlib import Path

import pytest
from documented import ROOT

pytestmark = pytest.mark.slow
NOTEBOOKS = sorted((ROOT / "docs" / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Streamlit, where it ran before in this process, forbids the pictures of all that follow.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    nbformat, nbclient = (pytest.importorskip(name) for name in ("nbformat", "nbclient"))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    # Stored as they are written, without what a run has put out.
    assert all(not cell.get("outputs") for cell in notebook.cells)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=where).execute()
    kinds = {
        kind
        for cell in notebook.cells
        for out in cell.get("outputs", ())
        for kind in out.get("data", ())
    }
    assert {"text/html", "image/png"} <= kinds
