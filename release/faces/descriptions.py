"""Descriptions of a release for machines: Croissant, Data Package, RO-Crate, DataCite.

All are written from the schema, the manifest and the files, so they cannot disagree with them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalog_schema.column import Column, Table
from catalog_schema.kind import Kind
from release.credit import LICENCE_URL, make_citation
from release.faces.face import Face, Manifest
from release.manifest import find_kind, write_json
from release.sealing import hash_file, list_files

CROISSANT, DATA_PACKAGE = "croissant.json", "datapackage.json"
DATACITE, CRATE = "datacite.json", "ro-crate-metadata.json"
_PARQUET = "application/vnd.apache.parquet"
_CREATOR = "DESI-QAD developers"
_SOURCE_URL = "https://data.desi.lbl.gov/doc/releases/dr1/"
_DESI_DOI = "10.48550/arXiv.2503.14745"
# The vocabulary of https://mlcommons.org/croissant/1.1, as the standard prescribes it.
_CROISSANT_TERMS = """
    citeAs column conformsTo:dct equivalentProperty extract field fileProperty fileObject fileSet
    format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex
    repeated replace samplingRate separator source subField transform
"""


def write(folder: Path, manifest: Manifest) -> None:
    """Write the four descriptions into a release whose other files are all there."""
    checksums = {name: hash_file(folder / name) for name in find_kind(manifest).files}
    write_json(folder / CROISSANT, make_croissant(manifest, checksums))
    write_json(folder / DATA_PACKAGE, make_data_package(manifest, checksums))
    write_json(folder / DATACITE, make_datacite(manifest))
    write_json(folder / CRATE, make_crate(manifest, list_files(folder)))


def make_croissant(manifest: Mapping[str, Any], checksums: Mapping[str, str]) -> dict[str, Any]:
    """Describe the tables in Croissant 1.1."""
    kind = find_kind(manifest)
    return {
        "@context": _make_context(),
        "@type": "sc:Dataset",
        "name": _name(manifest),
        "description": _describe(manifest),
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "citeAs": make_citation(manifest["source"]),
        "creator": {"@type": "sc:Organization", "name": _CREATOR},
        "datePublished": manifest["date"],
        "license": LICENCE_URL,
        **({"url": _SOURCE_URL} if _is_desi(manifest) else {}),
        "version": manifest["version"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": path,
                "name": path,
                "contentUrl": path,
                "encodingFormat": "application/x-parquet",
                "sha256": checksums[path],
            }
            for path in kind.files
        ],
        "recordSet": [_make_record_set(path, table) for path, table in kind.files.items()],
    }


def make_data_package(manifest: Mapping[str, Any], checksums: Mapping[str, str]) -> dict[str, Any]:
    """Describe the tables as a Data Package."""
    return {
        "name": _name(manifest),
        "title": manifest["title"],
        "description": _describe(manifest),
        "version": manifest["version"],
        "licenses": [{"name": "CC-BY-4.0", "path": LICENCE_URL}],
        "contributors": [{"title": _CREATOR, "role": "author"}],
        "resources": [
            {
                "name": _stem(path),
                "path": path,
                "description": table.description,
                "format": "parquet",
                "mediatype": _PARQUET,
                "hash": f"sha256:{checksums[path]}",
                "schema": {
                    "fields": [_make_field(column) for column in table.columns],
                    "primaryKey": list(table.key),
                },
            }
            for path, table in find_kind(manifest).files.items()
        ],
    }


def make_datacite(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the release for a DOI by DataCite 4.5; the DOI itself comes from the archive."""
    return {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceType": "Catalogue", "resourceTypeGeneral": "Dataset"},
        "creators": [{"name": _CREATOR, "nameType": "Organizational"}],
        "titles": [{"title": manifest["title"]}],
        "publisher": {"name": _CREATOR},
        "publicationYear": manifest["date"][:4],
        "version": manifest["version"],
        "language": "en",
        "descriptions": [{"description": _describe(manifest), "descriptionType": "Abstract"}],
        "subjects": [{"subject": word} for word in _list_subjects(find_kind(manifest))],
        "rightsList": [
            {
                "rights": "Creative Commons Attribution 4.0 International",
                "rightsUri": LICENCE_URL,
                "rightsIdentifier": "CC-BY-4.0",
                "rightsIdentifierScheme": "SPDX",
            }
        ],
        "relatedIdentifiers": [
            {
                "relatedIdentifier": _DESI_DOI,
                "relatedIdentifierType": "DOI",
                "relationType": "IsDerivedFrom",
            }
        ]
        if _is_desi(manifest)
        else [],
    }


