"""Files that visitors take away, read back by the libraries that they will use."""

import csv
import io
import json
import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import votable
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from portal.export import formats

ROWS = pa.table(
    {
        "TARGETID": pa.array([39627000000000001, 39627000000000003]),
        "Z": pa.array([1.5, None]),
        "tier": pa.array(["gold", None]),
        "n": pa.array([1, None], pa.int32()),
        "ok": pa.array([True, False]),
        "latent": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)),
        "words": pa.array([["a"], ["b", "c"]]),
        "wide": pa.array([2**70, 1], pa.decimal128(38, 0)),
        "<b>x</b>": pa.array(["<script>", "é,\"'"]),
        "large": pa.array(["one", None], pa.large_string()),
    }
)


def test_csv_reads_back() -> None:
    read = pd.read_csv(io.BytesIO(formats.write(ROWS, formats.CSV)))
    assert read["TARGETID"].tolist() == [39627000000000001, 39627000000000003]
    assert read["latent"].tolist() == ["[1.0, 2.0]", "[3.0, 4.0]"]
    assert read["<b>x</b>"].tolist() == ["<script>", "é,\"'"]
    assert read["large"].fillna("").tolist() == ["one", ""]


def test_parquet_carries_units_and_descriptions() -> None:
    read = pq.read_table(io.BytesIO(formats.write(ROWS, formats.PARQUET)))
    assert read.drop_columns([]).to_pylist() == ROWS.to_pylist()
    assert b"redshift" in read.schema.field("Z").metadata[b"description"].lower()


