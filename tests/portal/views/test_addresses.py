"""Filters as text that an address carries."""

import pytest

from catalog_schema.tables import QUASARS
from portal.data.conditions import Cells, Filters
from portal.data.ranking import Ranking
from portal.views.addresses import read_cells, read_selection, write_cells
from portal.views.offers import make_offer

OFFER = make_offer(QUASARS, {})


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (Cells(4, (3, 1, 2, 9)), "4:1-3.9"),
        (Cells(0, (11,)), "0:11"),
        (Cells(6, (0, 49151)), "6:0.49151"),
    ],
)
def test_cells_survive_an_address(cells: Cells, text: str) -> None:
    assert write_cells(cells) == text
    read = read_cells(text)
    assert read is not None
    assert (read.order, set(read.pixels)) == (cells.order, set(cells.pixels))


@pytest.mark.parametrize(
    "text",
    ["", "4", "x:1", "4:", "4:-1", "4:3-1", "9:1", "0:12", "-1:0", "6:0-99999999999", "4:1-2-"],
)
def test_tampered_cells_are_left_out(text: str) -> None:
    assert read_cells(text) is None


def test_selection_is_rebuilt() -> None:
    text = "tier=gold&tier=silver&z=1.0&z=2.5&p=0.01&catalogue=xray&state=matched&sort=Z"
    text += "&sky=3:5&map=0,1,-2,2"
    filters, ranking = read_selection(text, OFFER)
    assert filters == Filters(
        words=(("tier", ("gold", "silver")),),
        ranges=(
            ("Z", (1.0, 2.5)),
            ("p_value", (None, 0.01)),
            ("map_x", (0.0, 1.0)),
            ("map_y", (-2.0, 2.0)),
        ),
        match=("xray", "matched"),
        cells=Cells(3, (5,)),
        clean=True,
    )
    assert ranking == Ranking("Z", True)


@pytest.mark.parametrize(
    "text",
    [
        "z=1",
        "z=a&z=b",
        "p=7",
        "sort=1;DROP",
        "sky=../..",
        "map=1,2,x,4",
        "map=1",
        "%00=%ff",
        "everything=maybe",
        "z=nan&z=nan",
    ],
)
def test_tampered_parameters_are_left_out(text: str) -> None:
    assert read_selection(text, OFFER) == (Filters(clean=True), Ranking())