def make_crate(manifest: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Describe the folder as an RO-Crate 1.1."""
    tables = find_kind(manifest).files
    files = [
        {"@id": name, "@type": "File", "name": name}
        | (
            {"description": tables[name].description, "encodingFormat": _PARQUET}
            if name in tables
            else {}
        )
        for name in names
    ]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": manifest["title"],
        "description": _describe(manifest),
        "version": manifest["version"],
        "datePublished": manifest["date"],
        "license": {"@id": LICENCE_URL},
        "creator": {"@id": "#creator"},
        **({"isBasedOn": {"@id": _SOURCE_URL}} if _is_desi(manifest) else {}),
        "hasPart": [{"@id": name} for name in names],
    }
    descriptor = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }
    others = [
        {"@id": "#creator", "@type": "Organization", "name": _CREATOR},
        {"@id": LICENCE_URL, "@type": "CreativeWork", "name": "CC BY 4.0"},
    ]
    if _is_desi(manifest):
        source = {"@id": _SOURCE_URL, "@type": "CreativeWork", "name": "DESI Data Release 1"}
        others.append(source)
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [descriptor, root, *others, *files],
    }


def _list_subjects(kind: Kind) -> tuple[str, ...]:
    how = ("spectroscopy",) if kind.words == "spectra" else ()
    return (kind.waist.members, *how, "anomalies")


def _is_desi(manifest: Mapping[str, Any]) -> bool:
    return "specprod" in manifest["source"]


def _make_context() -> dict[str, Any]:
    context: dict[str, Any] = {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "sc": "https://schema.org/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
    }
    for term in _CROISSANT_TERMS.split():
        name, _, prefix = term.partition(":")
        context[name] = f"{prefix or 'cr'}:{name}"
    return context


def _make_record_set(path: str, table: Table) -> dict[str, Any]:
    name = _stem(path)
    fields = []
    for column in table.columns:
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{name}/{column.name}",
            "name": column.name,
            "description": column.description,
            "dataType": _choose_type(column, "sc:Integer", "sc:Float", "sc:Boolean", "sc:Text"),
            "source": {"fileObject": {"@id": path}, "extract": {"column": column.name}},
        }
        if column.array is not None:
            field |= {"cr:isArray": True, "cr:arrayShape": "-1"}
        fields.append(field)
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": table.description,
        "key": [{"@id": f"{name}/{key}"} for key in table.key],
        "field": fields,
    }


def _make_field(column: Column) -> dict[str, Any]:
    kind = _choose_type(column, "integer", "number", "boolean", "string")
    field: dict[str, Any] = {
        "name": column.name,
        "type": kind if column.array is None else "array",
        "description": column.description,
    }
    if column.unit:
        field["unit"] = column.unit
    return field


def _choose_type(column: Column, *names: str) -> str:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return next(
        (name for test, name in zip(tests, names, strict=False) if test(column.type)), names[-1]
    )


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".parquet")


def _name(manifest: Mapping[str, Any]) -> str:
    return f"desi-qad-{manifest['source']['kind']}"


def _describe(manifest: Mapping[str, Any]) -> str:
    note = "Simulated: its objects do not exist. " if manifest["source"]["kind"] == "mock" else ""
    kind, counts = find_kind(manifest), manifest["counts"]
    n_graded = counts[kind.main] - counts["tiers"]["none"]
    specprod = manifest["source"].get("specprod")
    what = f"quasar spectra of DESI ({specprod})" if specprod else kind.waist.members
    return (
        f"{note}{counts[kind.main]:,} {what}, each with a calibrated significance of its "
        f"strangeness; {n_graded:,} are graded."
    )


FACE = Face(
    name="descriptions",
    files=(CROISSANT, DATA_PACKAGE, DATACITE, CRATE),
    paragraph="What the release holds, for machines.",
    write=write,
    not_read="it describes files, and holds no rows",
)
