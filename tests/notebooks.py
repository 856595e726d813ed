"""Running a notebook that is kept as it is written."""

from pathlib import Path

import pytest


def run_notebook(path: Path, folder: Path, timeout: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute a notebook in a folder: it holds no outputs, and shows a table and a picture."""
    # Streamlit, where it ran before in this process, forbids the pictures of all that follow.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    nbformat, nbclient = (pytest.importorskip(name) for name in ("nbformat", "nbclient"))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    where = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=timeout, resources=where).execute()
    kinds = {
        kind
        for cell in notebook.cells
        for out in cell.get("outputs", ())
        for kind in out.get("data", ())
    }
    assert {"text/html", "image/png"} <= kinds
