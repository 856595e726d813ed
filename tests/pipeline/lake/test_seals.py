"""Sealed files: what is read is what was written, or the fault is told."""

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bits import flip_bit
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.lake.files import opening
from pipeline.lake.seals import (
    READ_FAULTS,
    check_columns,
    guard_sealed,
    open_values,
    read_sealed,
    seal_values,
    verify_sealed,
    write_sealed,
)
from pipeline.lake.store import digest_rows

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("x", pa.float64(), metadata={"unit": "Angstrom"}),
        pa.field("is_good", pa.bool_()),
        pa.field("name", pa.string()),
        pa.field("flux", pa.list_(pa.float32(), 4)),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("letters", pa.large_string()),
    ]
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(-(2**63), 2**63 - 1),
            "x": st.none() | st.floats(allow_nan=False),
            "is_good": st.none() | st.booleans(),
            "name": st.none() | st.text(max_size=5),
            "flux": st.lists(
                st.none() | st.floats(width=32, allow_nan=False), min_size=4, max_size=4
            ),
            "tags": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
            "letters": st.none() | st.text(max_size=3),
        }
    ),
    max_size=12,
)


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    with opening(path) as file:
        return read_sealed(file, columns)


def verify(path: Path) -> None:
    with opening(path) as file:
        verify_sealed(file)


@given(rows=rows, size=st.integers(1, 5), cut=st.integers(0, 12))
def test_round_trip_whatever_the_chunks(
    tmp_path_factory: pytest.TempPathFactory, rows: list, size: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("sealed") / "rows.parquet"
    data = pa.Table.from_pylist(rows, SCHEMA)
    pieces = pa.concat_tables([data.slice(0, cut), data.slice(cut)])
    write_sealed(pieces, path, {b"mine": b"kept"}, row_group_size=size)
    assert read(path).equals(data)
    assert read(path, ["name", "flux"]).equals(data.select(["name", "flux"]))
    verify(path)


def test_bits_of_nan_survive(tmp_path: Path) -> None:
    bits = np.array([0x7FF8000000000000, 0xFFF8000000000000, 0x8000000000000000, 1], np.uint64)
    values = np.tile(bits, 50).view(np.float64)
    data = pa.table(
        {
            "x": values,
            "y": pa.FixedSizeListArray.from_arrays(values, 4).take(pa.array(np.arange(200) % 50)),
        }
    )
    write_sealed(data, tmp_path / "nan.parquet", {})
    found = read(tmp_path / "nan.parquet")["x"].to_numpy().view(np.uint64)
    assert found.tolist() == np.tile(bits, 50).tolist()


@given(one=rows, other=rows)
def test_checks_tell_values_apart(one: list, other: list) -> None:
    tables = [pa.Table.from_pylist(rows, SCHEMA) for rows in (one, other)]
    checks = [check_columns([table], SCHEMA.names) for table in tables]
    same = [name for name in SCHEMA.names if tables[0][name].equals(tables[1][name])]
    assert [name for name in SCHEMA.names if checks[0][name] == checks[1][name]] == same


def test_no_bit_changes_what_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    flux = pa.FixedSizeListArray.from_arrays(rng.normal(size=80).astype(np.float32), 4)
    data = pa.table(
        {
            "id": np.arange(20),
            "name": [f"n{k % 3}" if k % 7 else None for k in range(20)],
            "x": rng.normal(size=20),
            "is_good": rng.random(20) > 0.5,
            "flux": flux,
        }
    )
    path = tmp_path / "rows.parquet"
    write_sealed(data, path, {b"stamp": b'{"n": 20}'}, row_group_size=8)
    good, wanted = path.read_bytes(), read(path)
    draw, told = random.Random(11), 0
    for bit in draw.sample(range(8 * len(good)), 600):
        path.write_bytes(flip_bit(good, bit))
        try:
            verify(path)
            found = read(path)
        except READ_FAULTS:
            told += 1
            continue
        assert digest_rows(found) == digest_rows(wanted)
        assert found.schema.equals(wanted.schema, check_metadata=True)
    assert told > 500


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (pa.ArrowInvalid("two\nlines"), DataError),
        (OSError("no such sector"), DataError),
        (MemoryError(), MemoryError),
        (pa.lib.ArrowMemoryError("malloc failed"), MemoryError),
    ],
)
def test_full_memory_is_no_damage(fault: Exception, told: type[Exception]) -> None:
    with pytest.raises(told) as caught, guard_sealed(Path("lake/x.parquet")):
        raise fault
    if told is DataError:
        reason = str(fault).partition("\n")[0]
        assert str(caught.value) == f"lake/x.parquet: damaged ({reason}); delete it and run again"


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", "null", '{"seal": 1}', "{" * 9999, "\xff"])
def test_what_is_no_sealed_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        open_values(text.encode("latin-1"))


def test_no_bit_changes_a_sealed_object() -> None:
    values = {"id": "3f2a9c", "grid": {"size": 4096, "step": 0.0001}, "losses": [1.5, float("inf")]}
    good = json.dumps(seal_values(values), indent=1).encode()
    assert open_values(good) == values
    for bit in range(8 * len(good)):
        try:
            found = open_values(flip_bit(good, bit))
        except ValueError:
            continue
        assert found == values
