"""The plots of the page Explore: those that the release can fill, each as its tab is opened."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pages import open_page, written
from portal_release import N_ROWS

from portal.data.conditions import Cells
from portal.views.explore_plots import _hold

VIEWS = {
    "Sky": "Mollweide projection",
    "Score against SNR": "of all rows",
    "Map of latents": "",
    "Distributions": "objects in bins of 0.5",
    "Compare two selections": "",
}
PIXELS = pd.Series(range(12 * 4**4))


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_drawn_when_its_tab_is_open(
    release: Path, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    app = open_page(monkeypatch, release, view=view)
    assert [tab.label for tab in app.tabs][: len(VIEWS)] == list(VIEWS)
    assert not app.error
    assert not app.warning


@pytest.mark.parametrize(
    ("columns", "lost"),
    [
        (("map_x",), "Map of latents"),
        (("snr",), "Score against SNR"),
        (("TARGET_DEC",), "Sky"),
        (("_healpix_29",), "Sky"),
    ],
)
def test_a_view_goes_with_the_columns_that_it_needs(
    own_release: Path, monkeypatch: pytest.MonkeyPatch, columns: tuple[str, ...], lost: str
) -> None:
    path = own_release / "catalog/quasars.parquet"
    pq.write_table(pq.read_table(path).drop_columns(list(columns)), path)
    app = open_page(monkeypatch, own_release)
    assert [tab.label for tab in app.tabs] == [view for view in VIEWS if view != lost]
    assert f"of {N_ROWS}" in written(app)
    assert not app.error


def test_cells_hold_their_parts_and_their_wholes() -> None:
    everywhere = _hold(None, 4, PIXELS)
    assert everywhere.all()
    same = _hold(Cells(4, (3, 7)), 4, PIXELS)
    assert PIXELS[same].tolist() == [3, 7]
    coarse = _hold(Cells(3, (1,)), 4, PIXELS)
    assert PIXELS[coarse].tolist() == [4, 5, 6, 7]
    fine = _hold(Cells(6, (16, 17, 47)), 4, PIXELS)
    assert PIXELS[fine].tolist() == [1, 2]


def test_a_selection_is_held_against_the_page(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = {"view": "Compare two selections", "held": "tier=gold&tier=silver", "tier": "bronze"}
    app = open_page(monkeypatch, release, **address)
    assert not app.exception
    assert not app.warning
    app = open_page(monkeypatch, release, view="Compare two selections", held="find=400 95")
    assert not app.exception
