"""Files that visitors take away, read back by the libraries that they will use."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import votable
from astropy.table import Table

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
