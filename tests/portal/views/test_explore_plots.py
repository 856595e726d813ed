"""The plots of the page Explore: those that the release can fill, each as its tab is opened."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import open_page, written
from portal_release import N_ROWS

from portal.data.conditions import Cells
from portal.views.explore_plots import _hold, _share

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


@given(
    st.integers(0, 3).flatmap(
        lambda order: st.tuples(st.just(order), st.sets(st.integers(0, 12 * 4**order - 1)))
    ),
    st.integers(0, 3),
)
def test_a_pixel_is_held_where_any_finest_cell_of_it_is_chosen(
    chosen: tuple[int, set[int]], order: int
) -> None:
    def spread(pixel: int, order: int) -> set[int]:
        n = 4 ** (3 - order)
        return set(range(pixel * n, (pixel + 1) * n))

    cells = Cells(chosen[0], tuple(chosen[1]))
    fine = set().union(*(spread(pixel, cells.order) for pixel in cells.pixels))
    pixels = pd.Series(range(12 * 4**order))
    held = _hold(cells, order, pixels)
    assert held.tolist() == [bool(spread(pixel, order) & fine) for pixel in pixels]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 9)), max_size=8))
def test_shares_of_a_selection_add_up_to_one(counts: list[tuple[int, int]]) -> None:
    rows = pd.DataFrame(counts, columns=["low", "n"])
    shares = _share(rows, "mine")
    total = sum(n for _, n in counts)
    assert shares["share"].sum() == pytest.approx(1 if total else 0)
    assert shares["low"].is_unique
    assert shares["n"].sum() == total
    turned = _share(rows[::-1], "mine")
    pd.testing.assert_frame_equal(shares, turned)


def test_scores_are_told_as_they_were_drawn(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    known = rows[rows["snr"] > 0]
    rho = known["snr"].rank().corr(known["anomaly_score"].rank())
    text = written(open_page(monkeypatch, release, view="Score against SNR"))
    n_graded = int((known["tier"] != "none").sum())
    assert f"draw of {n_graded} graded and {len(known) - n_graded} other objects" in text
    assert f"of {len(known)}. Line and band" in text
    assert f"Left out for want of a positive SNR: {N_ROWS - len(known)}." in text
    assert f"Rank correlation of score and SNR: {rho:+.3f}" in text


def test_the_sky_tells_shares_and_what_has_no_place(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = written(open_page(monkeypatch, release, view="Sky"))
    assert f"28 of {N_ROWS} scored objects are gold, silver or bronze" in text
    text = written(open_page(monkeypatch, release, view="Sky", tier="silver"))
    assert f"8 of {N_ROWS} scored objects are silver" in text
    # The whole map stays in view when a part of it is chosen.
    app = open_page(monkeypatch, release, view="Sky", sky="1:0")
    assert app.metric[0].value != str(N_ROWS)
    assert f"28 of {N_ROWS} scored objects" in written(app)


@pytest.mark.parametrize("view", ["Sky", "Map of latents"])
def test_a_part_that_was_chosen_can_be_given_up(
    release: Path, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    key, text = ("sky", "1:0-23") if view == "Sky" else ("map", "0,99,-99,99")
    app = open_page(monkeypatch, release, view=view, **{key: text})
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    inside = (rows["HEALPIX"] // 4**5) < 24 if view == "Sky" else rows["map_x"] >= 0
    assert app.metric[0].value == str(inside.sum())
    (button,) = [each for each in app.button if each.label.startswith("Show the whole")]
    button.click().run()
    assert app.metric[0].value == str(N_ROWS)
    assert key not in app.query_params
    assert not [each for each in app.button if each.label.startswith("Show the whole")]


def test_a_selection_that_is_held_is_counted_beside_the_page(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    held = int(rows["Z"].between(1.0, 2.0).sum())
    address = {"view": "Compare two selections", "held": "z=1.0&z=2.0", "find": "tier=gold"}
    app = open_page(monkeypatch, release, **address)
    assert f"Held: {held} objects" in written(app)
    assert "This page: 4." in written(app)
    (button,) = [each for each in app.button if each.label == "Let it go"]
    button.click().run()
    assert "held" not in app.query_params
    assert "Held: " not in written(app)


def test_distributions_count_what_passes(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = written(open_page(monkeypatch, release, view="Distributions", find="tier=bronze"))
    assert "16 objects in bins of 0.5." in text
    assert "16 objects in bins of 0.1." in text
