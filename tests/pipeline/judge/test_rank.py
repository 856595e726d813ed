"""The queue: replayed bit for bit, the audit in its turn, what is judged is out."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog_schema.kinds import SPECTRA
from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import QUEUE
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import Verdict
from catalog_schema.waist import ROW_KEY
from pipeline.judge.rank import rank
from pipeline.lake.layout import Shard
from pipeline.lake.store import digest_rows
from pipeline.reviews.audit import draw_audit
from pipeline.reviews.prospect import read_csv, write_csv
from pipeline.reviews.published import Published
from pipeline.reviews.review import Review
from pipeline.reviews.review_ledger import ReviewLedger
from pipeline.settings.judge import RankSettings

N = 600
IDS = 39627000000000001 + 2 * np.arange(N)
SETTINGS = RankSettings(length=100, audit_fraction=0.1)
SHARD = Shard("main", "dark", 10)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The columns of a catalogue that the ranking reads."""
    rng = np.random.default_rng(4)
    score = rng.exponential(size=N)
    departures = rng.normal(size=(N, len(STATISTICS)))
    departures[:40, 0] += 6
    columns = {
        "SURVEY": ["main"] * N,
        "PROGRAM": ["dark"] * N,
        "HEALPIX": pa.array([10] * N, pa.int32()),
        "TARGETID": IDS,
        "Z": np.ones(N),
        "SPECTYPE": ["QSO"] * N,
        "tier": np.where(score > 3, "gold", "none"),
        "p_value": np.exp(-score),
        "finding_p_value": pa.array(np.exp(-score), mask=np.arange(N) % 7 == 0),
        "artefact_probability": pa.array(np.zeros(N), mask=np.arange(N) % 7 == 0),
        "departures": to_lists(departures),
        "latent": to_lists(rng.normal(size=(N, 8))),
    }
    path = tmp_path_factory.mktemp("catalogue") / "quasars.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=100)
    return path


