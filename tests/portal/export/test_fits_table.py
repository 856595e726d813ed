"""FITS tables hold what FITS can, under names of its own, and say what they cannot."""

import io

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.tables import QUASARS
from portal.export import formats
from portal.export.fits_table import make_table
from portal.export.formats import FormatError

KNOWN = {column.name: column for column in QUASARS.columns}


def read(rows: pa.Table) -> Table:
    return Table.read(io.BytesIO(formats.write(rows, formats.FITS)), format="fits")


def test_units_and_descriptions_of_known_columns() -> None:
    made = make_table(pa.table({"TARGET_RA": [1.5], "other": [2]}), KNOWN)
    assert str(made["TARGET_RA"].unit) == "deg"
    assert made["TARGET_RA"].description == QUASARS["TARGET_RA"].description
    assert made["other"].unit is None


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5))
def test_identifiers_keep_every_digit(ids: list[int]) -> None:
    assert read(pa.table({"TARGETID": ids}))["TARGETID"].tolist() == ids


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4, unique=True))
def test_any_names_become_different_ones(names: list[str]) -> None:
    plain = list(dict.fromkeys(name.encode("utf-8", "replace").decode() for name in names))
    made = make_table(pa.table([pa.array([n]) for n in range(len(plain))], plain), {})
    assert [made[name][0] for name in made.colnames] == list(range(len(plain)))
    assert len({name.lower() for name in made.colnames}) == len(plain)
    assert all(name.isascii() and name.isprintable() for name in made.colnames)


def test_names_that_differ_in_case_or_length_only_stay_apart() -> None:
    names = ["Z", "z", "x" * 50, "x" * 50 + "y", ""]
    made = make_table(pa.table([pa.array([n]) for n in range(5)], names), {})
    assert len(made.colnames) == 5
    assert made.colnames[1] == "z_"
    assert len(made.colnames[2]) == 40


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (pa.array(["a", None, "é"]), ["a", "", "\\xe9"]),
        (pa.array([True, None, False]), [True, False, False]),
        (pa.array([1, None, 3], pa.int16()), [1, 0, 3]),
        (pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)), [[1, 2], [3, 4]]),
        (pa.array([["a"], ["b", "c"]]), ['["a"]', '["b", "c"]']),
        (pa.array(["1.50", "2.25"]).cast(pa.decimal128(5, 2)), [1.5, 2.25]),
    ],
)
def test_values_are_as_near_as_fits_comes(values: pa.Array, wanted: list[object]) -> None:
    column = make_table(pa.table({"x": values}), {})["x"]
    found = [v.decode() if isinstance(v, bytes) else v for v in column.data.data.tolist()]
    assert found == wanted


def test_missing_values_are_masked() -> None:
    made = make_table(pa.table({"x": [1.0, None], "n": [None, 2], "s": [None, "a"]}), {})
    assert made["x"].mask.tolist() == [False, True]
    assert made["n"].mask.tolist() == [True, False]
    assert made["s"].mask.tolist() == [True, False]


def test_a_slice_of_arrays_keeps_its_rows() -> None:
    values = pa.array(np.arange(12.0).reshape(6, 2).tolist(), pa.list_(pa.float64(), 2))
    made = make_table(pa.table({"x": values}).slice(2, 3), {})
    assert made["x"].tolist() == [[4.0, 5.0], [6.0, 7.0], [8.0, 9.0]]


def test_texts_too_long_for_one_width_are_refused() -> None:
    rows = pa.table({"x": ["a" * (1 << 20)] + [""] * 300})
    with pytest.raises(FormatError, match="too long"):
        formats.write(rows, formats.FITS)
