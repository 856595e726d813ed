"""Reviews in a release: what is published, what it says of the catalogue, and its checks."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from catalog_schema.tables import PURITY, QUEUE, REVIEWS
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import ReviewAction, ReviewStatus, Verdict
from pipeline.cli.main import qad
from pipeline.config import Config
from pipeline.flow.root import Root
from pipeline.lake.store import Store
from pipeline.reviews.review import Review
from pipeline.reviews.sample import name_sample
from release.build import build
from release.checks.validate import validate
from release.diff import compare
from release.manifest import MANIFEST, read_json

ABSENT = 17


def list_objects(release: Path) -> list[int]:
    path = release / "catalog" / "quasars.parquet"
    return pq.read_table(path, columns=["TARGETID"])["TARGETID"].to_pylist()


def make_review(targetid: int, reviewer: str, verdict: Verdict, **rest: object) -> Review:
    sample = name_sample(Config())
    return Review(sample, "0.1.0", "main", "dark", 100, targetid, reviewer, verdict=verdict, **rest)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def reviewed_root(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with release 0.2.0 after four objects were reviewed, and one that it lacks."""
    store = Root(Path(shutil.copytree(template, tmp_path_factory.mktemp("reviewed") / "root")))
    one, two, three, four = list_objects(store.lake.release("0.1.0"))[:4]
    taken_back = make_review(four, "A", Verdict.ORDINARY)
    store.reviews.append(
        [
            make_review(one, "A", Verdict.ANOMALOUS),
            make_review(two, "A", Verdict.ANOMALOUS),
            make_review(two, "B", Verdict.ORDINARY),
            make_review(three, "A", Verdict.ORDINARY),
            make_review(three, "B", Verdict.ANOMALOUS, action=ReviewAction.ADJUDICATION),
            taken_back,
            taken_back.retract(),
            make_review(ABSENT, "A", Verdict.UNSURE),
        ]
    )
    build(store, Config(), "0.2.0")
    return store.root


@pytest.fixture
def store(reviewed_root: Path, tmp_path: Path) -> Store:
    """A copy of that root."""
    return Root(Path(shutil.copytree(reviewed_root, tmp_path / "root")))


@pytest.fixture
def reviewed(store: Store) -> Path:
    """Its release 0.2.0."""
    return store.lake.release("0.2.0")


def test_the_catalogue_says_what_the_reviews_come_to(reviewed: Path) -> None:
    rows = pq.read_table(reviewed / "catalog" / "quasars.parquet")
    statuses = rows["review_status"].to_pylist()
    assert statuses[:4] == ["reviewed", "disputed", "adjudicated", "unreviewed"]
    assert set(statuses[4:]) == {ReviewStatus.UNREVIEWED.value}


def test_every_event_of_the_catalogues_objects_is_published(reviewed: Path) -> None:
    rows = pq.read_table(reviewed / "catalog" / "reviews.parquet")
    assert find_violations(rows, REVIEWS) == []
    assert rows.num_rows == 7
    assert rows["is_in_force"].to_pylist() == [True] * 5 + [False] * 2
    counts = read_json(reviewed / MANIFEST)["counts"]["reviews"]
    assert counts == {"published": 7, "left_out": 1}


def test_queue_and_purity_follow_the_reviews(reviewed: Path) -> None:
    queue = pq.read_table(reviewed / "catalog" / "queue.parquet")
    assert find_violations(queue, QUEUE) == []
    objects = list_objects(reviewed)
    assert not set(objects[:1] + objects[2:3]) & set(queue["TARGETID"].to_pylist())
    assert objects[3] in queue["TARGETID"].to_pylist()
    purity = pq.read_table(reviewed / "validation" / "purity.parquet")
    assert find_violations(purity, PURITY) == []
    assert sum(purity["n_objects"].to_pylist()) == len(objects)


def test_the_release_passes_its_checks_and_says_what_changed(reviewed: Path) -> None:
    assert [result for result in validate(reviewed) if not result.passed] == []
    difference = compare(reviewed.parent / "0.1.0", reviewed)
    assert (difference.n_rescored, difference.n_edited) == (0, 3)


def test_later_reviews_do_not_change_a_release_but_need_another(
    store: Store, reviewed: Path
) -> None:
    store.reviews.append([make_review(list_objects(reviewed)[9], "A", Verdict.ORDINARY)])
    with pytest.raises(Exception, match="made from other data"):
        build(store, Config(), "0.2.0")
    assert [result for result in validate(reviewed) if not result.passed] == []


def drop_first_object(path: Path) -> None:
    rows = pq.read_table(path)
    rewrite(path, rows.slice(1))


def forget_status(path: Path) -> None:
    rows = pq.read_table(path)
    values = pa.array(["unreviewed"] * rows.num_rows)
    index = rows.column_names.index("review_status")
    rewrite(path, rows.set_column(index, rows.schema.field(index), values))


def deny_force(path: Path) -> None:
    rows = pq.read_table(path)
    index = rows.column_names.index("is_in_force")
    rewrite(
        path, rows.set_column(index, rows.schema.field(index), pa.array([False] * rows.num_rows))
    )


def rewrite(path: Path, rows: pa.Table) -> None:
    path.chmod(0o644)
    pq.write_table(rows, path)


@pytest.mark.parametrize(
    ("name", "spoil", "problem"),
    [
        ("quasars", drop_first_object, "1 reviewed objects are not in the catalogue"),
        ("quasars", forget_status, "3 objects have another review_status"),
        ("reviews", deny_force, "5 reviews are wrongly stated"),
    ],
)
def test_the_check_finds(
    reviewed: Path, name: str, spoil: Callable[[Path], None], problem: str
) -> None:
    spoil(reviewed / "catalog" / f"{name}.parquet")
    [result] = [each for each in validate(reviewed) if each.check == "reviews"]
    assert not result.passed
    assert problem in result.detail


def run(*arguments: str) -> str:
    done = CliRunner().invoke(qad, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_commands_bring_in_write_out_sum_up_and_rank(
    store: Store, reviewed: Path, tmp_path: Path
) -> None:
    root = ["--root", str(store.root)]
    shown = run("review", "show", *root)
    assert "events      7, of which 5 in force" in shown
    assert "objects     3: adjudicated 1, disputed 1, reviewed 1" in shown
    assert "1 reviews are of objects that the release lacks" in shown
    table = tmp_path / "vi.csv"
    assert "7 reviews" in run("review", "export", str(table), "--full", *root)
    assert "0 reviews appended, 7 were there" in run("review", "import", str(table), *root)
    other = ["--root", str(tmp_path / "other"), "--release", str(reviewed)]
    assert "7 reviews appended" in run("review", "import", str(table), *other)
    ranked = run("rank", *root)
    assert "queue/0.2.0.parquet" in ranked
    assert "gold" in ranked
    # What the release carries is what was ranked from the same reviews.
    again = pq.read_table(store.lake.queue("0.2.0"))
    assert again.equals(pq.read_table(reviewed / "catalog" / "queue.parquet"))


def test_a_strange_object_is_refused(template: Path, tmp_path: Path) -> None:
    store = Root(Path(shutil.copytree(template, tmp_path / "root")))
    table = tmp_path / "vi.csv"
    table.write_text(f"TARGETID,VI_scanner,VI_quality\n{ABSENT},ABC,4\n")
    with pytest.raises(Exception, match=f"row 1: TARGETID {ABSENT} is not in release 0.1.0"):
        run("review", "import", str(table), "--root", str(store.root))
    assert store.reviews.load(name_sample(Config())) == []
