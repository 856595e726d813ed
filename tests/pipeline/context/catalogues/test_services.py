"""The real clients against stand-ins on loopback: right answers, and every kind of wrong one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from virtual_observatory import TABLE, Observatory, serving

from pipeline.context.catalogues.services import Answer, Service, ServiceError
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings

RA, DEC = np.array([10.0, 20.0, 359.9999]), np.array([0.0, 45.0, -30.0])


@pytest.fixture
def observatory() -> Iterator[Observatory]:
    """Two sources at the first position, none at the second, one beyond RA 0 at the third."""
    table = Table(
        {"Source": [2**62 + 1, 2**62 + 2, 7], "ra": [10.0001, 9.9999, 0.0001],
         "dec": [0.0, 0.0, -30.0], "mag": [18.5, np.nan, 20.0], "err": [100.0, 200.0, 50.0]}
    )  # fmt: skip
    with serving(table) as running:
        yield running


def make(observatory: Observatory, kind: str, folder: Path, **changes: object) -> Service:
    catalogue = CatalogueSettings(
        service=kind,
        url=observatory.url,
        table=TABLE,
        id="Source",
        error="err",
        error_scale=0.001,
        keep=["mag"],
        radius=2.0,
    )
    quick = {"timeout_s": 0.5, "max_attempts": 2, "backoff_s": 0.01, "seconds_between_requests": 0}
    return Service(catalogue, CrossmatchSettings(**(quick | changes)), folder)


def check(answer: Answer) -> None:
    rows = sorted(
        zip(answer.position.tolist(), answer.sources.to_pylist(), strict=True),
        key=lambda row: (row[0], row[1]["match_id"]),
    )
    assert [position for position, _ in rows] == [0, 0, 2]
    assert [row["match_id"] for _, row in rows] == [str(2**62 + 1), str(2**62 + 2), "7"]
    assert [row["error"] for _, row in rows] == [0.1, 0.2, 0.05]
    assert [row["attributes"] for _, row in rows] == ['{"mag": 18.5}', "{}", '{"mag": 20.0}']


@pytest.mark.parametrize("kind", ["xmatch", "tap"])
def test_answer_is_read_and_kept(observatory: Observatory, kind: str, tmp_path: Path) -> None:
    first = make(observatory, kind, tmp_path).ask(RA, DEC)
    check(first)
    assert observatory.n_asked == [3]
    again = make(observatory, kind, tmp_path).ask(RA, DEC)
    check(again)
    assert again.query_date == first.query_date
    assert observatory.n_asked == [3]
    make(observatory, kind, tmp_path).ask(RA[:1], DEC[:1])
    assert observatory.n_asked == [3, 1]


@pytest.mark.parametrize("kind", ["xmatch", "tap"])
def test_nothing_found_is_an_answer(observatory: Observatory, kind: str, tmp_path: Path) -> None:
    answer = make(observatory, kind, tmp_path).ask(RA[1:2], DEC[1:2])
    assert len(answer.position) == answer.sources.num_rows == 0


@pytest.mark.parametrize("kind", ["xmatch", "tap"])
@pytest.mark.parametrize("fault", [500, 503, "hang", "html", "truncate"])
def test_fault_is_tried_again_and_then_told(
    observatory: Observatory, kind: str, fault: int | str, tmp_path: Path
) -> None:
    observatory.faults.extend([fault])
    check(make(observatory, kind, tmp_path).ask(RA, DEC))
    assert len(observatory.requests) == 2
    observatory.faults.extend([fault] * 2)
    with pytest.raises(ServiceError) as caught:
        make(observatory, kind, tmp_path / "other").ask(RA, DEC)
    assert len(observatory.requests) == 4
    assert str(caught.value)
    assert not list((tmp_path / "other").glob("*"))
    if isinstance(fault, int):
        assert str(fault) in str(caught.value)


@pytest.mark.parametrize("kind", ["xmatch", "tap"])
@pytest.mark.parametrize(
    ("fault", "message"), [("text", "'north'"), ("lacking", "no column 'Source'")]
)
def test_wrong_columns_are_no_answer(
    observatory: Observatory, kind: str, fault: str, message: str, tmp_path: Path
) -> None:
    observatory.faults.append(fault)
    with pytest.raises(ServiceError, match=message):
        make(observatory, kind, tmp_path).ask(RA, DEC)
    assert not list(tmp_path.glob("*"))


def test_answer_cut_short_is_no_answer(observatory: Observatory, tmp_path: Path) -> None:
    observatory.faults.append("overflow")
    with pytest.raises(ServiceError, match="cut short"):
        make(observatory, "tap", tmp_path).ask(RA, DEC)


def test_refusal_is_not_repeated(observatory: Observatory, tmp_path: Path) -> None:
    observatory.faults.extend([400])
    with pytest.raises(ServiceError, match="400"):
        make(observatory, "tap", tmp_path).ask(RA, DEC)
    assert len(observatory.requests) == 1


def test_service_that_is_busy_is_given_its_time(observatory: Observatory, tmp_path: Path) -> None:
    observatory.faults.append(429)
    check(make(observatory, "tap", tmp_path).ask(RA, DEC))
    first, second = observatory.requests
    assert second - first >= 1.0


def test_requests_keep_their_distance(observatory: Observatory, tmp_path: Path) -> None:
    service = make(observatory, "tap", tmp_path, seconds_between_requests=0.2)
    for row in range(3):
        service.ask(RA[row : row + 1], DEC[row : row + 1])
    assert np.diff(observatory.requests).min() >= 0.19
