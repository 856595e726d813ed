"""Every way in which a transfer fails: mended, counted, or one clear line; nothing half-written."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from lake_runs import extract_lake, list_contents, list_stamps, make_config, run_one
from loopback import (
    FaultyProxy,
    Mirror,
    faulty_proxy,
    read_tree,
    serving,
    upload,
    without_credentials,
)

from catalog_schema.vocabulary import ShardState
from pipeline.errors import DataError, MissingFileError, UserError
from pipeline.fits.index import load_index
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger, Outcome, balance
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.remote import RemoteSource
from pipeline.transport.sources import open_source

DATA = bytes(range(256)) * 400
QUICK = AcquireSettings(concurrency=2, max_attempts=4, backoff_s=0.01, timeout_s=0.4)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serving({"bucket/file": DATA}) as server:
        yield server


@pytest.fixture(params=["http", "s3"])
def source(
    mirror: Mirror, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> RemoteSource:
    """The mirror as what it is, and as an S3 endpoint with one bucket."""
    open_source.cache_clear()
    without_credentials(monkeypatch, mirror.url)
    location = f"{mirror.url}/bucket" if request.param == "http" else "s3://bucket"
    return open_source(location, QUICK)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (503, "slow_down"),
        (429, "slow_down"),
        (500, "server_error"),
        (504, "server_error"),
        ("drop", "connection"),
        ("truncate", "short_read"),
        ("slow", "connection"),
    ],
)
def test_passing_fault_is_mended_and_counted(
    mirror: Mirror, source: RemoteSource, fault: int | str, kind: str
) -> None:
    mirror.faults.extend([fault, fault])
    assert source.read("file", [(10, 300)]) == [DATA[10:300]]
    assert source.counts.requests == {"get": 3, kind: 2}
    assert source.counts.n_bytes >= 290


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "no such file"), (403, "access denied"), (416, "shorter than its headers")],
)
def test_final_fault_is_one_line_and_no_retry(
    mirror: Mirror, source: RemoteSource, status: int, message: str
) -> None:
    mirror.faults.append(status)
    with pytest.raises(DataError, match=message) as caught:
        source.read("file", [(0, 10)])
    assert "\n" not in str(caught.value)
    assert len(mirror.gets) == 1


def test_attempts_end(mirror: Mirror, source: RemoteSource) -> None:
    mirror.faults.extend([503] * 9)
    with pytest.raises(DataError, match="no answer after 4 attempts, the last fault: slow_down"):
        source.read("file", [(0, 10)])
    assert len(mirror.gets) == 4


def test_missing_file_is_told_from_one_that_is_there(source: RemoteSource) -> None:
    assert source.exists("file")
    assert not source.exists("other")
    with pytest.raises(MissingFileError):
        source.stat("other")


def test_file_that_changes_between_two_reads_is_refused(
    mirror: Mirror, source: RemoteSource
) -> None:
    identity = source.stat("file").identity
    mirror.files["bucket/file"] = DATA[::-1]
    with pytest.raises(DataError, match="changed while it was being read"):
        source.read("file", [(0, 10)], identity)


def test_server_without_ranges_is_refused(mirror: Mirror) -> None:
    mirror.faults.append("whole")
    with pytest.raises(DataError, match="ignores byte ranges"):
        open_source(f"{mirror.url}/bucket", QUICK).read("file", [(5, 10)])


def test_unreachable_host_is_one_line(tmp_path: Path) -> None:
    with serving({}) as gone:
        url = gone.url
    with pytest.raises(DataError, match="connection"):
        open_source(url, QUICK).read("file", [(0, 10)])


def test_requests_keep_to_the_rate_limit(mirror: Mirror) -> None:
    limited = QUICK.model_copy(update={"max_requests_per_second": 20.0})
    begin = time.monotonic()
    open_source(f"{mirror.url}/bucket", limited).read("file", [(i, i + 1) for i in range(11)])
    assert time.monotonic() - begin >= 0.5


def test_sessions_count_for_themselves(source: RemoteSource) -> None:
    one, other = source.session(), source.session()
    one.read("file", [(0, 9)])
    assert one.counts.requests == {"get": 1}
    assert not other.counts.requests


def _damage(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _find_coadd(files: Iterable[str]) -> str:
    return next(name for name in files if "/main/dark/" in name and "coadd-" in name)


def _failures(mirror: Mirror, store: Store, *overrides: str) -> list[Outcome]:
    report = run_one(store, make_config(mirror.url, *overrides), "extract")
    assert not list(store.lake.datasets.rglob(".*.tmp"))
    return list(report.failed)


@pytest.fixture
def survey_mirror(mock_survey: Path) -> Iterator[Mirror]:
    with serving(read_tree(mock_survey)) as server:
        yield server


def test_noisy_link_loses_nothing(mock_survey: Path, survey_mirror: Mirror, tmp_path: Path) -> None:
    survey_mirror.faults.extend([503, "drop", "truncate", 500, "drop"])
    noisy = extract_lake(survey_mirror.url, tmp_path / "noisy", "acquire.max_attempts=6")
    assert list_contents(noisy) == list_contents(extract_lake(mock_survey, tmp_path / "quiet"))


def test_bad_datasum_fails_the_shard_only(survey_mirror: Mirror, tmp_path: Path) -> None:
    store = extract_lake(survey_mirror.url, tmp_path / "root")
    name = _find_coadd(survey_mirror.files)
    shard = Shard("main", "dark", int(name.rpartition("-")[2].removesuffix(".fits")))
    index = load_index(store.lake.index(shard), _identity(survey_mirror, name))
    damaged = _damage(survey_mirror.files[name], index.find("R_IVAR").data + 1000)
    survey_mirror.files[name] = damaged
    store = extract_lake(survey_mirror.url, tmp_path / "other", "acquire.mode=hdus")
    [failed] = _failures(survey_mirror, store, "acquire.mode=hdus")
    assert failed.shard == shard
    assert "HDU R_IVAR is damaged: DATASUM" in failed.error
    assert not store.lake.shard("coadds", shard).exists()
    assert len(list_stamps(store, "coadds")) == 1


def _identity(mirror: Mirror, name: str) -> str:
    return open_source(mirror.url, make_config(mirror.url).acquire).stat(name).identity


def test_damaged_catalogue_ends_the_run(survey_mirror: Mirror, tmp_path: Path) -> None:
    name = next(name for name in survey_mirror.files if "zall-pix" in name)
    data = survey_mirror.files[name]
    survey_mirror.files[name] = _damage(data, len(data) - 20_000)
    with pytest.raises(UserError, match="HDU ZCATALOG is damaged: DATASUM"):
        extract_lake(survey_mirror.url, tmp_path / "root")
    assert not list((tmp_path / "root").rglob("candidates.parquet"))


def test_file_lost_or_closed_after_the_plan_fails_its_shard(
    survey_mirror: Mirror, tmp_path: Path
) -> None:
    store = extract_lake(survey_mirror.url, tmp_path / "root")
    for path in store.lake.dataset("coadds").rglob("*.parquet"):
        path.unlink()
    name = _find_coadd(survey_mirror.files)
    data = survey_mirror.files.pop(name)
    [failed] = _failures(survey_mirror, store)
    assert failed.state is ShardState.FAILED
    assert (
        failed.error
        == f"{survey_mirror.url}/{name}: no such file (404); fetch it or leave its shard out"
    )
    assert failed.requests == {"get": 1, "not_found": 1}
    survey_mirror.files[name] = data + bytes(2880)
    [changed] = _failures(survey_mirror, store)
    assert "changed while it was being read" in changed.error
    survey_mirror.files[name] = data
    assert not _failures(survey_mirror, store)


@pytest.fixture
def survey_bucket(
    mock_survey: Path, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FaultyProxy, str]]:
    """An S3 server behind a proxy that may fail, and the location of the survey on it."""
    open_source.cache_clear()
    with faulty_proxy(endpoint) as proxy:
        without_credentials(monkeypatch, proxy.url)
        yield proxy, upload(endpoint, tmp_path.name, read_tree(mock_survey))
    open_source.cache_clear()


def test_noisy_s3_server_loses_nothing(
    mock_survey: Path, survey_bucket: tuple[FaultyProxy, str], tmp_path: Path
) -> None:
    proxy, location = survey_bucket
    faults: list[int | str] = [503, "drop", "cut", 500, "cut"]

    def fail_some(method: str, _: str) -> int | str | None:
        return faults.pop() if method == "GET" and faults and len(proxy.requests) % 2 else None

    proxy.fails = fail_some
    noisy = extract_lake(location, tmp_path / "noisy", "acquire.max_attempts=6")
    assert faults == []
    assert list_contents(noisy) == list_contents(extract_lake(mock_survey, tmp_path / "quiet"))
    counted = sum((Counter(o.requests) for o in noisy.ledger.outcomes()), Counter())
    assert counted["get"] > 10
    assert balance(noisy.ledger.outcomes()).broken == ()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "access denied"),
        (404, "no such file"),
        (416, "shorter than its headers"),
        (503, "the last fault: slow_down"),
        (500, "the last fault: server_error"),
    ],
)
def test_s3_server_that_fails_one_file_loses_that_shard_only(
    survey_bucket: tuple[FaultyProxy, str], tmp_path: Path, status: int, message: str
) -> None:
    """Among them: an object that is lost between the plan and the fetch."""
    proxy, location = survey_bucket
    store = extract_lake(location, tmp_path / "root")
    before = list_contents(store)
    config = make_config(location)
    for path in store.lake.dataset("coadds").rglob("*.parquet"):
        path.unlink()
    name = _find_coadd(dict.fromkeys(line.partition(" ")[2] for line in proxy.requests))
    proxy.fails = lambda method, path: status if path.startswith(name) else None
    report = run_one(store, config, "extract")
    [failed] = report.failed
    assert message in (failed.error or "")
    assert failed.n_request_faults > 0
    books = balance(store.ledger.outcomes())
    assert books.broken == (failed,)
    assert books.imbalance == failed.n_expected
    proxy.fails = lambda *_: None
    assert run_one(store, config, "extract").failed == ()
    assert list_contents(store) == before
    assert balance(store.ledger.outcomes()).broken == ()


def test_truncated_file_fails_its_shard_in_acquire(survey_mirror: Mirror, tmp_path: Path) -> None:
    name = _find_coadd(survey_mirror.files)
    survey_mirror.files[name] = survey_mirror.files[name][:-40_000]
    store = extract_lake(survey_mirror.url, tmp_path / "root")
    assert len(list_stamps(store, "coadds")) == 1
    [failed] = [o for o in Ledger(store.lake.ledger).outcomes("acquire") if o.error]
    assert "truncated in HDU" in failed.error
