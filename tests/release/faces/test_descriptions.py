"""Descriptions for machines pass the validators of their standards and agree with the files."""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree

import astropy.units as u
import duckdb
import numpy as np
import polars as pl
import pytest
from astropy.coordinates import SkyCoord

from catalog_schema.contents import FILES
from release.sealing import list_files

_RECIPE = re.compile(r"-- ## (.*)\n([^;]*;)")


@pytest.fixture
def catalogue(released: Path, monkeypatch: pytest.MonkeyPatch) -> duckdb.DuckDBPyConnection:
    """A connection with the views and macros of the release."""
    monkeypatch.chdir(released)
    connection = duckdb.connect()
    connection.execute(Path("sql/catalog.sql").read_text())
    return connection


def test_croissant(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    monkeypatch.chdir(released)
    data = mlcroissant.Dataset("croissant.json")
    assert not data.metadata.issues.errors
    assert not data.metadata.issues.warnings
    assert [sets.name for sets in data.metadata.record_sets] == [Path(name).stem for name in FILES]
    first = next(iter(data.records("anomalies")))
    anomalies = pl.read_parquet("catalog/anomalies.parquet")
    assert first["anomalies/TARGETID"] == anomalies["TARGETID"][0]


def test_data_package(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frictionless = pytest.importorskip("frictionless")
    monkeypatch.chdir(released)
    package = frictionless.Package("datapackage.json")
    assert not list(package.metadata_validate(package.to_descriptor()))
    assert [resource.path for resource in package.resources] == list(FILES)
    assert (
        package.get_resource("quasars").schema.field_names == FILES["catalog/quasars.parquet"].names
    )


def test_datacite(released: Path) -> None:
    schema45 = pytest.importorskip("datacite.schema45")
    record = json.loads((released / "datacite.json").read_text())
    assert not [error.message for error in schema45.validator.iter_errors(record)]


def test_crate(released: Path) -> None:
    crate_module = pytest.importorskip("rocrate.rocrate")
    crate = crate_module.ROCrate(str(released))
    named = {entity.id for entity in crate.get_entities() if entity.type == "File"}
    itself = {"ro-crate-metadata.json"}
    assert named == set(list_files(released)) - itself


def test_footprint(released: Path) -> None:
    from mocpy import MOC

    rows = pl.read_parquet(released / "catalog" / "quasars.parquet")
    moc = MOC.from_fits(released / "vo" / "footprint.moc.fits")
    assert moc == MOC.load(released / "vo" / "footprint.moc.json", format="json")
    assert set(moc.flatten()) == set(rows["HEALPIX"])


def test_report_needs_nothing_else(released: Path) -> None:
    text = (released / "validation" / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)[^"]+"', text.replace("xlink:href", "href"))
    assert text.count("<svg") == 7
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(drawing)


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
    # Streamlit, where it ran before in this process, forbids the pictures of all that follow.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    nbformat, nbclient = (pytest.importorskip(name) for name in ("nbformat", "nbclient"))
    notebook = nbformat.read(released / "examples" / "quickstart.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    where = {"metadata": {"path": str(released / "examples")}}
    nbclient.NotebookClient(notebook, timeout=120, resources=where).execute()
    kinds = {
        kind
        for cell in notebook.cells
        for out in cell.get("outputs", ())
        for kind in out.get("data", ())
    }
    assert {"text/html", "image/png"} <= kinds


def test_example_plots_a_spectrum(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    monkeypatch.chdir(released)
    mpl.use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(Path("examples/plot_spectrum.py").read_text(), {})
