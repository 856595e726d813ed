"""Numbers leave with every digit in every format: values there and back, all of DuckDB."""

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import votable
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.data.releases import open_release
from portal.export import formats
from portal.service import pool
from portal.service.pool import LIMITS
from portal.service.visitor_sql import start

# Of each type of DuckDB: an expression, and what JSON has of it.
TYPES: dict[str, object] = {
    "true": True,
    "(-128)::TINYINT": -128,
    "(-32768)::SMALLINT": -32768,
    "(-2147483648)::INTEGER": -(2**31),
    "9223372036854775807::BIGINT": str(2**63 - 1),
    "39627000000000001::BIGINT": "39627000000000001",
    "255::UTINYINT": 255,
    "65535::USMALLINT": 65535,
    "4294967295::UINTEGER": 2**32 - 1,
    "18446744073709551615::UBIGINT": str(2**64 - 1),
    "15::HUGEINT": 15,
    "170141183460469231731687303715884105727::HUGEINT": str(2**127 - 1),
    "340282366920938463463374607431768211455::UHUGEINT": str(2**128 - 1),
    "1.5::DECIMAL(5,2)": 1.5,
    "0.12345678901234567890::DECIMAL(38,20)": "0.12345678901234567890",
    "0.1::FLOAT": 0.1,
    "1.2345678901234567e-17::DOUBLE": 1.2345678901234567e-17,
    "'nan'::DOUBLE": None,
    "'-inf'::FLOAT": None,
    "'é<&>\"'''::VARCHAR": "é<&>\"'",
    "chr(7)": "\x07",
    "''": "",
    "'\\xAA\\x00'::BLOB": "aa00",
    "'101'::BIT": "101",
    "INTERVAL 1 DAY": "1 day",
    "DATE '2020-01-02'": "2020-01-02",
    "'infinity'::DATE": "infinity",
    "TIME '10:00:00'": "10:00:00",
    "TIMETZ '10:00:00+02:00'": "10:00:00+02",
    "TIMESTAMP '2020-01-02 03:04:05.678'": "2020-01-02T03:04:05.678",
    "'-infinity'::TIMESTAMP": "-infinity",
    "TIMESTAMP_NS '2020-01-02 03:04:05.123456789'": "2020-01-02T03:04:05.123456789",
    "TIMESTAMP_S '2020-01-02 03:04:05'": "2020-01-02T03:04:05",
    "TIMESTAMPTZ '2020-01-02 03:04:05+00'": "2020-01-02T03:04:05+00",
    "'6f3e1c3a-0000-0000-0000-000000000000'::UUID": "6f3e1c3a-0000-0000-0000-000000000000",
    "'a'::ENUM('a', 'b')": "a",
    "'{\"a\": 1}'::JSON": '{"a": 1}',
    "[1, NULL, 9007199254740993]": [1, None, "9007199254740993"],
    "[]::INTEGER[]": [],
    "[0.1::FLOAT]::FLOAT[1]": [0.1],
    "[[1], NULL]": [[1], None],
    "['a', '\"']": ["a", '"'],
    "[INTERVAL 1 DAY]": "[1 day]",
    "{'a': 1, 'b': 'nan'::DOUBLE}": {"a": 1, "b": None},
    "{'a': {'b': [2]}}": {"a": {"b": [2]}},
    "MAP {'k': 1.5::DOUBLE}": {"k": 1.5},
    "union_value(a := 1)": "1",
    "123456789012345678901234567890::BIGNUM": "123456789012345678901234567890",
    "NULL": None,
    "42::VARIANT": "42",
}
_READERS: dict[str, Callable[[bytes], int]] = {
    "csv": lambda content: len(pd.read_csv(io.BytesIO(content), dtype=str)),
    "csv-raw": lambda content: len(pd.read_csv(io.BytesIO(content), dtype=str)),
    "parquet": lambda content: pq.read_table(io.BytesIO(content)).num_rows,
    "votable": lambda content: len(
        votable.parse(io.BytesIO(content), verify="exception").get_first_table().array
    ),
    "fits": lambda content: len(Table.read(io.BytesIO(content), format="fits")),
}


def ask(release: Path, key: str) -> bytes:
    columns = ", ".join(f'{expression} AS "c{i}"' for i, expression in enumerate(TYPES))
    # A row of nulls beside, so that no type is saved by having none.
    nulls = ", ".join(f"if(n = 0, c{i}, NULL) AS c{i}" for i in range(len(TYPES)))
    sql = f"SELECT {nulls} FROM (SELECT {columns}) , (SELECT unnest([0, 1]) AS n) ORDER BY n"
    with start(open_release(release), sql, LIMITS, key) as running:
        return running.wait_for().read()


