"""Validation finds every kind of broken promise, and nothing in good rows."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from each import each

from catalog_schema.column import Column, Table, arrow_schema
from catalog_schema.tables import TABLES
from catalog_schema.validate import find_violations

TABLE = Table(
    "sample",
    "Rows to break.",
    ("TARGETID", "arm"),
    (
        Column("TARGETID", pa.int64(), "Key.", "meta.id"),
        Column("arm", pa.string(), "Word.", "meta.code", vocabulary=("b", "r", "z")),
        Column("chi2", pa.float32(), "Number.", "stat.value", bounds=(0, 10)),
        Column("snr", pa.float64(), "May be null.", "stat.snr", nullable=True, bounds=(-5, 5)),
        Column("latent", pa.float32(), "Array.", "stat.value", array="latent", bounds=(-1, 1)),
    ),
)
N = 6


def make_rows() -> pa.Table:
    values = {
        "TARGETID": pa.array(range(N), pa.int64()),
        "arm": pa.array(["b", "r", "z"] * 2),
        "chi2": pa.array(np.linspace(0, 10, N), pa.float32()),
        "snr": pa.array([None, -5.0, 0.0, 5.0, 1.0, None]),
        "latent": pa.FixedSizeListArray.from_arrays(
            pa.array(np.tile([-1, 1], N), pa.float32()), type=arrow_schema(TABLE, latent=2)[4].type
        ),
    }
    return pa.table(values, schema=arrow_schema(TABLE, latent=2))


def swap(name: str, values: object, type_: pa.DataType | None = None) -> Callable:
    def change(rows: pa.Table) -> pa.Table:
        array = values if isinstance(values, pa.Array) else pa.array(values, type_)
        return rows.set_column(rows.column_names.index(name), name, array)

    return change


def _latent(values: list) -> pa.Array:
    flat = pa.array(values, pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, 2)


FAULTS = {
    "missing column": (lambda t: t.drop_columns(["snr"]), ["missing ['snr']"]),
    "surplus column": (lambda t: t.append_column("x", t["snr"]), ["surplus ['x']"]),
    "other order": (lambda t: t.select([1, 0, 2, 3, 4]), ["another order"]),
    "wrong type": (swap("chi2", [1.0] * N, pa.float64()), ["chi2: type double, expected float"]),
    "wrong element": (
        swap("latent", pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(2 * N)), 2)),
        ["latent: type"],
    ),
    "ragged list": (swap("latent", [[0.0]] * N, pa.list_(pa.float32())), ["latent: type"]),
    "null": (swap("chi2", [None, *[1.0] * (N - 1)], pa.float32()), ["chi2: 1 nulls"]),
    "null key": (swap("TARGETID", [None, 1, 2, 3, 4, 5], pa.int64()), ["TARGETID: 1 nulls"]),
    "null element": (swap("latent", _latent([None] + [0.0] * 11)), ["latent: 1 nulls"]),
    "nan": (swap("chi2", [np.nan, *[1.0] * (N - 1)], pa.float32()), ["chi2: 1 NaN"]),
    "nan in nullable": (swap("snr", [np.nan, np.nan, *[1.0] * 4]), ["snr: 2 NaN"]),
    "nan element": (swap("latent", _latent([np.nan] + [0.0] * 11)), ["latent: 1 NaN"]),
    "below": (swap("chi2", [-0.1, *[1.0] * (N - 1)], pa.float32()), ["chi2: 1 values outside"]),
    "above": (swap("snr", [5.1, 6.0, None, 0.0, 0.0, 0.0]), ["snr: 2 values outside"]),
    "infinite": (swap("chi2", [np.inf, *[1.0] * 5], pa.float32()), ["chi2: 1 values outside"]),
    "element": (swap("latent", _latent([1.1] + [0.0] * 11)), ["latent: 1 values outside"]),
    "word": (swap("arm", ["b", "x", "y", "z", "b", "r"]), ["arm: unknown words ['x', 'y']"]),
    "repeat": (swap("TARGETID", [0, 1, 2, 0, 4, 4], pa.int64()), ["key (TARGETID, arm): 1 rep"]),
}


def test_good_rows_break_nothing() -> None:
    assert find_violations(make_rows(), TABLE) == []
    assert find_violations(make_rows().slice(2, 3), TABLE) == []
    assert find_violations(pa.concat_tables([make_rows()[:2], make_rows()[2:]]), TABLE) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_and_nothing_else(fault: str) -> None:
    change, expected = FAULTS[fault]
    found = find_violations(change(make_rows()), TABLE)
    assert len(found) == len(expected), found
    for text, part in zip(found, expected, strict=True):
        assert part in text


def test_every_fault_at_once() -> None:
    rows = swap("chi2", [np.nan, None, -1.0, 1, 1, 1], pa.float32())(make_rows())
    rows = swap("arm", ["b", "b", "q", "b", "b", "b"])(rows)
    assert len(find_violations(rows, TABLE)) == 4


@each(TABLES)
def test_empty_tables_of_the_registry_are_valid(table: Table) -> None:
    sizes = {c.array: 3 for c in table.columns if c.array and not c.size}
    assert find_violations(arrow_schema(table, **sizes).empty_table(), table) == []
