"""Descriptions for machines pass the validators of their standards and agree with the files."""

import json
from pathlib import Path

import polars as pl
import pytest

from catalog_schema import kinds
from release.faces.descriptions import CROISSANT, DATA_PACKAGE
from release.sealing import list_files, read_checksums

FILES = kinds.SPECTRA.files


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


def test_checksums_are_those_of_the_files(released: Path) -> None:
    sums = {name: read_checksums(released)[name] for name in FILES}
    croissant, package = (
        json.loads((released / name).read_text()) for name in (CROISSANT, DATA_PACKAGE)
    )
    assert {entry["@id"]: entry["sha256"] for entry in croissant["distribution"]} == sums
    assert {entry["path"]: entry["hash"] for entry in package["resources"]} == {
        name: f"sha256:{checksum}" for name, checksum in sums.items()
    }


def test_every_column_is_described_with_its_type(released: Path) -> None:
    croissant, package = (
        json.loads((released / name).read_text()) for name in (CROISSANT, DATA_PACKAGE)
    )
    words = {"bool": "Boolean", "int": "Integer", "float": "Float", "double": "Float"}
    for (path, table), sets, resource in zip(
        FILES.items(), croissant["recordSet"], package["resources"], strict=True
    ):
        assert resource["path"] == path
        assert [key["@id"].rpartition("/")[2] for key in sets["key"]] == list(table.key)
        for column, one, other in zip(
            table.columns, sets["field"], resource["schema"]["fields"], strict=True
        ):
            assert one["name"] == other["name"] == column.name
            assert one["description"] == other["description"] == column.description
            kind = next((w for t, w in words.items() if str(column.type).startswith(t)), "Text")
            assert one["dataType"] == f"sc:{kind}"
            assert ("cr:isArray" in one) == (other["type"] == "array") == bool(column.array)
            assert other.get("unit", "") == column.unit
