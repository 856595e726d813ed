"""Rows come in the order of the other table, each with its own key; nothing is made up or lost."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.waist import ROW_KEY
from pipeline.errors import DataError
from pipeline.lake.align import align, find_rows

# Of few values, so that keys share most of their parts.
keys = st.tuples(
    st.sampled_from(["main", "sv3"]),
    st.sampled_from(["dark", "bright"]),
    st.integers(0, 3),
    st.integers(0, 3) | st.just(2**62),
)
many_keys = st.lists(keys, unique=True, min_size=1, max_size=20)


def make_rows(chosen: list[tuple]) -> pa.Table:
    """A table of these keys, with a column that tells the key and a fixed-size list."""
    columns = [list(column) for column in zip(*chosen, strict=True)] or [[] for _ in ROW_KEY]
    types = (pa.string(), pa.string(), pa.int32(), pa.int64())
    table = pa.table(
        [pa.array(c, t) for c, t in zip(columns, types, strict=True)], names=list(ROW_KEY)
    )
    table = table.append_column("told", pa.array([repr(key) for key in chosen], pa.string()))
    pairs = pa.array([[float(k), -float(k)] for k in range(len(chosen))], pa.list_(pa.float32(), 2))
    return table.append_column("pair", pairs)


@given(data=st.data(), chosen=many_keys)
def test_each_row_meets_its_own_in_the_others_order(data: st.DataObject, chosen: list) -> None:
    rows = make_rows(data.draw(st.permutations(chosen)))
    asked = data.draw(st.lists(st.sampled_from(chosen), max_size=30))
    found = align(rows, make_rows(asked))
    assert found["told"].to_pylist() == [repr(key) for key in asked]
    assert found.schema == rows.schema
    by_key = dict(zip(rows["told"].to_pylist(), rows["pair"].to_pylist(), strict=True))
    assert found["pair"].to_pylist() == [by_key[repr(key)] for key in asked]


@given(seed=st.integers(0, 99), chosen=many_keys)
def test_there_and_back_is_nothing_done(seed: int, chosen: list) -> None:
    rows = make_rows(chosen)
    mixed = rows.take(pa.array(np.random.default_rng(seed).permutation(rows.num_rows)))
    assert align(align(rows, mixed), rows).equals(rows.combine_chunks())


@given(data=st.data(), chosen=many_keys)
def test_a_key_without_a_row_is_named(data: st.DataObject, chosen: list) -> None:
    lost = data.draw(st.sampled_from(chosen))
    rows = make_rows([key for key in chosen if key != lost])
    with pytest.raises(DataError, match=f"^targets: no row of .*TARGETID {lost[-1]}; run it again"):
        align(rows, make_rows(chosen), what="targets")


@given(data=st.data(), chosen=many_keys)
def test_a_key_with_two_rows_is_named(data: st.DataObject, chosen: list) -> None:
    twice = data.draw(st.sampled_from(chosen))
    with pytest.raises(DataError, match=f"more than one row of .*TARGETID {twice[-1]};"):
        align(make_rows([*chosen, twice]), make_rows(chosen))


@given(data=st.data(), chosen=many_keys)
def test_two_rows_that_nobody_asks_for_do_no_harm(data: st.DataObject, chosen: list) -> None:
    twice = data.draw(st.sampled_from(chosen))
    asked = [key for key in chosen if key != twice]
    found = align(make_rows([*chosen, twice]), make_rows(asked))
    assert found["told"].to_pylist() == [repr(key) for key in asked]


def test_another_key_may_be_named() -> None:
    rows = make_rows([("main", "dark", 1, 5), ("main", "dark", 2, 6)])
    found = align(rows, pa.table({"TARGETID": pa.array([6, 5, 6])}), ["TARGETID"])
    assert found["HEALPIX"].to_pylist() == [2, 1, 2]


@given(data=st.data(), chosen=many_keys)
def test_each_row_is_found_where_it_stands(data: st.DataObject, chosen: list) -> None:
    known = data.draw(st.lists(st.sampled_from(chosen), unique=True))
    asked = data.draw(st.lists(st.sampled_from(chosen), max_size=30))
    places = find_rows(make_rows(known), make_rows(asked))
    assert places.tolist() == [known.index(key) if key in known else -1 for key in asked]
