"""Each check of the tables against each other finds each fault that it names, one at a time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog_schema import kinds
from catalog_schema.contents import (
    ANOMALIES,
    CATALOGUES,
    CHANGES,
    COMPLETENESS,
    CROSSMATCH,
    EVIDENCE,
    GATES,
    SIGNIFICANCE,
    SPECTRA,
)
from release.checks import consistency
from release.manifest import MANIFEST

QUASARS = kinds.SPECTRA.main_file
Check = Callable[[Path, str], list[str]]
N_CLASSES = len(kinds.SPECTRA.waist.classes)


def change_table(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    rows = pq.ParquetFile(path).read()
    path.unlink()
    pq.write_table(change(rows), path)


def change_manifest(folder: Path, *keys: str, value: Any) -> None:
    values = json.loads((folder / MANIFEST).read_text())
    inner = values
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).write_text(json.dumps(values))


def swap(is_old: Callable[[Any], bool], new: Any) -> Callable[[list[Any]], list[Any]]:
    """Return what replaces the first value of a kind."""

    def change(values: list[Any]) -> list[Any]:
        # What a text says of null, that it cannot tell, counts as true.
        place = next(number for number, value in enumerate(values) if is_old(value) is True)
        value = new(values[place]) if callable(new) else new
        return [*values[:place], value, *values[place + 1 :]]

    return change


def is_set(value: Any) -> bool:
    return value is not None


def is_null(value: Any) -> bool:
    return value is None


def is_nan(values: Any) -> bool:
    return bool(np.isnan(values).all())


def is_probable(values: Any) -> bool:
    return not is_nan(values)


def is_large(value: Any) -> bool:
    return value is not None and value > 0.9


def is_false(value: Any) -> bool:
    return not value


def halve(values: list[float]) -> list[float]:
    return [value / 2 for value in values]


def turn(values: list[float]) -> list[float]:
    return [*values[1:], values[0]]


def any_value(_: Any) -> bool:
    return True


UNIFORM = [1 / N_CLASSES] * N_CLASSES
NO_SIGNAL = "1 rows without signal have a joint p-value, or others have none"
# A check, the table and the column in which a value is changed, how, and what the check says.
FAULTS = [
    ("tiers", QUASARS, "tier", swap("none".__eq__, "gold"), "1 tiers disagree"),
    ("tiers", ANOMALIES, "tier", swap(any_value, "none"), "1 tiers disagree"),
    ("tiers", SIGNIFICANCE, "q_value", swap(is_large, 1e-9), "tiers disagree"),
    ("q_values", SIGNIFICANCE, "q_value", swap(is_set, None), "1 rows have only some of"),
    ("q_values", SIGNIFICANCE, "joint_p_value", swap(is_set, None), "1 rows have only some of"),
    ("q_values", SIGNIFICANCE, "finding", swap(is_set, None), "1 rows have only some of"),
    (
        "q_values",
        SIGNIFICANCE,
        "finding",
        swap("named".__eq__, "unexplained"),
        "another p-value",
    ),
    (
        "q_values",
        SIGNIFICANCE,
        "finding",
        swap("unexplained".__eq__, "named"),
        "another p-value",
    ),
    (
        "q_values",
        SIGNIFICANCE,
        "finding_p_value",
        swap(is_set, 0.5),
        "by another p-value",
    ),
    ("q_values", SIGNIFICANCE, "q_value", swap(is_set, lambda q: 0.99 * q), "1 q-values are not"),
    ("significance", QUASARS, "p_value", swap(any_value, lambda p: p / 2), "1 rows differ"),
    ("significance", QUASARS, "p_value_low", swap(any_value, 1.0), "1 p-values are outside"),
    ("significance", QUASARS, "p_value_high", swap(any_value, 0.0), "1 p-values are outside"),
    ("significance", QUASARS, "reason", swap(any_value, "no reason"), "1 rows differ"),
    ("anomalies", ANOMALIES, "finding_p_value", swap(any_value, 0.9), "not sorted by finding_p"),
    ("anomalies", ANOMALIES, "TARGETID", swap(any_value, 7), "2 rows are not the graded rows"),
    ("spectra", SPECTRA, "tier", swap(any_value, "other"), "1 spectra disagree with the tier"),
    ("spectra", SPECTRA, "TARGETID", lambda ids: [*ids[:-1], ids[0] - 1], "not sorted by TARGETID"),
    ("classes", QUASARS, "anomaly_class", swap(is_set, None), "1 rows have a class without"),
    ("classes", QUASARS, "anomaly_class", swap(is_null, "normal"), "1 rows have a class without"),
    ("classes", QUASARS, "artefact_probability", swap(is_set, None), "1 rows have a class without"),
    ("classes", QUASARS, "class_probabilities", swap(is_nan, UNIFORM), "1 rows have probabilities"),
    ("classes", QUASARS, "class_probabilities", swap(is_probable, halve), "do not add up to 1"),
    ("classes", QUASARS, "class_probabilities", swap(is_probable, turn), "not the most probable"),
    ("classes", QUASARS, "anomaly_class", swap("normal".__eq__, "star"), "not the most probable"),
    ("classes", QUASARS, "tier", lambda tiers: ["gold"] * len(tiers), "graded objects are called"),
    ("classes", QUASARS, "artefact_kind", swap(is_null, "fringes"), "1 artefact kinds are not"),
    ("classes", QUASARS, "finding", swap("named".__eq__, "unexplained"), "the list of their class"),
    ("classes", QUASARS, "joint_p_value", swap(is_null, 0.5), NO_SIGNAL),
    ("classes", QUASARS, "joint_p_value", swap(is_set, None), NO_SIGNAL),
    (
        "classes",
        QUASARS,
        "class_state",
        swap("no_signal".__eq__, "no_examples"),
        "without any class",
    ),
    ("evidence", EVIDENCE, "feature", swap(any_value, "unheard"), "unknown features ['unheard']"),
    ("evidence", EVIDENCE, "TARGETID", swap(any_value, 7), "1 rows are of objects that are not"),
    ("changes", CHANGES, "TARGETID", swap(any_value, 7), "1 rows are of objects that are not"),
    ("changes", CHANGES, "flux_scale", swap(is_null, 1.0), "1 rows have a flux_scale without"),
    ("changes", CHANGES, "flux_scale", swap(is_set, None), "1 rows have a flux_scale without"),
    ("changes", CHANGES, "has_changed", swap(bool, False), "1 rows have another has_changed"),
    ("changes", CHANGES, "has_changed", swap(is_false, True), "1 rows have another has_changed"),
    ("matches", CROSSMATCH, "TARGETID", swap(any_value, 7), "1 pairs of object and catalogue"),
    ("matches", CATALOGUES, "n_matched", swap(any_value, lambda n: n + 1), "counts of matched"),
    ("conservation", COMPLETENESS, "n_made", swap(any_value, lambda n: n - 1), "target: 1 rows"),
    ("conservation", GATES, "n_dropped", swap(any_value, lambda n: n + 1), "main-dark-100"),
    ("conservation", GATES, "stage", swap("extract".__eq__, "score"), "(extract: 1 rows)"),
    (
        "conservation",
        QUASARS,
        "HEALPIX",
        swap(any_value, lambda h: h + 1),
        "another number of rows",
    ),
]
COUNTED = ["quasars", "tiers", "findings", "expected_false"]
# A check, the table whose rows are changed, how, and what the check says.
LOSSES = [
    ("anomalies", ANOMALIES, lambda rows: rows.slice(1), "1 rows are not the graded rows"),
    ("anomalies", ANOMALIES, lambda rows: rows.slice(0, 0), "rows are not the graded rows"),
    ("spectra", SPECTRA, lambda rows: rows.slice(0, 0), "graded objects have no spectrum"),
    ("evidence", EVIDENCE, lambda rows: rows.slice(0, 0), "graded objects have no evidence"),
    ("matches", CROSSMATCH, lambda rows: rows.slice(3), "3 pairs of object and catalogue"),
    ("significance", SIGNIFICANCE, lambda rows: rows.slice(0, 0), "57 rows differ"),
    ("conservation", COMPLETENESS, lambda rows: rows.slice(0, rows.num_rows - 1), "ends at score"),
    ("conservation", COMPLETENESS, lambda rows: rows.slice(1), "not in the books of target"),
    ("conservation", GATES, lambda rows: rows.slice(0, 0), "main-dark-100"),
]


def ask(name: str, folder: Path, target: str) -> list[str]:
    check: Check = getattr(consistency, f"check_{name}")
    if name == "significance":
        target = QUASARS
    return check(folder, CROSSMATCH if name == "matches" else target)


@pytest.mark.parametrize(("name", "table", "column", "change", "found"), FAULTS)
def test_changed_value_is_found(
    released: Path,
    name: str,
    table: str,
    column: str,
    change: Callable[[list[Any]], list[Any]],
    found: str,
) -> None:
    def set_column(rows: pa.Table) -> pa.Table:
        values = pa.array(change(rows[column].to_pylist()), rows.schema.field(column).type)
        return rows.set_column(rows.column_names.index(column), rows.field(column), values)

    assert ask(name, released, table) == []
    change_table(released / table, set_column)
    assert found in "; ".join(ask(name, released, table))


@pytest.mark.parametrize(("name", "table", "change", "found"), LOSSES)
def test_lost_rows_are_found(
    released: Path, name: str, table: str, change: Callable[[pa.Table], pa.Table], found: str
) -> None:
    change_table(released / table, change)
    assert found in "; ".join(ask(name, released, table))


@pytest.mark.parametrize("name", [*COUNTED, "population", "spectra", "gates", "shards"])
@pytest.mark.parametrize("value", [None, 10**6, {"gold": 1}])
def test_count_that_is_not_that_of_the_files(released: Path, name: str, value: Any) -> None:
    change_manifest(released, "counts", name, value=value)
    found = consistency.check_counts(released, MANIFEST)
    assert len(found) == 1
    assert found[0].startswith(f"{name}: the manifest says ")


def test_reference_sample_that_is_too_large(released: Path) -> None:
    change_manifest(released, "config", "reconstruct", "reference_sample", value=0)
    [found] = consistency.check_spectra(released, SPECTRA)
    assert found.endswith("spectra beyond the reference sample")


@pytest.mark.parametrize("grade", ["gold", "silver", "bronze"])
def test_level_that_is_not_that_of_the_settings(released: Path, grade: str) -> None:
    change_manifest(released, "tiers", grade, value=0.5)
    found = consistency.check_tiers(released, QUASARS)
    assert found[0].startswith(f"{grade} is 0.5 in the manifest, ")
