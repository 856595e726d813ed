"""Catalogues by the names of their columns: what is there is read, what is not is told."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from pipeline.context.catalogues.reader import has_decimal_comma, read_blocks, votable_to_arrow
from pipeline.errors import UserError
from pipeline.user_tables import text


def read(path: Path, columns: list[str], typed: list[str] | None = None) -> pa.Table:
    return pa.concat_tables(read_blocks(path, columns, typed or []))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a.csv"
    made.write_text("name,ra,code,n\nA,1.5,007,1\nB,-2,008,22\n")
    return made


def test_text_stays_text_unless_its_numbers_are_asked_for(path: Path) -> None:
    found = read(path, ["n", "code", "ra"], ["n", "code"])
    assert found.column_names == ["n", "code", "ra"]
    assert found.to_pydict() == {"n": [1, 22], "code": ["007", "008"], "ra": ["1.5", "-2"]}
    assert read(path, ["n"]).to_pydict() == {"n": ["1", "22"]}


def test_the_whole_file_decides_of_a_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_PART", 64)
    monkeypatch.setattr(text, "_BLOCK_BYTES", 64)
    path = tmp_path / "a.csv"
    path.write_text("n\n" + "1\n" * 200 + "x\n")
    blocks = list(read_blocks(path, ["n"], ["n"]))
    assert len(blocks) > 2
    assert {block["n"].type for block in blocks} == {pa.string()}


def test_units_and_commas_are_told_with_the_column(tmp_path: Path) -> None:
    columns = [fits.Column("RA", "D", unit="rad", array=[1.0]), fits.Column("N", "J", array=[1])]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    schema = read(tmp_path / "a.fits", ["RA", "N"]).schema
    assert [schema.field(k).metadata for k in (0, 1)] == [{b"unit": b"rad"}, {b"unit": b""}]
    assert not has_decimal_comma(schema.field(0))
    (tmp_path / "a.csv").write_text("RA;N\n1,5;2\n")
    assert has_decimal_comma(read(tmp_path / "a.csv", ["RA"]).schema.field(0))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("RA", "no column 'RA'; did you mean 'ra'?"),
        ("cod", "no column 'cod'; did you mean 'code'?"),
        ("zzzz", "no column 'zzzz'; it has name, ra, code, n"),
    ],
)
def test_a_column_that_is_not_there_is_told_with_the_nearest(
    path: Path, name: str, told: str
) -> None:
    with pytest.raises(UserError) as error:
        read(path, [name])
    assert str(error.value) == f"catalogue {path}: {told}"


def test_two_columns_of_one_name_and_arrays_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,x\n1,2\n")
    with pytest.raises(UserError, match="2 columns are called 'x'"):
        read(tmp_path / "a.csv", ["x"])
    pq.write_table(pa.table({"x": [[1, 2]]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="column x holds arrays; keep another column"):
        read(tmp_path / "a.parquet", ["x"])


def test_an_answer_of_a_service_has_nulls_where_it_is_masked() -> None:
    made = Table({"a": MaskedColumn([1, 2], mask=[True, False], unit="deg"), "b": ["x", "y"]})
    found = votable_to_arrow(made, ["b", "a"], "service")
    assert found.to_pydict() == {"b": ["x", "y"], "a": [None, 2]}
    assert found.schema.field("a").metadata == {b"unit": b"deg"}
    with pytest.raises(UserError, match=r"^catalogue service: no column 'c'"):
        votable_to_arrow(made, ["c"], "service")
