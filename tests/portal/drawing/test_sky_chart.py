"""Maps of the sky: cells and single places, in the frame of one projection."""

import numpy as np
import pandas as pd
import pytest

from portal.drawing.projection import project
from portal.drawing.sky_chart import FEW_MEMBERS, draw_places, draw_sky, place_cells

CELLS = pd.DataFrame(
    {
        "pix": range(4),
        "n": [FEW_MEMBERS - 1, FEW_MEMBERS, 1000, 5],
        "n_found": range(4),
        "rate": [0.1, 0.2, 0.3, 0.4],
        "ra": [10.0, 120.0, np.nan, 300.0],
        "dec": [-20.0, 0.0, np.nan, 80.0],
        "chosen": True,
    }
)


def test_a_cell_lies_where_its_position_is_projected() -> None:
    placed = place_cells(CELLS)
    assert placed["pix"].tolist() == [0, 1, 3]
    x, y = project(placed["ra"], placed["dec"])
    assert np.allclose(placed["x"], x)
    assert np.allclose(placed["y"], y)
    assert "x" not in CELLS


@pytest.mark.parametrize("value", ["rate", "n"])
@pytest.mark.parametrize("order", [3, 6])
def test_a_map_is_of_its_value_and_of_cells_that_touch(order: int, value: str) -> None:
    chart = draw_sky(place_cells(CELLS), order, value)
    grid, marks, labels = chart.spec["layer"]
    assert marks["encoding"]["color"]["field"] == value
    assert [layer["data"]["name"] for layer in (grid, marks, labels)] == ["grid", "rows", "labels"]
    assert "chosen" not in chart.tables["rows"]
    coarse = draw_sky(place_cells(CELLS), order - 1, value).spec["layer"][1]["mark"]["size"]
    assert coarse / marks["mark"]["size"] == pytest.approx(4) or marks["mark"]["size"] == 12


def test_few_is_less_than_the_number_that_the_page_tells() -> None:
    rows = draw_sky(place_cells(CELLS), 3, "rate").tables["rows"].set_index("pix")["few"]
    assert (rows == "enough").to_dict() == {0: False, 1: True, 3: False}


def test_places_are_drawn_where_they_lie() -> None:
    chart = draw_places(pd.DataFrame({"ra": [0.0, 180.0], "dec": [0.0, 45.0]}))
    rows = chart.tables["rows"]
    x, y = project([0.0, 180.0], [0.0, 45.0])
    assert np.allclose(rows["x"], x)
    assert np.allclose(rows["y"], y)
