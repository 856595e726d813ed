"""The figure of an object: panels, marks, title, and the file of each kind."""

import sys
from pathlib import Path

import numpy as np
import pytest
from desi_tree import make_quasars

from catalog_schema.desi import SAMPLING
from pipeline.errors import UserError
from pipeline.plots import figure as module
from pipeline.plots.candidate import Candidate
from pipeline.plots.figure import SUFFIXES, draw_candidate, plot_candidate, write_title

pytest.importorskip("matplotlib")


def make_candidate(**values: object) -> Candidate:
    flux, ivar = make_quasars(np.array([1.6]))
    ivar[0, 3000:3100] = 0
    flux[0, 3000:3100] = 1e9
    told = {
        "targetid": 39_633_559_463_397_282,
        "origin": "release 1.0.0",
        "z": 1.6,
        "anomaly_class": "bal",
        "tier": "gold",
        "p_value": 1.2e-5,
        "sampling": SAMPLING,
        "flux": flux[0],
        "ivar": ivar[0],
        "mask": np.zeros(flux.shape[1], np.int32),
        "model": flux[0] * 0.9,
    }
    return Candidate(**(told | values))  # type: ignore[arg-type]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Candidate:
    """An object that every place has."""
    candidate = make_candidate()
    monkeypatch.setattr(module, "find_candidate", lambda *_: candidate)
    return candidate


def test_panels_hold_spectrum_reconstruction_and_residual() -> None:
    candidate = make_candidate()
    spectrum, rebuilt, residual = draw_candidate(candidate).axes
    labels = spectrum.get_legend_handles_labels()[1]
    assert labels == ["arm b", "arm r", "arm z", "masked"]
    assert len({line.get_color() for line in spectrum.get_lines()[:3]}) == 3
    names = {text.get_text() for text in spectrum.texts}
    assert {"C IV", "Mg II"} <= names
    assert "Hα" not in names
    assert rebuilt.get_legend_handles_labels()[1][:2] == ["spectrum", "reconstruction"]
    drawn = np.concatenate([line.get_ydata() for line in residual.get_lines()[:3]])
    sigmas = (candidate.flux - candidate.model) * np.sqrt(candidate.ivar)
    is_good = candidate.ivar > 0
    assert set(np.round(sigmas[is_good], 4)) == set(np.round(drawn[np.isfinite(drawn)], 4))
    # What is masked decides no axis.
    assert spectrum.get_ylim()[1] < 100


def test_title_says_what_is_known() -> None:
    title = write_title(make_candidate())
    assert title.split("   ") == [
        "TARGETID 39633559463397282",
        "z = 1.6000",
        "bal",
        "tier gold",
        "p = 1.2e-05",
        "release 1.0.0",
    ]
    unknown = write_title(make_candidate(z=None, anomaly_class=None, tier=None, p_value=None))
    assert "no redshift   no class   no tier   no p-value" in unknown


def test_nothing_to_draw() -> None:
    nothing = np.full(SAMPLING.grid.size, np.nan, np.float32)
    figure = draw_candidate(make_candidate(model=nothing, ivar=np.zeros_like(nothing), z=None))
    assert [text.get_text() for text in figure.axes[1].texts] == ["no reconstruction"]
    figure.canvas.draw()


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG"])
def test_file_of_each_kind(found: Candidate, tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / "new" / f"{name}{suffix}" for name in ("a", "b")]
    for path in paths:
        plot_candidate("anywhere", found.targetid, path)
    first, second = (path.read_bytes() for path in paths)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix.lower()]
    assert first.startswith(start)
    assert first == second
    if suffix == ".svg":
        assert b"TARGETID 39633559463397282" in first
    assert sorted(tmp_path.rglob("*.*")) == paths


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.txt"])
def test_bad_suffix_is_told_before_any_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"\.png, \.svg, \.pdf"):
        plot_candidate(tmp_path / "nowhere", 5, tmp_path / name)


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"pip install 'desi-qad\[release\]'"):
        plot_candidate(tmp_path, 5)
