"""Rows of a catalogue: positions in any unit and form, errors, and what is carried along."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.context.catalogues.rows import (
    find_errors,
    list_columns,
    normalise_positions,
    write_attributes,
)
from pipeline.context.science.match import measure_separations
from pipeline.errors import UserError
from pipeline.settings.context import CatalogueSettings

PLAIN = {"id": "name", "ra": "ra", "dec": "dec", "pm_ra": "", "pm_dec": "", "error": ""}


def make_block(unit: str | None = None, **columns: list) -> pa.Table:
    arrays = [pa.array(values) for values in columns.values()]
    metadata = None if unit is None else {"unit": unit}
    fields = [
        pa.field(name, array.type, metadata=metadata)
        for name, array in zip(columns, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def normalise(block: pa.Table, wanted: float = 2016.0, **settings: object) -> tuple:
    return normalise_positions("it", block, CatalogueSettings(**PLAIN | settings), wanted)


@given(
    ra=st.floats(-180, 359.9),
    dec=st.floats(-90, 90),
    unit=st.sampled_from([("deg", 1.0), ("rad", np.pi / 180), ("hourangle", 1 / 15)]),
    is_stated=st.booleans(),
)
def test_positions_of_any_unit_are_degrees(
    ra: float, dec: float, unit: tuple, is_stated: bool
) -> None:
    name, factor = unit
    block = make_block(
        name if is_stated else None, ra=[ra * factor], dec=[dec * factor * (1 - 1e-12)]
    )
    found = normalise(block, position_unit="" if is_stated else name)
    assert found[0][0] == pytest.approx(ra % 360, abs=1e-9)
    assert found[1][0] == pytest.approx(dec, abs=1e-9)
    assert found[2].all()
    assert found[3] == []


def test_sexagesimal_right_ascensions_are_hours_whatever_the_unit() -> None:
    block = make_block("deg", ra=["12:30:00", "01h00m00s"], dec=["-00:30:00", "+10d15m00s"])
    ra, dec, is_good, _ = normalise(block)
    np.testing.assert_allclose(ra, [187.5, 15])
    np.testing.assert_allclose(dec, [-0.5, 10.25])
    assert is_good.all()


def test_what_is_no_place_is_told_apart_and_a_missing_unit_noted() -> None:
    block = make_block("", ra=[10.0, np.nan, 400.0, 5.0], dec=[1.0, 2.0, 3.0, -91.0])
    ra, dec, is_good, notes = normalise(block)
    assert is_good.tolist() == [True, False, False, False]
    assert (ra[1:] == 0).all()
    assert (dec[1:] == 0).all()
    assert [note.split()[1] for note in notes] == ["ra", "dec"]
    assert normalise(block, position_unit="deg")[3] == []
    with pytest.raises(UserError, match="column ra is in 'kg', which is no angle"):
        normalise(make_block("kg", ra=[1.0], dec=[1.0]))


def test_positions_are_moved_to_the_epoch_wanted() -> None:
    block = make_block(ra=[10.0], dec=[60.0], mu_ra=[3000.0], mu_dec=[-4000.0])
    moving = {"pm_ra": "mu_ra", "pm_dec": "mu_dec", "epoch": 2000.0}
    ra, dec, *_ = normalise(block, wanted=2010.0, **moving)
    gap = measure_separations(np.array([10.0]), np.array([60.0]), ra, dec)[0]
    # Five arcsec a year for ten years; to the east, and south.
    assert gap == pytest.approx(50, rel=1e-6)
    assert (ra[0] > 10, dec[0] < 60) == (True, True)
    back, _, *_ = normalise(block, wanted=1990.0, **moving)
    assert back[0] < 10
    for lacking in ({"pm_ra": ""}, {"pm_dec": ""}, {"epoch": None}):
        still = normalise(block, wanted=2010.0, **moving | lacking)
        assert (still[0][0], still[1][0]) == (10.0, 60.0)


@given(
    errors=st.lists(st.one_of(st.none(), st.floats(-1, 10)), min_size=1, max_size=6),
    scale=st.floats(0.1, 10),
    constant=st.sampled_from([0.0, 0.7]),
)
def test_unknown_errors_are_the_constant_one(errors: list, scale: float, constant: float) -> None:
    settings = {"error": "e", "error_scale": scale, "position_error": constant}
    block = pa.table({"ra": [0.0] * len(errors), "e": pa.array(errors, pa.float64())})
    found = find_errors("it", block, CatalogueSettings(**PLAIN | settings))
    unknown = constant or np.nan
    expected = [error * scale if error and error > 0 else unknown for error in errors]
    np.testing.assert_allclose(found, expected)
    none = find_errors("it", block, CatalogueSettings(**PLAIN | settings | {"error": ""}))
    np.testing.assert_array_equal(none, np.full(len(errors), unknown))


def test_columns_are_read_once_and_in_order() -> None:
    settings = CatalogueSettings(**PLAIN | {"error": "e", "keep": ["mag", "ra", "e"]})
    assert list_columns(settings) == ["name", "ra", "dec", "e", "mag"]


def test_what_is_carried_along_is_json_that_any_reader_reads_alike() -> None:
    block = make_block(
        n=[2**53 + 1, 5, None], f=[0.5, np.nan, np.inf], s=["a", None, 'b"'], i=[2**53, 1, -(2**53)]
    )
    found = write_attributes(block, ["s", "n", "f", "i"])
    assert [json.loads(text) for text in found] == [
        {"s": "a", "n": str(2**53 + 1), "f": 0.5, "i": 2**53},
        {"n": "5", "i": 1},
        {"s": 'b"', "i": -(2**53)},
    ]
    assert list(json.loads(found[0])) == ["s", "n", "f", "i"]
    assert write_attributes(block, []) == [None] * 3
