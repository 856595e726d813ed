"""Filters as text that an address carries, and back."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.tables import QUASARS
from portal.data.conditions import Cells, Filters
from portal.data.ranking import SMALLEST_FIRST, Ranking
from portal.views.addresses import (
    rank,
    read_cells,
    read_map,
    read_selection,
    split_selection,
    write_cells,
    write_map,
)
from portal.views.offers import make_offer

OFFER = make_offer(QUASARS, {})


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (Cells(4, (3, 1, 2, 9)), "4:1-3.9"),
        (Cells(0, (11,)), "0:11"),
        (Cells(6, (0, 49151)), "6:0.49151"),
        (Cells(3, ()), ""),
    ],
)
def test_cells_are_written_as_runs(cells: Cells, text: str) -> None:
    assert write_cells(cells) == text


@given(
    st.integers(0, 6).flatmap(
        lambda order: st.tuples(
            st.just(order), st.sets(st.integers(0, 12 * 4**order - 1), min_size=1, max_size=60)
        )
    )
)
def test_cells_survive_an_address(drawn: tuple[int, set[int]]) -> None:
    order, pixels = drawn
    text = write_cells(Cells(order, tuple(pixels)))
    assert read_cells(text) == Cells(order, tuple(sorted(pixels)))
    assert urlencode({"sky": text}) == f"sky={text.replace(':', '%3A')}"


@pytest.mark.parametrize(
    "text",
    ["", "4", "x:1", "4:", "4:-1", "4:3-1", "9:1", "0:12", "-1:0", "6:0-99999999999", "4:1-2-"],
)
def test_tampered_cells_are_left_out(text: str) -> None:
    assert read_cells(text) is None


@given(st.text(max_size=20))
def test_any_text_is_cells_or_none(text: str) -> None:
    cells = read_cells(text)
    assert cells is None or all(0 <= p < 12 * 4**cells.order for p in cells.pixels)


@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4))
def test_a_part_of_the_map_survives_an_address(box: list[float]) -> None:
    read = read_map(write_map(box))
    assert [*read["map_x"], *read["map_y"]] == pytest.approx(box, rel=1e-3, abs=1e-300)


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


@given(
    words=st.lists(st.sampled_from(["gold", "silver", "none"]), unique=True),
    ends=st.tuples(st.floats(0.1, 3), st.floats(3, 6.9)),
    find=st.text(max_size=20).map(str.strip),
    everything=st.booleans(),
    sort=st.sampled_from(OFFER.sortable),
    is_reversed=st.booleans(),
)
def test_what_widgets_write_is_read_back(
    words: list[str],
    ends: tuple[float, float],
    find: str,
    everything: bool,
    sort: str,
    is_reversed: bool,
) -> None:
    told = [*(("tier", word) for word in words), *(("z", repr(end)) for end in ends)]
    told += [("everything", str(everything).lower()), ("sort", sort)]
    told += [("reversed", str(is_reversed).lower()), ("unknown", "x"), ("find", find)]
    filters, ranking = read_selection(urlencode(told, errors="replace"), OFFER)
    assert filters.get_words("tier") == tuple(words)
    assert dict(filters.ranges)["Z"] == ends
    assert filters.clean is not everything
    assert filters.search == find.encode("utf-8", "replace").decode().strip()
    assert ranking == rank(sort, is_reversed, OFFER)
    assert ranking.descending == ((sort in SMALLEST_FIRST) == is_reversed)


@pytest.mark.parametrize(
    "text",
    [
        "z=1",
        "z=a&z=b",
        "p=7",
        "sort=1;DROP",
        "sort=latent",
        "sky=../..",
        "map=1,2,x,4",
        "map=1",
        "%00=%ff",
        "everything=maybe",
        "z=nan&z=nan",
        "of_colour=1&of_colour=2",
    ],
)
def test_tampered_parameters_are_left_out(text: str) -> None:
    assert read_selection(text, OFFER) == (Filters(clean=True), Ranking())


def test_only_parameters_of_the_release_are_kept() -> None:
    text = "tier=gold&of_x=1&of_x=2&release=1.0.0&z=1"
    assert split_selection(text, OFFER) == {"tier": ["gold"], "z": ["1"]}
    own = make_offer(QUASARS, {"x": (0.0, 9.0)})
    assert split_selection(text, own)["of_x"] == ["1", "2"]
    filters, _ = read_selection(text, own)
    assert ("x", (1.0, 2.0)) in filters.ranges
