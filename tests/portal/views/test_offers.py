"""What a release can be filtered by follows the columns that it has."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.column import Column, Table
from catalog_schema.tables import QUASARS
from portal.views.offers import is_own, list_own_numbers, make_offer, span_slider

SOME = st.lists(st.sampled_from(QUASARS.names), unique=True)
FLOATS = st.floats(-1e6, 1e6)


def pick(*names: str, own: tuple[str, ...] = ()) -> Table:
    columns = [QUASARS[name] for name in QUASARS.names if name in names]
    columns += [Column(name, pa.float64(), "Of its own.", "") for name in own]
    return Table("points", "Points.", ("TARGETID",), tuple(columns))


@given(SOME)
def test_only_columns_that_are_there_are_offered(names: list[str]) -> None:
    offer = make_offer(pick("TARGETID", *names), {})
    present = {"TARGETID", *names}
    assert set(offer.words.values()) <= present
    assert {slider.column for slider in offer.sliders.values()} <= present
    assert set(offer.sortable) <= present
    assert offer.has_map == ({"map_x", "map_y"} <= present)
    assert len(set(offer.keys)) == len(offer.keys)


def test_a_release_of_quasars_has_all_of_them() -> None:
    offer = make_offer(QUASARS, {})
    assert list(offer.sliders) == ["z", "snr", "artefact", "ra", "dec"]
    assert list(offer.words)[:3] == ["tier", "finding", "class"]
    assert offer.sortable[0] == "finding_p_value"
    assert not any(map(is_own, offer.keys))


def test_own_numbers_become_ranges_under_keys_of_their_own() -> None:
    table = pick("TARGETID", "Z", own=("z", "state", "size"))
    assert list_own_numbers(table) == ("z", "state", "size")
    offer = make_offer(table, {"z": (0.0, 1.0), "state": (3.0, 3.0), "size": (-5.0, 90.0)})
    assert {key: slider.column for key, slider in offer.sliders.items()} == {
        "z": "Z",
        "of_z": "z",
        "of_size": "size",
    }
    assert offer.sortable == ("Z", "z", "state", "size")
    assert [key for key in offer.keys if is_own(key)] == ["of_z", "of_size"]


def test_a_release_without_numbers_is_sorted_by_identifier() -> None:
    assert make_offer(pick("TARGETID", "tier"), {}).sortable == ("TARGETID",)


@given(FLOATS, FLOATS)
def test_a_slider_spans_every_value_in_steps_that_people_read(one: float, two: float) -> None:
    low, high = sorted((one, two))
    if high - low < 1e-6 * max(abs(low), abs(high), 1e-6):
        return
    slider = span_slider("x", low, high)
    assert slider.low <= low + 1e-9 * abs(low)
    assert slider.high >= high - 1e-9 * abs(high)
    assert 20 <= (slider.high - slider.low) / slider.step <= 250
    assert math.log10(slider.step) == pytest.approx(round(math.log10(slider.step)))


@given(FLOATS, FLOATS)
def test_an_end_sets_no_limit_and_all_else_does(low: float, high: float) -> None:
    slider = span_slider("x", -10.0, 10.0)
    opened = slider.open_range(low, high)
    assert opened[0] == (low if low > slider.low else None)
    assert opened[1] == (high if high < slider.high else None)
    assert slider.open_range(slider.low, slider.high) == (None, None)