def to_lists(values: np.ndarray) -> pa.Array:
    flat = pa.array(values.ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def judge(targetid: int, verdict: Verdict | None, reviewer: str = "A") -> Review:
    return Review("iron", "1.0.0", *SHARD, targetid, reviewer, verdict=verdict)


def judge_first(queue: pa.Table, n: int) -> list[Review]:
    return [
        judge(targetid, Verdict.ANOMALOUS if targetid < IDS[40] else Verdict.ORDINARY)
        for targetid in queue["TARGETID"].to_pylist()[:n]
    ]


def test_without_reviews_rarity_ranks_outside_of_the_audit(catalogue: Path) -> None:
    queue = rank(catalogue, SPECTRA, [], SETTINGS)
    assert find_violations(queue, QUEUE) == []
    assert queue["queue_rank"].to_pylist() == list(range(1, 101))
    active = queue.filter(pa.array(np.array(queue["queue_source"]) == "active"))
    rows = pq.read_table(catalogue)
    drawn = {i for mine in draw_audit(IDS, rows["tier"].to_pylist(), 0.1).values() for i in mine}
    order = [i for i in np.argsort(rows["p_value"].to_numpy()) if i not in drawn]
    assert active["TARGETID"].to_pylist() == IDS[order[: active.num_rows]].tolist()


def test_a_release_of_one_list_is_ranked_by_its_joint_p_value(
    catalogue: Path, tmp_path: Path
) -> None:
    rows = pq.read_table(catalogue)
    names = [{"finding_p_value": "joint_p_value"}.get(name, name) for name in rows.column_names]
    pq.write_table(rows.rename_columns(names), tmp_path / "older.parquet")
    older = rank(tmp_path / "older.parquet", SPECTRA, [], SETTINGS)
    assert older.equals(rank(catalogue, SPECTRA, [], SETTINGS))


def test_a_probable_artefact_comes_after_what_is_none(catalogue: Path, tmp_path: Path) -> None:
    rows = pq.read_table(catalogue)
    first = rank(catalogue, SPECTRA, [], SETTINGS)["TARGETID"][0].as_py()
    is_artefact = np.where(first == IDS, 0.99, 0.0)
    place = rows.schema.get_field_index("artefact_probability")
    spoilt = rows.set_column(place, "artefact_probability", pa.array(is_artefact))
    pq.write_table(spoilt, tmp_path / "spoilt.parquet")
    queue = rank(tmp_path / "spoilt.parquet", SPECTRA, [], SETTINGS)
    is_active = pa.array(np.array(queue["queue_source"]) == "active")
    assert first not in queue.filter(is_active)["TARGETID"].to_pylist()


def test_the_audit_has_its_share_over_all_rounds(catalogue: Path) -> None:
    reviews: list[Review] = []
    sources = []
    for _ in range(20):
        queue = rank(catalogue, SPECTRA, reviews, SETTINGS)
        sources += queue["queue_source"].to_pylist()[:3]
        reviews += judge_first(queue, 3)
    assert sources.count("audit") == 6


def test_replaying_the_ledger_gives_the_same_bits(catalogue: Path, tmp_path: Path) -> None:
    ledger = ReviewLedger(tmp_path / "ledger.sqlite")
    for _ in range(3):
        queue = rank(catalogue, SPECTRA, ledger.load("iron"), SETTINGS)
        ledger.append(judge_first(queue, 15))
    events = ledger.load("iron")
    ledger.append([events[7].retract(), judge(events[9].targetid, Verdict.ORDINARY, "B")])
    expected = digest_rows(rank(catalogue, SPECTRA, ledger.load("iron"), SETTINGS))
    published = Published(
        "1.0.0",
        "iron",
        "spectra",
        pq.read_table(catalogue, columns=[*ROW_KEY, "Z", "SPECTYPE"]),
    )
    write_csv(tmp_path / "all.csv", ledger.load("iron"), published, is_full=True)
    replayed = ReviewLedger(tmp_path / "other.sqlite")
    replayed.append(read_csv(tmp_path / "all.csv", published))
    assert digest_rows(rank(catalogue, SPECTRA, replayed.load("iron"), SETTINGS)) == expected


def test_the_order_of_the_file_does_not_matter(catalogue: Path, tmp_path: Path) -> None:
    reviews = judge_first(rank(catalogue, SPECTRA, [], SETTINGS), 30)
    rows = pq.read_table(catalogue)
    pq.write_table(rows.take(np.random.default_rng(1).permutation(N)), tmp_path / "other.parquet")
    other = rank(tmp_path / "other.parquet", SPECTRA, reviews, SETTINGS)
    assert digest_rows(other) == digest_rows(rank(catalogue, SPECTRA, reviews, SETTINGS))


def test_what_is_judged_is_out_and_what_is_taken_back_returns(catalogue: Path) -> None:
    first = rank(catalogue, SPECTRA, [], SETTINGS)["TARGETID"].to_pylist()[:3]
    reviews = [
        judge(first[0], Verdict.ORDINARY),
        judge(first[1], Verdict.UNSURE),
        judge(first[2], None),
    ]
    queue = rank(catalogue, SPECTRA, reviews, SETTINGS)["TARGETID"].to_pylist()
    assert first[0] not in queue
    assert first[1] not in queue
    # Its redshift was inspected, not whether it is anomalous.
    assert first[2] in queue
    undone = [*reviews, reviews[0].retract()]
    assert first[0] in rank(catalogue, SPECTRA, undone, SETTINGS)["TARGETID"].to_pylist()


def test_only_candidates_and_the_audit_are_ranked(catalogue: Path) -> None:
    settings = RankSettings(length=10_000, candidates=50, audit_fraction=0.1)
    queue = rank(catalogue, SPECTRA, [], settings)
    sources = queue["queue_source"].to_pylist()
    drawn = draw_audit(IDS, pq.read_table(catalogue)["tier"].to_pylist(), 0.1).values()
    assert sources.count("audit") == sum(map(len, drawn))
    assert 35 <= sources.count("active") <= 50
    assert find_violations(queue, QUEUE) == []
