"""The documents of a release parse, and their recipes and examples run as they stand."""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import astropy.units as u
import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from notebooks import run_notebook

from catalog_schema import contents, kinds
from catalog_schema.tables import QUASARS
from release.documents import describe_type, list_others
from release.faces.registry import list_faces

_RECIPE = re.compile(r"-- ## (.*)\n([^;]*;)")


@pytest.fixture
def catalogue(released: Path, monkeypatch: pytest.MonkeyPatch) -> duckdb.DuckDBPyConnection:
    """A connection with the views and macros of the release."""
    monkeypatch.chdir(released)
    connection = duckdb.connect()
    connection.execute(Path("sql/catalog.sql").read_text())
    return connection


def test_readme_front_matter(released: Path) -> None:
    text = (released / "README.md").read_text()
    card = yaml.safe_load(text.split("---\n")[1])
    assert card["license"] == "cc-by-4.0"
    assert [c["data_files"] for c in card["configs"]] == list(kinds.SPECTRA.files)
    assert [c["config_name"] for c in card["configs"] if c.get("default")] == ["anomalies"]
    assert all(isinstance(c["config_name"], str) for c in card["configs"])


def test_readme_says_what_is_counted_and_what_is_extrapolated(released: Path) -> None:
    text = " ".join((released / "README.md").read_text().split())
    null = pq.read_metadata(released / contents.NULL).num_rows
    assert f"% of the {null:,} quasars that say what is normal" in text
    assert f"Below p = {10 / (null + 1):.1g} fewer than 10 of them are as strange" in text


def test_readme_recipes_run(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(released)
    text = (released / "README.md").read_text()
    for recipe in re.findall(r"```sql\n(.*?)```", text, re.DOTALL):
        with duckdb.connect() as connection:
            connection.sql(recipe).fetchall()
    recipes = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(recipes) == 3
    for recipe in recipes:
        values: dict[str, object] = {}
        exec(recipe, values)
    assert len(values["wave"]) == len(values["flux"]) == len(values["model"])  # type: ignore[arg-type]


def test_documents(released: Path) -> None:
    citation = yaml.safe_load((released / "CITATION.cff").read_text())
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "dataset")
    assert citation["version"] == "0.1.0"
    text = (released / "ACKNOWLEDGEMENTS.md").read_text()
    assert "I’oligam Du’ag" in text
    assert "The Legacy Surveys consist of" in text
    assert "CC BY 4.0" in (released / "LICENSE").read_text()


def test_schema_file_describes_the_catalogue(released: Path) -> None:
    schema = json.loads((released / "schema" / "schema.json").read_text())
    columns = schema["tables"]["quasars"]["columns"]
    assert [column["name"] for column in columns] == QUASARS.names


def test_macros_agree_with_astropy(catalogue: duckdb.DuckDBPyConnection) -> None:
    rows = catalogue.sql("SELECT TARGETID, TARGET_RA, TARGET_DEC FROM quasars").pl()
    sky = SkyCoord(rows["TARGET_RA"].to_numpy(), rows["TARGET_DEC"].to_numpy(), unit="deg")
    expected = sky[0].separation(sky).to_value(u.arcsec)
    centre = rows.row(0)[1:]
    query = "SELECT angsep_arcsec(?, ?, TARGET_RA, TARGET_DEC) AS s FROM quasars"
    found = catalogue.sql(query, params=list(centre)).pl()["s"].to_numpy()
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-6)
    # Between two objects, so that rounding moves none over the edge.
    radius = float(np.median(expected)) * (1 + 1e-9)
    inside = catalogue.sql(f"FROM cone({centre[0]}, {centre[1]}, {radius})").pl()
    assert set(inside["TARGETID"]) == set(rows["TARGETID"].to_numpy()[expected <= radius])
    assert inside["separation"].is_sorted()


def test_top_anomalies(catalogue: duckdb.DuckDBPyConnection) -> None:
    top = catalogue.sql("FROM top_anomalies(3)").pl()
    assert top["rank"].to_list() == [1, 2, 3]
    first = pl.read_parquet("catalog/anomalies.parquet")["TARGETID"].head(3)
    assert top["TARGETID"].to_list() == first.to_list()


def test_every_recipe_runs(catalogue: duckdb.DuckDBPyConnection) -> None:
    text = Path("sql/cookbook.sql").read_text()
    recipes = _RECIPE.findall(text)
    assert len(recipes) == text.count("-- ## ")
    counts = {title: len(catalogue.sql(query).fetchall()) for title, query in recipes}
    may_be_empty = ("Gold objects in a range", "A cone of half", "A table of your own")
    assert all(count for title, count in counts.items() if not title.startswith(may_be_empty))


@pytest.mark.parametrize(
    "name",
    ["duckdb", "polars", "pandas", "astropy", pytest.param("lsdb", marks=pytest.mark.slow)],
)
def test_example_opens_the_release(released: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, f"examples/open_{name}.py"],
        cwd=released,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.slow
def test_notebook_runs_from_the_release(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = released / "examples"
    run_notebook(examples / "quickstart.ipynb", examples, 120, monkeypatch)


def test_example_plots_a_spectrum(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    monkeypatch.chdir(released)
    mpl.use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(Path("examples/plot_spectrum.py").read_text(), {})


@pytest.mark.parametrize("kind", ["spectra", "points"])
def test_no_file_is_described_twice_and_each_in_a_sentence(kind: str) -> None:
    others = list_others(kind)
    files = [file for group in others for file in group]
    assert len(files) == len(set(files))
    assert not set(files) & set(kinds.SPECTRA.files)
    assert all(text.endswith(".") for text in others.values())
    # Examples are those of the kind's own texts.
    assert ("examples/" in files) is (kind == "spectra")


def test_every_file_of_a_release_is_described(released: Path) -> None:
    told = [file for group in list_others("spectra") for file in group]
    told += [*kinds.SPECTRA.files, *(f for face in list_faces(kinds.SPECTRA) for f in face.files)]
    whole = {file for file in told if not file.endswith("/")}
    folders = tuple(file for file in told if file.endswith("/"))
    files = {path.relative_to(released).as_posix() for path in released.rglob("*.*")}
    left = {f for f in files if f not in whole and not f.startswith(folders)}
    assert {f for f in left if (released / f).is_file()} == set()


@given(st.integers(1, 10_000))
def test_the_type_of_an_array_tells_its_length(n_pixels: int) -> None:
    for table in kinds.SPECTRA.tables:
        for column in table.columns:
            told = describe_type(n_pixels, column)
            base, _, length = told.partition("[")
            assert base == str(column.type)
            assert bool(length) is (column.array is not None)
            if column.array == "wave":
                assert length == f"{n_pixels}]"
            elif column.size:
                assert length == f"{column.size}]"