def test_votable_is_valid_and_reads_back() -> None:
    content = formats.write(ROWS, formats.VOTABLE)
    document = votable.parse(io.BytesIO(content), verify="exception")
    table = document.get_first_table()
    assert table.get_field_by_id_or_name("TARGETID").ucd == "meta.id;meta.main"
    read = table.to_table(use_names_over_ids=True)
    assert read["TARGETID"].tolist() == [39627000000000001, 39627000000000003]
    assert read["latent"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert read["<b>x</b>"].tolist() == ["<script>", "é,\"'"]
    assert read["n"].mask.tolist() == [False, True]
    assert read["large"].tolist() == ["one", ""]


@pytest.mark.parametrize("n_rows", [0, 2])
def test_fits_reads_back(n_rows: int) -> None:
    rows = ROWS.select(["TARGETID", "Z", "latent", "tier"]).slice(0, n_rows)
    read = Table.read(io.BytesIO(formats.write(rows, formats.FITS)), format="fits")
    assert read["TARGETID"].tolist() == rows["TARGETID"].to_pylist()
    assert len(read) == n_rows


def test_frame_shows_large_integers_as_text() -> None:
    shown = formats.make_frame(ROWS)
    assert shown["TARGETID"].tolist() == ["39627000000000001", "39627000000000003"]
    assert shown["n"].isna().tolist() == [False, True]
    assert shown["large"].iloc[0] == "one"
    assert shown["wide"].tolist() == [str(2**70), "1"]


NAMES = ("number", "count", "is_it", "word")


def draw_rows(max_size: int = 12) -> st.SearchStrategy[pa.Table]:
    """Draw rows of what most tables hold, any of it missing."""
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
    kinds = {
        "number": (st.floats(allow_nan=False, allow_infinity=False), pa.float64()),
        "count": (st.integers(-(2**31), 2**31 - 1), pa.int32()),
        "is_it": (st.booleans(), pa.bool_()),
        "word": (texts, pa.string()),
    }
    return st.integers(0, max_size).flatmap(
        lambda n: st.fixed_dictionaries(
            {
                name: st.lists(st.none() | values, min_size=n, max_size=n).map(
                    lambda drawn, kind=kind: pa.array(drawn, kind)
                )
                for name, (values, kind) in kinds.items()
            }
        ).map(pa.table)
    )


@given(draw_rows())
def test_json_holds_the_rows_as_they_are(rows: pa.Table) -> None:
    assert json.loads(formats.write(rows, formats.JSON)) == rows.to_pylist()


@given(draw_rows())
def test_parquet_holds_the_rows_as_they_are(rows: pa.Table) -> None:
    read = pq.read_table(io.BytesIO(formats.write(rows, formats.PARQUET)))
    assert read.to_pylist() == rows.to_pylist()
    assert read.schema.types == rows.schema.types


@given(draw_rows())
def test_raw_csv_holds_texts_and_numbers_as_they_are(rows: pa.Table) -> None:
    content = formats.write(rows, formats.RAW_CSV).decode()
    head, *lines = csv.reader(io.StringIO(content, newline=""))
    assert head == rows.column_names
    assert set(head) == set(NAMES)
    assert len(lines) == rows.num_rows
    for line, row in zip(lines, rows.to_pylist(), strict=True):
        number, count, is_it, word = (line[head.index(name)] for name in NAMES)
        assert (float(number) if number else None) == row["number"]
        assert (int(count) if count else None) == row["count"]
        assert ({"true": True, "false": False}.get(is_it)) == row["is_it"]
        assert word == (row["word"] or "")


@given(st.lists(st.text(st.sampled_from("=+-@ \t\ra'\"|%0"), min_size=1, max_size=5), min_size=1))
def test_no_cell_of_a_csv_is_a_formula(words: list[str]) -> None:
    content = formats.write(pa.table({"=name": words}), formats.CSV).decode()
    head, *lines = csv.reader(io.StringIO(content, newline=""))
    assert not head[0].startswith("=")
    for [cell], word in zip(lines, words, strict=True):
        assert cell in (word, f"'{word}")
        is_number = re.fullmatch(r"[+-]?[0-9 ]*", cell)
        assert is_number or not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert not cell.startswith(("\t", "\r"))


@pytest.mark.parametrize("n_rows", [0, 1, 8_191, 8_192, 8_193, 20_000])
@pytest.mark.parametrize("kind", [formats.JSON, formats.RAW_CSV, formats.VOTABLE])
def test_rows_of_any_number_of_steps_are_all_there_in_order(
    kind: formats.Format, n_rows: int
) -> None:
    content = formats.write(pa.table({"n": pa.array(range(n_rows), pa.int32())}), kind)
    if kind is formats.JSON:
        found = [row["n"] for row in json.loads(content)]
    elif kind is formats.RAW_CSV:
        found = [int(line) for line in content.decode().splitlines()[1:]]
    else:
        found = votable.parse_single_table(io.BytesIO(content)).array["n"].tolist()
    assert found == list(range(n_rows))


def test_what_a_double_cannot_hold_is_text_in_json() -> None:
    rows = pa.table({"big": pa.array([2**53 + 1, None]), "wide": ROWS["wide"]})
    assert json.loads(formats.write(rows, formats.JSON)) == [
        {"big": str(2**53 + 1), "wide": str(2**70)},
        {"big": None, "wide": "1"},
    ]


def test_a_votable_tells_that_it_was_cut() -> None:
    whole, cut = io.BytesIO(), io.BytesIO()
    formats.write_to(whole, ROWS, "votable")
    formats.write_to(cut, ROWS, "votable", is_cut=True)
    assert (b"OVERFLOW" in whole.getvalue(), b"OVERFLOW" in cut.getvalue()) == (False, True)


def test_a_cone_search_has_its_own_ucds_and_nothing_else_differs() -> None:
    rows = pa.table({name: [1] for name in ("TARGETID", "TARGET_RA", "TARGET_DEC", "Z")})
    found = []
    for key in ("cone", "votable"):
        target = io.BytesIO()
        formats.write_to(target, rows, key)
        table = votable.parse_single_table(io.BytesIO(target.getvalue()))
        found.append({field.name: field.ucd for field in table.fields})
    cone, plain = found
    assert cone | plain == plain
    assert [cone[name] for name in rows.column_names[:3]] == [
        "ID_MAIN",
        "POS_EQ_RA_MAIN",
        "POS_EQ_DEC_MAIN",
    ]
    assert cone["Z"] == plain["Z"]


def test_only_columns_that_the_schema_knows_are_described() -> None:
    described = formats.describe(pa.table({"Z": [1.0], "own": [2.0]})).schema
    assert described.field("Z").metadata
    assert described.field("own").metadata is None