def test_each_type_of_duckdb_is_exact_in_json(release: Path) -> None:
    first, second = json.loads(ask(release, "json"), parse_constant=pytest.fail)
    assert dict(zip(TYPES, first.values(), strict=True)) == TYPES
    assert set(second.values()) == {None}


@pytest.mark.parametrize("key", list(_READERS))
def test_each_type_of_duckdb_is_written_and_read_back(release: Path, key: str) -> None:
    assert _READERS[key](ask(release, key)) == 2


def read_votable(content: bytes) -> Any:
    return votable.parse_single_table(io.BytesIO(content)).array["x"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(), min_size=1, max_size=40), st.sampled_from([32, 64]))
def test_floats_come_back_as_the_same_bits(given: list[float], width: int) -> None:
    with np.errstate(over="ignore"):
        wanted = np.array(given).astype(f"f{width // 8}")
    rows = pa.table({"x": pa.array(wanted)})
    from_json = [row["x"] for row in json.loads(formats.write(rows, formats.JSON))]
    for text, value in zip(from_json, wanted, strict=True):
        assert text is None if not math.isfinite(value) else wanted.dtype.type(text) == value
    csv = formats.write(rows, formats.CSV).decode().splitlines()[1:]
    for read in (
        np.array([float(word) for word in csv]).astype(wanted.dtype),
        np.asarray(read_votable(formats.write(rows, formats.VOTABLE))),
        np.asarray(Table.read(io.BytesIO(formats.write(rows, formats.FITS)), format="fits")["x"]),
    ):
        assert np.array_equal(read.astype(wanted.dtype), wanted, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=1, max_size=20))
def test_whole_numbers_come_back_or_are_texts(given: list[int | None]) -> None:
    rows = pa.table({"x": pa.array(given, pa.int64())})
    from_json = [row["x"] for row in json.loads(formats.write(rows, formats.JSON))]
    assert [None if text is None else int(text) for text in from_json] == given
    assert all(isinstance(n, str) or n is None or abs(n) <= 2**53 for n in from_json)
    assert read_votable(formats.write(rows, formats.VOTABLE)).tolist() == given
    csv = formats.write(rows, formats.CSV).decode().splitlines()[1:]
    assert [int(word) if word else None for word in csv] == given


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text() | st.none(), min_size=1, max_size=10))
def test_texts_come_back_or_lose_only_what_xml_cannot_hold(given: list[str | None]) -> None:
    rows = pa.table({"x": pa.array(given, pa.string()), "n": range(len(given))})
    assert [row["x"] for row in json.loads(formats.write(rows, formats.JSON))] == given
    assert len(read_votable(formats.write(rows, formats.VOTABLE))) == len(given)
    assert len(Table.read(io.BytesIO(formats.write(rows, formats.FITS)), format="fits")) == len(
        given
    )


def test_spreadsheets_run_no_cell() -> None:
    texts = [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        " =1",
        "＝1",
        "−1+A1",
        "-5.3",
        "+1e-7",
        "-12:34:56.7",
        "fine",
        None,
    ]
    rows = pa.table({"=x": texts, "n": [-1.5] * len(texts)})
    sheet = pd.read_csv(io.BytesIO(formats.write(rows, formats.CSV)), keep_default_na=False)
    assert list(sheet) == ["'=x", "n"]
    assert sheet["'=x"].tolist() == [*(f"'{text}" for text in texts[:8]), *texts[8:12], ""]
    assert set(sheet["n"]) == {-1.5}
    plain = pd.read_csv(io.BytesIO(formats.write(rows, formats.RAW_CSV)), keep_default_na=False)
    assert plain["=x"].tolist() == [*texts[:12], ""]


def test_columns_of_one_name_and_hostile_names_are_written() -> None:
    names = ["a", "a", '<"&\x00>', "é\n", "", "x" * 1_000]
    rows = pa.table([pa.array([1])] * len(names), names=names)
    for kind in (formats.CSV, formats.JSON, formats.PARQUET, formats.VOTABLE, formats.FITS):
        assert formats.write(rows, kind)
    votable.parse(io.BytesIO(formats.write(rows, formats.VOTABLE)), verify="exception")


def test_too_many_values_are_refused_in_one_line() -> None:
    rows = pa.table({"x": range(1_000)})
    limits = pool.Limits(cells=999)
    with pytest.raises(pool.TaskError, match="1,000 values are more than the 999"):
        pool.render(lambda: {"format": "votable"}, limits, rows)
    assert pool.render(lambda: {"format": "parquet"}, limits, rows)
