"""Catalogues as strangers write them: identifiers to the letter, odd text, and nothing at all."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from pipeline.context.catalogues.index import IndexFacts, build_index
from pipeline.context.catalogues.join import find_pairs
from pipeline.errors import UserError
from pipeline.settings.context import CatalogueSettings

LINES = "id,ra,dec,mag,code\n007,10.5,-1.25,20.5,01\n8,11.5,+2.25,,02\nNGC 1,12.5,0.5,19,x\n"


def index(path: Path, **settings: object) -> tuple[list[dict], IndexFacts]:
    out = path.with_name("index.parquet")
    out.unlink(missing_ok=True)
    facts = build_index([path], CatalogueSettings(**settings), 2015.5, 500, out)
    return pq.read_table(out).sort_by("row").to_pylist(), facts


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode(),
        b"\xef\xbb\xbf" + LINES.encode(),
        b"# by a program\n" + LINES.encode(),
        b"# " + LINES.encode(),
        LINES.encode("utf-16"),
        LINES.replace(",", "\t").encode(),
        LINES.replace(",", "|").encode(),
        LINES.replace("\n", "\r\n").encode(),
        LINES.replace(",", " , ").encode(),
        LINES.replace("\n", "\n\n").encode(),
        LINES.encode() + b"# the end\n",
        LINES.replace("mag", "m\xe4g").encode("latin-1"),
    ],
)
def test_text_is_read_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    rows, facts = index(path, id="id", keep=["code"])
    assert [row["match_id"] for row in rows] == ["007", "8", "NGC 1"]
    assert [row["ra"] for row in rows] == [10.5, 11.5, 12.5]
    assert [row["dec"] for row in rows] == [-1.25, 2.25, 0.5]
    # A column with leading zeros is one of words, in all its rows.
    assert [json.loads(row["attributes"]) for row in rows] == [
        {"code": "01"},
        {"code": "02"},
        {"code": "x"},
    ]
    assert (facts.n_sources, facts.n_bad_positions) == (3, 0)


def test_kept_numbers_are_numbers_and_missing_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(LINES)
    rows, _ = index(path, id="id", keep=["mag"])
    assert [row["attributes"] for row in rows] == ['{"mag": 20.5}', "{}", '{"mag": 19.0}']
    path.write_text("ra,dec,n,long\n1,2,3,39633559463397282\n2,3,4,5\n")
    rows, _ = index(path, keep=["n", "long"])
    # No reader of JSON changes a text.
    assert rows[0]["attributes"] == '{"n": 3, "long": "39633559463397282"}'


def test_words_late_in_a_column_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    lines = [f"{n:08d},{n * 1e-3},1,{'x' * 60}" for n in range(200_000)]
    path.write_text("\n".join(["id,ra,dec,pad", *lines, "J1,1.5,2,y", ""]))
    assert path.stat().st_size > 2**23
    rows, _ = index(path, id="id", keep=[])
    assert {len(row["match_id"]) for row in rows[:-1]} == {8}
    assert rows[-1]["match_id"] == "J1"


def test_positions_may_have_decimal_commas_or_be_sexagesimal(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id;ra;dec\na;10,5;-1,25\nb;11;2\n")
    assert [(row["ra"], row["dec"]) for row in index(path, id="id")[0]] == [(10.5, -1.25), (11, 2)]
    path.write_text('id\tra\tdec\n\t"h:m:s"\t"d:m:s"\n--\t--\t--\na\t00 42 00\t-01 15 00\n')
    assert [(row["ra"], row["dec"]) for row in index(path, id="id")[0]] == [(10.5, -1.25)]


@pytest.mark.parametrize("name", ["a.fits", "a.vot", "a.parquet", "a.csv"])
def test_an_empty_catalogue_matches_nothing_and_says_so(tmp_path: Path, name: str) -> None:
    table = Table({"id": np.array([], "U4"), "ra": np.array([]), "dec": np.array([])})
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.table({n: pa.array([], pa.float64()) for n in table.colnames}), path)
    else:
        kinds = {"fits": "fits", "vot": "votable", "csv": "ascii.csv"}
        table.write(path, format=kinds[path.suffix[1:]])
    rows, facts = index(path, id="id")
    assert rows == []
    assert facts.n_sources == 0
    assert "the catalogue has no rows" in facts.notes
    assert not len(find_pairs(tmp_path / "index.parquet", np.ones(3), np.ones(3), 2.0).position)


@pytest.mark.parametrize("kind", ["fits", "parquet"])
def test_an_identifier_that_was_a_float_is_refused(tmp_path: Path, kind: str) -> None:
    columns = {"id": np.array([39633559463397282.0]), "ra": [1.0], "dec": [2.0]}
    path = tmp_path / f"list.{kind}"
    if kind == "fits":
        Table(columns).write(path)
    else:
        pq.write_table(pa.table(columns), path)
    with pytest.raises(UserError, match="column id holds floating-point numbers"):
        index(path, id="id")
    pq.write_table(pa.table({"id": [7.0, None], "ra": [1.0, 2.0], "dec": [1.0, 2.0]}), path)
    assert [row["match_id"] for row in index(path, id="id")[0]] == ["7", "row 2"]


def test_bytes_of_any_encoding_are_read(tmp_path: Path) -> None:
    table = Table({"id": ["Sérsic 1".encode("latin-1"), b"b"], "ra": [1.0, 2.0], "dec": [1.0, 2.0]})
    table.write(tmp_path / "a.fits")
    rows, _ = index(tmp_path / "a.fits", id="id", position_unit="deg")
    assert [row["match_id"] for row in rows] == ["Sérsic 1", "b"]


def test_the_table_with_the_columns_counts(tmp_path: Path) -> None:
    tables = [Table({"KEY": ["a"]}), Table({"id": ["x"], "ra": [1.0], "dec": [2.0]})]
    hdus = [fits.BinTableHDU(table) for table in tables]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    assert [row["match_id"] for row in index(tmp_path / "a.fits", id="id")[0]] == ["x"]


def test_positions_that_may_be_radians_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"ra": np.radians(ra), "dec": np.radians(dec)}), path)
    assert "if these are radians" in index(path)[1].notes[0]
    assert index(path, position_unit="rad")[1].notes == ()
    pq.write_table(pa.table({"ra": ra, "dec": dec}), path)
    assert index(path)[1].notes == ()
