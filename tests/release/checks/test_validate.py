"""The checks pass on a fresh release and name what is wrong with a damaged one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import synthetic_lake

from pipeline.errors import UserError
from release.checks.consistency import adjust
from release.checks.validate import validate
from release.sealing import seal


def find_failed(path: Path) -> set[str]:
    return {result.check for result in validate(path) if not result.passed}


def change_column(
    path: Path, name: str, change: Callable[[list[Any]], list[Any]], *, n_rows: int | None = None
) -> None:
    """Rewrite one column of a published table and seal the release again."""
    data = pq.ParquetFile(path).read().slice(0, n_rows)
    field = data.schema.field(name)
    values = pa.array(change(data[name].to_pylist()), field.type)
    data = data.set_column(data.column_names.index(name), field, values)
    path.unlink()
    pq.write_table(data, path)
    seal(path.parents[1])


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    change(values)
    path.unlink()
    path.write_text(json.dumps(values))
    seal(folder)


@pytest.fixture(autouse=True)
def _reseal(monkeypatch: pytest.MonkeyPatch) -> None:
    # A sealed release is read-only; the tests that damage one write as its owner would.
    monkeypatch.setattr("release.sealing._READ_ONLY", 0o644)


def test_fresh_release_passes(released: Path) -> None:
    results = validate(released)
    assert [result for result in results if not result.passed] == []
    assert len(results) > 25


def test_flipped_bytes(released: Path) -> None:
    paths = [
        next(released.glob(pattern))
        for pattern in (
            "model/weights-0.safetensors",
            "hats/quasars/dataset/**/Npix=*.parquet",
            "hats/*.properties",
            "hats_spectra/**/Npix=*.parquet",
            "hats/quasars/skymap.fits",
            "vo/anomalies.vot",
            "vo/anomalies.fits",
            "cds/anomalies.dat",
            "site/objects/*.html",
            "examples/quickstart.ipynb",
        )
    ]
    for path in paths:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    (result,) = (each for each in validate(released) if each.check == "checksums")
    names = sorted(path.relative_to(released).as_posix() for path in paths)
    assert result.detail == "; ".join(f"{name} differs" for name in names)


def find_first(released: Path, face: str) -> Path:
    path: Path = next((released / face).rglob("Npix=*.parquet"))
    return path


def test_partition_with_another_value(released: Path) -> None:
    path = find_first(released, "hats/quasars")
    rows = pq.ParquetFile(path).read()
    place = rows.column_names.index("chi2")
    values = pa.array([0.5] * rows.num_rows, pa.float32())
    path.unlink()
    pq.write_table(rows.set_column(place, rows.field("chi2"), values), path)
    seal(released)
    assert find_failed(released) == {"hats"}


@pytest.mark.parametrize("face", ["hats/quasars", "hats_spectra/anomalies"])
def test_partition_with_a_missing_row(released: Path, face: str) -> None:
    path = find_first(released, face)
    rows = pq.ParquetFile(path).read()
    path.unlink()
    pq.write_table(rows.slice(1), path)
    seal(released)
    assert find_failed(released) == {face.partition("/")[0]}


def test_missing_partition(released: Path) -> None:
    find_first(released, "hats/quasars").unlink()
    seal(released)
    (result,) = [each for each in validate(released) if not each.passed]
    assert result.check == "hats"
    assert "partition" in result.detail.lower()


def test_flipped_byte_in_a_table_does_not_stop_the_checks(released: Path) -> None:
    path = released / "spectra" / "spectra.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    failed = find_failed(released)
    assert {"checksums", "schema", "spectra"} <= failed
    assert "documentation" not in failed


def test_missing_and_extra_file(released: Path) -> None:
    (released / "LICENSE").unlink()
    assert find_failed(released) == {"checksums"}
    (released / "LICENSE.txt").write_text("")
    detail = validate(released)[0].detail
    assert detail == "LICENSE is missing; LICENSE.txt is not listed"


@pytest.mark.parametrize("name", ["README.md", "model/null.parquet", "SHA256SUMS"])
def test_missing_file_of_meaning(released: Path, name: str) -> None:
    (released / name).unlink()
    assert "checksums" in find_failed(released)


def test_nan(released: Path) -> None:
    path = released / "catalog" / "quasars.parquet"
    change_column(path, "chi2", lambda values: [float("nan"), *values[1:]])
    assert find_failed(released) == {"schema", "hats"}


@pytest.mark.parametrize(
    ("name", "value"), [("chi2", -1.0), ("worst_arm", "x"), ("TARGETID", 39_000_000_000_000_005)]
)
def test_value_outside_the_schema(released: Path, name: str, value: object) -> None:
    path = released / "catalog" / "quasars.parquet"
    change_column(path, name, lambda values: [value, *values[1:]])
    assert "schema" in find_failed(released)


def rewrite(path: Path, rows: pa.Table) -> None:
    """Write a published table in small row groups and seal the release again."""
    path.unlink()
    pq.write_table(rows, path, row_group_size=50)
    seal(path.parents[1])


def test_key_that_repeats_in_another_row_group(released: Path) -> None:
    path = released / "catalog" / "crossmatch.parquet"
    rows = pq.ParquetFile(path).read()
    rewrite(path, pa.concat_tables([rows, rows.slice(0, 2)]))
    details = {result.check: result.detail for result in validate(released) if not result.passed}
    assert details["schema"] == "2 repeated keys"


def test_object_without_a_state_in_a_catalogue(released: Path) -> None:
    path = released / "catalog" / "crossmatch.parquet"
    rewrite(path, pq.ParquetFile(path).read().slice(1))
    (result,) = [result for result in validate(released) if not result.passed]
    assert result.check == "matches"
    assert "1 pairs of object and catalogue have no state" in result.detail


def test_match_of_an_object_that_is_not_published(released: Path) -> None:
    path = released / "catalog" / "crossmatch.parquet"
    change_column(path, "TARGETID", lambda ids: [7, *ids[1:]])
    assert find_failed(released) == {"matches"}


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("has_changed", lambda values: [not values[0], *values[1:]]),
        ("flux_scale", lambda values: [None] * len(values)),
        ("TARGETID", lambda values: [7, *values[1:]]),
    ],
)
def test_change_that_does_not_follow(
    released: Path, column: str, change: Callable[[list[Any]], list[Any]]
) -> None:
    change_column(released / "catalog" / "changes.parquet", column, change)
    assert find_failed(released) == {"changes"}


def test_levels_of_changes_that_disagree(released: Path) -> None:
    assert any(pq.read_table(released / "catalog" / "changes.parquet")["has_changed"].to_pylist())
    change_manifest(released, lambda values: values["config"]["earlier"].update(min_change=5.0))
    assert "changes" in find_failed(released)


def test_tier_that_disagrees_with_q(released: Path) -> None:
    path = released / "catalog" / "quasars.parquet"
    change_column(path, "tier", lambda v: [t.replace("gold", "bronze") for t in v])
    failed = find_failed(released)
    assert "tiers" in failed
    assert "schema" not in failed


def test_levels_that_disagree(released: Path) -> None:
    change_manifest(released, lambda values: values["tiers"].update(gold=1e-9))
    # How many are expected to be false follows from the levels.
    assert find_failed(released) == {"tiers", "counts"}


def test_q_values_that_are_no_transform(released: Path) -> None:
    path = released / "calibration" / "significance.parquet"
    change_column(path, "joint_p_value", lambda values: [v and v / 2 for v in values])
    assert find_failed(released) == {"q_values", "significance"}


def test_object_without_signal_on_the_list(released: Path) -> None:
    for path in ("calibration/significance.parquet", "catalog/quasars.parquet"):
        change_column(released / path, "joint_p_value", lambda values: [v or 0.7 for v in values])
    assert {"q_values", "classes"} <= find_failed(released)


def test_counts_that_disagree(released: Path) -> None:
    change_manifest(released, lambda values: values["counts"]["tiers"].update(gold=99))
    assert find_failed(released) == {"counts"}


def test_broken_conservation(released: Path) -> None:
    path = released / "completeness" / "completeness.parquet"
    change_column(path, "n_expected", lambda values: [values[0] + 1, *values[1:]])
    assert find_failed(released) == {"conservation"}


def test_release_stage_is_part_of_the_law(released: Path) -> None:
    path = released / "catalog" / "quasars.parquet"
    change_column(path, "Z", lambda values: values, n_rows=50)
    assert "conservation" in find_failed(released)


def test_graded_object_without_spectrum(released: Path) -> None:
    path = released / "spectra" / "spectra.parquet"
    change_column(path, "HEALPIX", lambda values: values, n_rows=2)
    assert find_failed(released) == {"spectra", "counts", "hats_spectra"}


def test_anomaly_that_is_no_quasar(released: Path) -> None:
    path = released / "catalog" / "anomalies.parquet"
    change_column(path, "TARGETID", lambda values: [1, *values[1:]])
    assert find_failed(released) == {"anomalies", "hats_spectra", "same_rows"}


def test_readme_without_a_column(released: Path) -> None:
    path = released / "README.md"
    text = path.read_text()
    path.unlink()
    path.write_text(text.replace("`isolation_score`", "`something`"))
    seal(released)
    (problem,) = [result for result in validate(released) if not result.passed]
    assert (problem.check, problem.detail) == ("documentation", "does not explain isolation_score")


@pytest.mark.parametrize("name", ["norms", "traits"])
def test_lost_rows_beside_the_model(released: Path, name: str) -> None:
    path = released / "model" / f"{name}.parquet"
    rewrite(path, pq.ParquetFile(path).read().slice(0, 0))
    assert find_failed(released) == {"model"}


def test_lost_footer(released: Path) -> None:
    path = released / "calibration" / "null.parquet"
    data = pq.read_table(path).replace_schema_metadata(None)
    path.unlink()
    pq.write_table(data, path)
    seal(released)
    assert find_failed(released) == {"votable"}


def test_no_release(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no release"):
        validate(tmp_path / "nothing")


def test_adjustment_agrees_with_the_definition() -> None:
    p_value = np.round(np.random.default_rng(3).uniform(0, 1, 200), 2)
    assert np.allclose(adjust(p_value), synthetic_lake.adjust(p_value), rtol=1e-14)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "spectra"}'])
def test_damaged_manifest_is_a_failed_check(released: Path, text: str) -> None:
    (released / "manifest.json").unlink()
    (released / "manifest.json").write_text(text)
    assert {"manifest", "checksums", "counts"} <= find_failed(released)


def test_kind_of_data_that_is_not_known_is_one_line(released: Path) -> None:
    change_manifest(released, lambda values: values.update(kind="sonnets"))
    with pytest.raises(UserError, match=r"^release \d\S+: it holds 'sonnets', of which") as refused:
        validate(released)
    assert "\n" not in str(refused.value)
