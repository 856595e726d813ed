"""Building a release: what is in it, and that it is the same or not there at all."""

import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import forked
import polars as pl
import pytest
from synthetic_lake import (
    COMPARED,
    DARK,
    EAST,
    EQUAL,
    FAILED,
    LONGER,
    N_CONTROLS,
    SHORTER,
    Plan,
    write_lake,
)

from catalog_schema.tables import TARGETS, TIERS
from catalog_schema.vocabulary import Finding, ShardState, Tier
from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.flow.backup import back_up, restore
from pipeline.flow.root import Root
from pipeline.lake.store import Store
from pipeline.ledger.books import Outcome
from release import build as build_module
from release import sealing
from release.build import build
from release.checks.validate import validate
from release.manifest import read_manifest
from release.sealing import CHECKSUMS, building

ACCEPT = load_config(None, ["release.accept_failed_shards=true"])


def read_bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_same_bytes_from_two_roots(tmp_path: Path, released: Path, config: Config) -> None:
    other = write_lake(tmp_path / "elsewhere" / "root")
    more_workers = config.model_copy(update={"run": config.run.model_copy(update={"workers": 7})})
    again = build(other, more_workers, "0.1.0").path
    assert read_bytes(again) == read_bytes(released)
    assert all(str(tmp_path).encode() not in content for content in read_bytes(again).values())


