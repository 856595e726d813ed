"""`qad review`: files go round, words are counted, each command knows its release."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from example_reviews import SAMPLE, SHARD, TARGETIDS, make_review

from catalog_schema.vocabulary import AnomalyClass, ReviewAction, Verdict
from catalog_schema.waist import ROW_KEY
from pipeline.flow.root import Root
from pipeline.reviews.review import Review

Call = Callable[..., tuple[int, str, str]]
ADJUDICATION = {"action": ReviewAction.ADJUDICATION, "verdict": Verdict.ARTEFACT}
EVENTS = [
    make_review(0, "ABC", anomaly_class=AnomalyClass.STAR, comment='say "x", y;\tz'),
    make_review(0, "XYZ", quality=3, issues="RC", corrected_z=1.5),
    make_review(1, "ABC", verdict=Verdict.ORDINARY),
    make_review(1, "XYZ"),
    make_review(2, "XYZ", verdict=Verdict.ORDINARY),
]


def publish(root: Path, version: str, targetids: tuple[int, ...] = TARGETIDS) -> Path:
    """Write what commands read of a release."""
    folder = root / "releases" / version
    (folder / "catalog").mkdir(parents=True)
    rows = [dict(zip(ROW_KEY, (*SHARD, targetid), strict=True)) for targetid in targetids]
    pq.write_table(pa.Table.from_pylist(rows), folder / "catalog/quasars.parquet")
    manifest = {"version": version, "source": {"sample": SAMPLE}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def keep(root: Path, *reviews: Review) -> None:
    store = Root(root)
    with store.reviews.closing():
        store.reviews.append(reviews)


def load(root: Path) -> list[Review]:
    store = Root(root)
    with store.reviews.closing():
        return store.reviews.load(SAMPLE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    publish(tmp_path / "root", "0.1.0")
    keep(tmp_path / "root", *EVENTS)
    return tmp_path / "root"


def test_every_event_goes_to_another_ledger_and_back(
    call: Call, root: Path, tmp_path: Path
) -> None:
    keep(root, load(root)[3].retract())
    file, other = tmp_path / "all.csv", tmp_path / "other"
    code, out, err = call("review", "export", file, "--root", root, "--full")
    assert (code, err) == (0, "")
    assert f"{len(EVENTS) + 1} reviews of objects of release 0.1.0" in out
    publish(other, "0.1.0")
    for n_new in (len(EVENTS) + 1, 0):
        code, out, _ = call("review", "import", file, "--root", other)
        n_known = len(EVENTS) + 1 - n_new
        assert (code, out) == (0, f"{n_new} reviews appended, {n_known} were there already\n")
    assert load(other) == load(root)


def test_a_plain_file_has_the_last_words_alone(call: Call, root: Path, tmp_path: Path) -> None:
    keep(root, load(root)[3].retract(), make_review(2, "XYZ", quality=1))
    file = tmp_path / "plain.csv"
    _, out, _ = call("review", "export", file, "--root", root)
    with file.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert f"{len(rows)} reviews" in out
    told = [(int(row["TARGETID"]), row["VI_scanner"], row["VI_quality"]) for row in rows]
    assert told == [
        (TARGETIDS[0], "ABC", "-1"),
        (TARGETIDS[0], "XYZ", "3"),
        (TARGETIDS[1], "ABC", "-1"),
        (TARGETIDS[2], "XYZ", "1"),
    ]


def test_a_summary_counts_objects_words_and_people(call: Call, root: Path) -> None:
    code, out, _ = call("review", "show", "--root", root)
    assert code == 0
    assert out.splitlines()[:5] == [
        f"release 0.1.0, sample {SAMPLE}",
        "events      5, of which 5 in force",
        "objects     3: disputed 1, reviewed 2",
        "verdicts    anomalous 1, ordinary 1",
        "reviewers   ABC 2, XYZ 3",
    ]
    # Two objects in common, one agreed on; of ABC one anomalous, of XYZ both: chance is a half.
    assert "agreement   ABC and XYZ: Cohen's kappa 0.00, 2 objects" in out
    assert "agreement   all: Fleiss' kappa -0.33, 2 objects" in out


def test_an_adjudication_settles_what_was_disputed(call: Call, root: Path) -> None:
    keep(root, make_review(1, "CHIEF", **ADJUDICATION))
    _, out, _ = call("review", "show", "--root", root)
    assert "events      6, of which 6 in force" in out
    assert "disputed" not in out
    assert "verdicts    anomalous 1, artefact 1, ordinary 1" in out
    # Whoever settles a dispute is no second pair of eyes.
    assert "CHIEF and" not in out
    assert "and CHIEF" not in out


def test_nobody_has_said_anything_yet(call: Call, tmp_path: Path) -> None:
    publish(tmp_path, "0.1.0")
    code, out, _ = call("review", "show", "--root", tmp_path)
    assert code == 0
    assert out.splitlines()[1:] == [
        "events      0, of which 0 in force",
        "objects     0: none reviewed yet",
        "verdicts    none",
        "reviewers   none",
    ]


def test_the_newest_release_is_meant_unless_another_is_named(call: Call, root: Path) -> None:
    publish(root, "0.10.0", TARGETIDS[:1])
    publish(root, "0.9.0", TARGETIDS[:2])
    for name, version, n_lost in (
        (None, "0.10.0", 3),
        ("0.9.0", "0.9.0", 1),
        ("0.1.0", "0.1.0", 0),
        (str(root / "releases/0.9.0"), "0.9.0", 1),
    ):
        named = () if name is None else ("--release", name)
        _, out, _ = call("review", "show", "--root", root, *named)
        assert out.startswith(f"release {version}, ")
        lost = f"{n_lost} reviews are of objects that the release lacks"
        assert (lost in out) == (n_lost > 0)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("show", "--release", "7.0.0"), "7.0.0"),
        (("show", "--release", "../.."), "no readable release"),
        (("export", "."), "is a directory"),
        (("export", ".."), "is a directory"),
        (("export", "root"), "is a directory"),
        (("import", "nothing.csv"), "nothing.csv"),
    ],
)
def test_a_wrong_call_is_one_line_and_leaves_the_ledger_alone(
    call: Call, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words, part
) -> None:
    monkeypatch.chdir(tmp_path)
    before = load(root)
    code, out, err = call("review", *words, "--root", root)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert part in err
    assert load(root) == before


def test_a_file_with_one_bad_row_adds_none(call: Call, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "vi.csv"
    rows = [f"{TARGETIDS[0]},NEW,4", f"{TARGETIDS[1]},NEW,4", "12,NEW,4"]
    file.write_text("\n".join(["TARGETID,VI_scanner,VI_quality", *rows]) + "\n")
    before = load(root)
    code, _, err = call("review", "import", file, "--root", root)
    assert code == 2
    assert "row 3: TARGETID 12 is not in release 0.1.0" in err
    assert load(root) == before


def test_without_a_release_there_is_nothing_to_review(call: Call, tmp_path: Path) -> None:
    code, _, err = call("review", "show", "--root", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert "no release here" in err
