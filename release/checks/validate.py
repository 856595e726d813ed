"""Checks of a release: what it promises, proved again from its files alone."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.column import Table
from catalog_schema.kind import Kind
from catalog_schema.lock import render_schema
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import ClassState
from pipeline.errors import UserError, first_line
from pipeline.lake.layout import MODEL_NORMS, MODEL_TAXONOMY, MODEL_TRAITS
from release.checks import consistency, face_checks
from release.faces.astropy_table import accepting_desi_units
from release.inputs import MODEL_FILES
from release.manifest import MANIFEST, read_json, read_kind, read_manifest
from release.sealing import CHECKSUMS, hash_file, list_files, read_checksums
from release.tables.engine import query
from release.tables.footer import CONTENT_KEY


@dataclass(frozen=True)
class Result:
    """Outcome of one check of one target; the detail says what is wrong."""

    check: str
    passed: bool
    target: str
    detail: str


def validate(path: Path) -> list[Result]:
    """Run every check of a release.

    Parameters
    ----------
    path : Path
        Folder of the release.

    Returns
    -------
    list of Result
        In a fixed order, passed ones included.

    Raises
    ------
    UserError
        If the path is no release.
    """
    if not (path / MANIFEST).is_file():
        raise UserError(f"{path} is no release: it has no {MANIFEST}; give a folder below releases")
    kind = read_kind(path)
    return [
        _run(name, check, path, target)
        for name, (check, targets) in list_checks(kind).items()
        for target in targets
    ]


def _run(name: str, check: Callable[[Path, str], list[str]], path: Path, target: str) -> Result:
    try:
        problems = check(path, target)
    # A damaged file may raise anything; the other checks still have their say.
    except Exception as error:
        problems = [f"cannot be checked: {type(error).__name__}: {first_line(error)}"]
    return Result(name, not problems, target, "; ".join(problems))


def _check_checksums(path: Path, _: str) -> list[str]:
    recorded = read_checksums(path)
    present = list_files(path)
    problems = [f"{name} is missing" for name in recorded if name not in present]
    problems += [f"{name} is not listed" for name in present if name not in recorded]
    both = (name for name in present if name in recorded)
    return problems + [f"{n} differs" for n in both if hash_file(path / n) != recorded[n]]


def _check_manifest(path: Path, _: str) -> list[str]:
    if read_manifest(path) is None:
        return ["is not a manifest"]
    return []


def _check_schema_file(path: Path, target: str) -> list[str]:
    if read_json(path / target) != render_schema(read_kind(path)):
        return ["differs from the schema of this program"]
    return []


def _check_schema(path: Path, target: str) -> list[str]:
    table = read_kind(path).files[target]
    file = pq.ParquetFile(path / target)
    found: dict[str, None] = {}
    for number in range(file.num_row_groups):
        found |= dict.fromkeys(find_violations(file.read_row_group(number), table))
    if not file.num_row_groups:
        found |= dict.fromkeys(find_violations(file.schema_arrow.empty_table(), table))
    return [*found, *_find_repeats(path / target, table)]


def _find_repeats(file: Path, table: Table) -> list[str]:
    """Compare the keys of all row groups, which may be tens of millions."""
    keys = f"SELECT DISTINCT {', '.join(table.key)} FROM read_parquet(?)"
    [(n_keys,)] = query(f"SELECT count(*) FROM ({keys})", str(file))
    n_repeated = pq.read_metadata(file).num_rows - n_keys
    return [f"{n_repeated} repeated keys"] if n_repeated else []


def _check_votable(path: Path, target: str) -> list[str]:
    from astropy.io import votable

    footer = pq.read_metadata(path / target).metadata or {}
    with accepting_desi_units():
        parsed = votable.parse_single_table(io.BytesIO(footer[CONTENT_KEY.encode()]))
    names = [field.name for field in parsed.fields]
    expected = read_kind(path).files[target].names
    return [] if names == expected else ["the footer describes other columns"]


def _check_documentation(path: Path, target: str) -> list[str]:
    text = (path / target).read_text(encoding="utf-8")
    names = dict.fromkeys(name for table in read_kind(path).files.values() for name in table.names)
    missing = [name for name in names if f"`{name}`" not in text]
    return [f"does not explain {', '.join(missing)}"] if missing else []


def _check_model(path: Path, target: str) -> list[str]:
    if not (path / target).stat().st_size:
        return ["is empty"]
    if target.endswith(".parquet"):
        has_rows = pq.ParquetFile(path / target).metadata.num_rows > 0
        return [] if has_rows or not _needs_rows(path, target) else ["has no rows"]
    if target.endswith(".json"):
        read_json(path / target)
    return []


def _needs_rows(path: Path, target: str) -> bool:
    """Say whether a table beside the model may not be empty."""
    kind = read_kind(path)
    if target == f"model/{MODEL_TRAITS}":
        return bool(kind.waist.traits)
    # A survey too small to teach the classes leaves no classifier.
    return target not in _CLASSIFIER or bool(query(_CLASSIFIED, str(path / kind.main_file)))


_CLASSIFIER = (f"model/{MODEL_NORMS}", f"model/{MODEL_TAXONOMY}")
_CLASSIFIED = f"""
    SELECT TARGETID FROM read_parquet(?) WHERE class_state = '{ClassState.CLASSIFIED}' LIMIT 1
"""


def list_checks(kind: Kind) -> dict[str, face_checks.Check]:
    """Return the checks of a release of a kind of data, each with the files that it has of them."""
    lists, model = (kind.main_file, contents.ANOMALIES), (*MODEL_FILES, *kind.model_files)
    checks: dict[str, face_checks.Check] = {
        "checksums": (_check_checksums, (CHECKSUMS,)),
        "manifest": (_check_manifest, (MANIFEST,)),
        "schema": (_check_schema, tuple(kind.files)),
        "schema_file": (_check_schema_file, ("schema/schema.json",)),
        "votable": (_check_votable, tuple(kind.files)),
        "documentation": (_check_documentation, ("README.md",)),
        "model": (_check_model, (*(f"model/{name}" for name in model), contents.NULL)),
        "tiers": (consistency.check_tiers, (*lists, contents.SIGNIFICANCE)),
        "q_values": (consistency.check_q_values, (contents.SIGNIFICANCE,)),
        "significance": (consistency.check_significance, (kind.main_file,)),
        "anomalies": (consistency.check_anomalies, (contents.ANOMALIES,)),
        "spectra": (consistency.check_spectra, (contents.SPECTRA,)),
        "classes": (consistency.check_classes, lists),
        "evidence": (consistency.check_evidence, (contents.EVIDENCE,)),
        "changes": (consistency.check_changes, (contents.CHANGES,)),
        "matches": (consistency.check_matches, (contents.CROSSMATCH,)),
        "reviews": (consistency.check_reviews, (contents.REVIEWS,)),
        **face_checks.list_checks(kind),
        "counts": (consistency.check_counts, (MANIFEST,)),
        "conservation": (consistency.check_conservation, ("completeness",)),
    }
    lacking = set(contents.TABLES) - set(kind.files)
    return {
        name: (check, tuple(target for target in targets if target not in lacking))
        for name, (check, targets) in checks.items()
    }
