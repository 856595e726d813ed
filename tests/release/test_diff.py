"""What changed between releases, why, and which version that needs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from synthetic_lake import LEVELS, Plan, write_lake
from toy_points import POINTS
from toy_run import register

from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.lake.store import Store
from release.build import build
from release.cli import release
from release.diff import compare, render_difference
from release.versions import Change, find_previous

QUASARS = "catalog/quasars.parquet"


@pytest.fixture
def later(released: Path, tmp_path: Path) -> Path:
    """A copy of the release, to be changed, that calls itself 0.1.1."""
    path = Path(shutil.copytree(released, tmp_path / "later"))
    for file in path.rglob("*.*"):
        file.chmod(0o644)
    change_manifest(path, version="0.1.1")
    return path


def change_manifest(path: Path, **values: Any) -> None:
    file = path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def change_rows(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path / QUASARS)), path / QUASARS)


def set_column(rows: pa.Table, name: str, change: Callable[[Any], Any]) -> pa.Table:
    place = rows.schema.get_field_index(name)
    values = pa.array(map(change, rows[name].to_pylist()), rows.schema.field(name).type)
    return rows.set_column(place, rows.schema.field(name), values)


def test_nothing_changed(released: Path, later: Path) -> None:
    difference = compare(released, later)
    assert (difference.rows.num_rows, difference.causes) == (0, ())
    assert difference.weight[0] is Change.PATCH


def test_objects_that_entered_and_left(released: Path, later: Path) -> None:
    data = json.loads((later / "manifest.json").read_text())["data"]
    change_manifest(later, data=data | {"targets": "other"})
    change_rows(later, lambda rows: rows.slice(4))
    gone = set(pq.read_table(released / QUASARS)["TARGETID"].to_pylist()[:4])
    rows = compare(released, later).rows.to_pylist()
    left = {row["TARGETID"]: row["cause"] for row in rows if row["change"] == "left"}
    assert left == dict.fromkeys(gone, "data")
    assert compare(released, later).weight[0] is Change.MAJOR
    back = compare(later, released)
    entered = {row["TARGETID"] for row in back.rows.to_pylist() if row["change"] == "entered"}
    assert entered == gone
    assert back.weight[0] is Change.MINOR


def test_rescored_by_another_model(released: Path, later: Path) -> None:
    change_manifest(later, model={"id": "new", "content": "new"})
    change_rows(later, lambda rows: set_column(rows, "anomaly_score", lambda value: -value))
    for name in ("joint_p_value", "finding_p_value"):
        change_rows(later, lambda rows, name=name: set_column(rows, name, lambda p: p and 1 - p))
    difference = compare(released, later)
    causes = {row["cause"] for row in difference.rows.to_pylist()}
    assert causes == {"model"}
    assert {row["change"] for row in difference.rows.to_pylist()} == {"rank moved"}
    assert difference.weight == (Change.MAJOR, "57 objects rescored")


def test_a_release_of_one_list_is_ranked_by_its_joint_p_values(released: Path, later: Path) -> None:
    """Releases of schemas before 1.7.0 have neither list nor its p-value."""
    lists = ["finding", "finding_p_value"]
    change_rows(released, lambda rows: rows.drop_columns(lists))
    # The same order then has the same ranks.
    change_rows(released, lambda rows: set_joint(rows, pq.read_table(later / QUASARS)))
    difference = compare(released, later)
    assert difference.rows.num_rows == 0
    assert difference.added == tuple(lists)


def set_joint(rows: pa.Table, later: pa.Table) -> pa.Table:
    place = rows.column_names.index("joint_p_value")
    return rows.set_column(place, rows.field("joint_p_value"), later["finding_p_value"])


def test_tiers_moved_by_other_levels(released: Path, later: Path) -> None:
    config = json.loads((later / "manifest.json").read_text())["config"]
    config["calibrate"]["gold"] = 0.001
    change_manifest(later, config=config)
    change_rows(
        later, lambda rows: set_column(rows, "tier", lambda t: "silver" if t == "gold" else t)
    )
    difference = compare(released, later)
    n_gold = pl.read_parquet(released / QUASARS).filter(pl.col("tier") == "gold").height
    assert difference.counts == {("tier moved", "calibration"): n_gold}
    assert difference.causes == ("calibration",)


def test_objects_that_were_reviewed(released: Path, later: Path) -> None:
    data = json.loads((later / "manifest.json").read_text())["data"]
    change_manifest(later, data=data | {"reviews": "more"})
    seen = pq.read_table(released / QUASARS)["TARGETID"].to_pylist()[:2]

    def review(rows: pa.Table) -> pa.Table:
        status = ["reviewed" if i in seen else "unreviewed" for i in rows["TARGETID"].to_pylist()]
        place = rows.column_names.index("review_status")
        return rows.set_column(place, rows.field("review_status"), pa.array(status))

    change_rows(later, review)
    difference = compare(released, later)
    assert difference.causes == ("reviews",)
    assert difference.counts == {("review changed", "reviews"): 2}
    assert set(difference.rows["TARGETID"].to_pylist()) == set(seen)
    assert difference.weight == (Change.MINOR, "2 objects with new values")


def test_objects_with_other_counterparts(released: Path, later: Path) -> None:
    data = json.loads((later / "manifest.json").read_text())["data"]
    path = later / "catalog" / "crossmatch.parquet"
    rows = pl.read_parquet(path)
    graded = pl.read_parquet(released / "catalog" / "anomalies.parquet")["TARGETID"]
    plain = rows.filter(~pl.col("TARGETID").is_in(graded.implode()))["TARGETID"]
    some = [*graded.head(3), *plain.head(1)]
    is_other = pl.col("TARGETID").is_in(some) & (pl.col("catalogue") == "gaia_dr3")
    new_id = pl.when(is_other).then(pl.lit("new")).otherwise("match_id").alias("match_id")
    rows.with_columns(new_id).sample(fraction=1, shuffle=True, seed=1).write_parquet(path)
    assert compare(released, later).rows.num_rows == 0  # the manifests say that nothing differs
    change_manifest(later, data=data | {"matches": "other"})
    difference = compare(released, later)
    assert difference.causes == ("crossmatch",)
    assert difference.counts == {("match changed", "crossmatch"): 3}
    assert difference.weight == (Change.MINOR, "4 objects with other counterparts")


def test_columns_and_values(released: Path, later: Path) -> None:
    change_rows(later, lambda rows: rows.append_column("new", pa.array(range(rows.num_rows))))
    assert compare(released, later).weight == (Change.MINOR, "1 columns added")
    assert compare(later, released).weight == (Change.MAJOR, "1 columns removed")
    shutil.copyfile(released / QUASARS, later / QUASARS)
    change_rows(later, lambda rows: set_column(rows, "review_status", lambda _: "confirmed"))
    assert compare(released, later).weight == (Change.MINOR, "57 objects with new values")


def test_command_line(released: Path, later: Path, tmp_path: Path) -> None:
    change_rows(later, lambda rows: rows.slice(4))
    run = CliRunner()
    for name in ("rows.parquet", "rows.json"):
        done = run.invoke(
            release, ["diff", str(released), str(later), "--rows", str(tmp_path / name)]
        )
        assert done.exit_code == 0, done.output
        assert "Since 0.1.0: 4 objects removed (major change)." in done.output
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    assert frame.to_dicts() == json.loads((tmp_path / "rows.json").read_text())
    for arguments in ([str(tmp_path), str(later)], [str(released), str(later), "--rows", "x.csv"]):
        done = run.invoke(release, ["diff", *arguments])
        assert isinstance(done.exception, UserError)
        assert "\n" not in str(done.exception)


def test_releases_of_two_kinds_are_not_compared(
    released: Path, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    change_manifest(later, kind=POINTS.name)
    for pair, words in (
        ((released, later), f"it is of {POINTS.name}, the other of spectra"),
        ((later, released), f"it is of spectra, the other of {POINTS.name}"),
    ):
        with pytest.raises(UserError, match=f"{pair[1]} cannot be compared: {words}"):
            compare(*pair)


def test_a_catalogue_of_other_columns_is_one_line(released: Path, later: Path) -> None:
    change_rows(later, lambda rows: rows.drop_columns(["tier"]))
    with pytest.raises(UserError, match="has not the columns it should; mend it or move it away"):
        compare(released, later)


def test_ranks_count_graded_objects_from_the_strangest(released: Path, later: Path) -> None:
    graded = pl.read_parquet(released / "catalog" / "anomalies.parquet")["TARGETID"].to_list()
    first = graded[0]
    change_rows(
        later,
        lambda rows: rows.filter(pc.not_equal(rows["TARGETID"], first)),
    )
    rows = compare(released, later).rows.to_pylist()
    assert [row["TARGETID"] for row in rows] == graded
    assert (rows[0]["change"], rows[0]["old_rank"], rows[0]["new_rank"]) == ("left", 1, None)
    assert [(row["old_rank"], row["new_rank"]) for row in rows[1:]] == [
        (rank + 1, rank) for rank in range(1, len(graded))
    ]
    assert {row["cause"] for row in rows[1:]} == {"others moved"}


def test_what_is_said_is_a_table_of_as_many_objects_as_asked_for(
    released: Path, later: Path
) -> None:
    change_rows(later, lambda rows: rows.slice(4))
    difference = compare(released, later)
    n = difference.rows.num_rows
    for shown in (0, 1, n, n + 5):
        text = render_difference(difference, shown)
        assert f"The first {min(shown, n)} of {n} objects" in text
        ids = map(str, difference.rows["TARGETID"].to_pylist())
        assert sum(f"| {targetid} |" in text for targetid in ids) == min(shown, n)


def test_damaged_previous_release(released: Path, later: Path) -> None:
    (later / QUASARS).write_bytes(b"PAR1")
    with pytest.raises(UserError, match="is missing or damaged; mend it or move it away"):
        compare(later, released)


def test_generator_refuses_a_wrong_bump(released: Path, tmp_path: Path, config: Config) -> None:
    other = write_lake(tmp_path / "other", Plan(seed=2))
    shutil.copytree(released.parent, other.root / "releases")
    with pytest.raises(
        UserError, match=r"rescored since 0.1.0, a major change; give --version 0.2.0"
    ):
        build(other, config, "0.1.1")
    assert not other.lake.release("0.1.1").exists()
    made = build(other, config, "0.2.0").path
    text = (made / "CHANGELOG.md").read_text()
    assert "## 0.2.0" in text
    assert "## 0.1.0\n\nThe first release" in text


def test_text_is_a_patch(released: Path, store: Store) -> None:
    text = load_config(None, ['release.title="Another"'])
    assert build(store, text, "0.1.1").is_new
    stricter = load_config(None, [f"grade.gold={LEVELS.gold}", 'release.title="Third"'])
    assert find_previous(store.lake.release("0.1.2")) == store.lake.release("0.1.1")
    assert (
        "No object entered" in (build(store, stricter, "0.1.2").path / "CHANGELOG.md").read_text()
    )