def test_row_groups_do_not_depend_on_how_rows_arrive(
    store: Store, config: Config, released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_bytes(released)
    shutil.rmtree(released)
    monkeypatch.setattr("release.tables.spectra._BUCKET_ROWS", 3)
    build(store, config, "0.1.0")
    assert read_bytes(released) == before


def test_second_build_changes_nothing(store: Store, config: Config, released: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in released.rglob("*")}
    report = build(store, config, "0.1.0")
    assert not report.is_new
    assert report.counts["quasars"] == 57
    assert {path: path.stat().st_mtime_ns for path in released.rglob("*")} == before


def test_other_settings_need_another_version(store: Store, released: Path) -> None:
    other = load_config(None, ['release.title="Another"'])
    with pytest.raises(UserError, match=r"release 0.1.0 exists and was made from other"):
        build(store, other, "0.1.0")
    assert build(store, other, "0.1.1").is_new


def test_other_data_need_another_version(tmp_path: Path, config: Config, released: Path) -> None:
    store = write_lake(tmp_path / "root", Plan(seed=2))
    with pytest.raises(UserError, match="choose another --version"):
        build(store, config, "0.1.0")


def test_files_are_read_only(released: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in released.rglob("*") if path.is_file()}
    assert modes == {0o444}


def test_one_row_per_object(released: Path) -> None:
    quasars = pl.read_parquet(released / "catalog" / "quasars.parquet")
    assert quasars["TARGETID"].is_unique().all()
    surveys = dict(quasars.select("TARGETID", "SURVEY").iter_rows())
    assert (surveys[LONGER], surveys[SHORTER], surveys[EQUAL]) == ("sv3", "main", "main")
    manifest = read_manifest(released)
    assert manifest is not None
    assert manifest["counts"]["gates"]["repeat_observation"] == 3
    assert "3 repeat observations were left out" in (released / "README.md").read_text()


def test_catalogue_is_the_join_of_the_lake(store: Store, released: Path) -> None:
    quasars = pl.read_parquet(released / "catalog" / "quasars.parquet")
    assert quasars.equals(quasars.sort("_healpix_29", "TARGETID"))
    assert set(quasars["review_status"]) == {"unreviewed"}
    key = ["SURVEY", "PROGRAM", "TARGETID"]
    sources = {
        "significance": ["p_value", "reason"],
        "tiers": ["finding", "finding_p_value", "q_value", "tier"],
        "classes": ["joint_p_value", "anomaly_class", "artefact_probability", "class_state"],
        "targets": ["EBV", "DESINAME", "z_source", "qso_maskbits"],
        "scores": ["latent", "chi2"],
    }
    for name, columns in sources.items():
        paths = sorted(store.lake.dataset(name).rglob("*.parquet"))
        rows = pl.concat([pl.read_parquet(path) for path in paths]).select(key + columns)
        joined = quasars.select(key).join(rows, on=key, how="left", maintain_order="left")
        assert joined.equals(quasars.select(key + columns))


def test_controls_are_counted_and_not_published(released: Path) -> None:
    quasars = pl.read_parquet(released / "catalog" / "quasars.parquet")
    assert set(quasars["parent"]) == {"core", "extended"}
    assert "control" not in quasars.columns
    manifest = read_manifest(released)
    assert manifest is not None
    assert manifest["counts"]["gates"]["negative_control"] == 3 * N_CONTROLS
    assert f"{3 * N_CONTROLS} negative controls" in (released / "README.md").read_text()
    assert all(result.passed for result in validate(released))


def test_anomalies_are_sorted(released: Path) -> None:
    anomalies = pl.read_parquet(released / "catalog" / "anomalies.parquet")
    assert anomalies.height > 3
    assert Tier.NONE not in set(anomalies["tier"])
    assert anomalies["finding_p_value"].is_sorted()
    assert set(anomalies["finding"]) == set(Finding.values())


def test_broken_conservation_is_refused(tmp_path: Path, config: Config) -> None:
    def lose_rows(outcomes: list[Outcome]) -> list[Outcome]:
        lost = {(EAST, "preprocess"): {"dropped": {}}}
        return [replace(o, **lost.get((o.shard, o.stage), {})) for o in outcomes]

    store = write_lake(tmp_path, Plan(outcomes=lose_rows))
    with pytest.raises(UserError, match=r"main-dark-101 \(preprocess: 2 rows\)"):
        build(store, config, "0.1.0")
    assert not (tmp_path / "releases").exists()


def test_rows_lost_between_stages_are_refused(tmp_path: Path, config: Config) -> None:
    def lose_rows(outcomes: list[Outcome]) -> list[Outcome]:
        fewer = {(EAST, "score"): {"n_expected": 20, "n_made": 20}}
        return [replace(o, **fewer.get((o.shard, o.stage), {})) for o in outcomes]

    store = write_lake(tmp_path, Plan(outcomes=lose_rows))
    with pytest.raises(UserError, match=r"main-dark-101 \(preprocess to score: 6 rows\)"):
        build(store, config, "0.1.0")


def test_unfinished_shard_is_refused(tmp_path: Path, config: Config) -> None:
    def stop(outcomes: list[Outcome]) -> list[Outcome]:
        return [o for o in outcomes if (o.shard, o.stage) != (DARK, "score")]

    store = write_lake(tmp_path, Plan(outcomes=stop))
    with pytest.raises(UserError, match=r"main-dark-100 \(ends at preprocess: 26 rows\)"):
        build(store, config, "0.1.0")


def test_changes_are_those_of_published_observations(store: Store, released: Path) -> None:
    rows = pl.read_parquet(released / "catalog" / "changes.parquet")
    quasars = pl.read_parquet(released / "catalog" / "quasars.parquet")
    key = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
    lake = pl.concat(
        pl.read_parquet(store.lake.shard("changes", shard)) for shard in COMPARED
    ).join(quasars, on=key, how="semi")
    assert rows.height == lake.height > 24
    assert rows.equals(rows.sort("HEALPIX", "TARGETID", "earlier_mjd", "earlier_file"))
    assert set(rows["earlier_file"]) == set(lake["earlier_file"])


def test_a_shard_that_was_not_compared_is_refused(tmp_path: Path, config: Config) -> None:
    def fail(outcomes: list[Outcome]) -> list[Outcome]:
        return [
            replace(o, state=ShardState.FAILED, n_made=0) if o.stage == "earlier" else o
            for o in outcomes
        ]

    store = write_lake(tmp_path, Plan(outcomes=fail))
    with pytest.raises(UserError, match="2 shards were not compared"):
        build(store, config, "0.1.0")
    build(store, ACCEPT, "0.1.0")
    changes = pl.read_parquet(tmp_path / "releases" / "0.1.0" / "catalog" / "changes.parquet")
    assert changes.height == 0


def test_failed_shard_is_refused(tmp_path: Path, config: Config) -> None:
    store = write_lake(tmp_path, Plan(failed=(FAILED,)))
    with pytest.raises(UserError, match=r"main-bright-7.*accept_failed_shards"):
        build(store, config, "0.1.0")


def test_failed_shard_is_counted_when_accepted(tmp_path: Path) -> None:
    store = write_lake(tmp_path, Plan(failed=(FAILED,)))
    report = build(store, ACCEPT, "0.1.0")
    assert report.counts["shards"] == {"done": 3, "failed": 1}
    assert report.counts["gates"]["shard_failed"] == 11
    readme = (report.path / "README.md").read_text()
    assert "`main-bright-7`, stage extract, 11 rows: DataError: mock/coadd.fits" in readme
    assert all(result.passed for result in validate(report.path))


def test_empty_catalogue_is_refused(tmp_path: Path, config: Config) -> None:
    store = write_lake(tmp_path, Plan(outcomes=lambda outcomes: []))
    with pytest.raises(UserError, match="empty"):
        build(store, config, "0.1.0")


def test_folder_without_a_run_is_refused(tmp_path: Path, config: Config) -> None:
    with pytest.raises(UserError, match="nothing was run here"):
        build(Root(tmp_path), config, "0.1.0")


def test_tiers_of_other_levels_are_refused(store: Store) -> None:
    with pytest.raises(UserError, match="do not follow the levels"):
        build(store, load_config(None, ["grade.gold=0.000001"]), "0.1.0")


def test_missing_dataset_is_named(store: Store, config: Config) -> None:
    store.lake.shard("coadds", EAST).unlink()
    with pytest.raises(UserError, match=r"lake/coadds/main/dark/101.parquet is missing"):
        build(store, config, "0.1.0")


def test_full_disk_leaves_nothing(
    store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "write_documents", fill_disk)
    with pytest.raises(UserError, match=r"No space left on device; free some space"):
        build(store, config, "0.1.0")
    assert list((store.root / "releases").iterdir()) == []


def build_until(step: str, root: Path) -> None:
    """Build and die where a function of `release.sealing` is called."""
    setattr(sealing, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    build(Root(root), Config(), "0.1.0")


def test_killed_builds_leave_no_release(template: Path, store: Store, config: Config) -> None:
    for step in ("_sync", "list_files"):
        killed = forked.start(build_until, step, store.root)
        killed.join(300)
        assert killed.exitcode == -signal.SIGKILL
        left = [path.name for path in (store.root / "releases").iterdir()]
        assert left == [".0.1.0.partial"]
    after = build(store, config, "0.1.0").path
    assert read_bytes(after) == read_bytes(template / "releases" / "0.1.0")
    assert [path.name for path in after.parent.iterdir()] == ["0.1.0"]


def test_checksums_are_those_of_coreutils(released: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", CHECKSUMS], cwd=released, check=False
    )
    assert done.returncode == 0


def test_foreign_folder_is_not_overwritten(store: Store, config: Config) -> None:
    (store.root / "releases" / "0.1.0").mkdir(parents=True)
    with pytest.raises(UserError, match="is no release; move it away"):
        build(store, config, "0.1.0")


def test_two_builds_at_once_are_refused(store: Store, config: Config) -> None:
    other = building(store.lake.release("0.2.0"))
    with other, pytest.raises(UserError, match="another release is being built"):
        build(store, config, "0.1.0")


def test_lake_that_changes_meanwhile_is_refused(
    store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meddle(*_: object) -> None:
        path = store.lake.shard("targets", EAST)
        rows = store.read(path).slice(1)
        store.write(path, rows, TARGETS, fingerprint="", n_expected=0, n_made=0)

    monkeypatch.setattr(build_module, "write_documents", meddle)
    with pytest.raises(UserError, match="changed while the release was built"):
        build(store, config, "0.1.0")
    assert list((store.root / "releases").iterdir()) == []


def test_scored_spectra_without_a_tier_are_refused(store: Store, config: Config) -> None:
    path = store.lake.table("tiers")
    store.write(path, store.read(path).slice(2), TIERS, fingerprint="", n_expected=0, n_made=0)
    with pytest.raises(UserError, match="2 scored spectra are not in tiers"):
        build(store, config, "0.1.0")


def test_a_restored_release_passes_its_checks(store: Store, released: Path, tmp_path: Path) -> None:
    back_up(store, str(tmp_path / "backups"))
    restore(str(tmp_path / "backups"), tmp_path / "again")
    again = tmp_path / "again" / "releases" / "0.1.0"
    assert read_bytes(again) == read_bytes(released)
    assert all(result.passed for result in validate(again))
