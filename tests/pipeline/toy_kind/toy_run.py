"""Runs of the toy kind: its files, and a release made of them."""

from pathlib import Path

import numpy as np
import pytest
from toy_points import PATH, POINTS

from catalog_schema.kinds import KINDS
from pipeline.config import load_config
from pipeline.flow.data_path import run_stages
from pipeline.flow.kinds import PATHS
from pipeline.flow.root import Root
from release.build import build

N, ODD = 400, (5, 17, 330)


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the kind known."""
    monkeypatch.setitem(KINDS, POINTS.name, POINTS)
    monkeypatch.setitem(PATHS, POINTS.name, PATH)


def write_points(folder: Path) -> Path:
    """Write two files of points whose numbers scatter more where they are faint."""
    draw = np.random.default_rng(3)
    folder.mkdir()
    for part in range(2):
        magnitude = draw.uniform(18, 22, N)
        size, colour = draw.normal(size=(2, N)) * np.exp(magnitude - 20)
        for row in ODD:
            size[row] += 12 * np.exp(magnitude[row] - 20)
        magnitude[0] = np.nan
        rows = np.column_stack(
            [
                np.arange(N) + 1000 * part,
                draw.uniform(0, 90, N),
                draw.uniform(-30, 30, N),
                colour,
                size,
                magnitude,
                np.arange(N) % 40 == 1,
            ]
        )
        head = "number,ra,dec,colour,size,magnitude,is_control"
        np.savetxt(folder / f"{part}.csv", rows, delimiter=",", header=head, comments="")
    return folder


def build_points(folder: Path) -> Path:
    """Go from files to a release; the kind must be registered."""
    source = write_points(folder / "points")
    config = load_config(None, ("run.kind=toy",), source=str(source))
    root = Root(folder / "root")
    with root.lock():
        run_stages(root, config, lambda *_: None)
        return build(root, config, "0.1.0").path
