"""What programs ask, over HTTP from the real server."""

import io
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import requests
from astropy.io import votable
from astropy.table import Table
from portal_release import N_ROWS, row_id
from portal_server import serve

from portal.service.observe import name_route

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, release: Path) -> Iterator[str]:
    with serve(release) as address:
        yield address


def get(address: str, **params: object) -> requests.Response:
    return requests.get(address, params=params, timeout=30)


def test_health_counts_the_rows(address: str) -> None:
    assert get(f"{address}/healthz").json() == {
        "status": "ok",
        "release": "1.2.0",
        "quasars": N_ROWS,
    }


def test_object_carries_its_identifier_as_text(address: str) -> None:
    answer = get(f"{address}/api/object/{row_id(0)}").json()
    assert answer["object"]["TARGETID"] == str(row_id(0))
    assert {match["catalogue"] for match in answer["matches"]} == {"xray", "radio"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/object/1", 404),
        ("/api/object/x", 400),
        (f"/api/object/{'9' * 40}", 400),
        (f"/api/object/{row_id(0)}?release=../../etc", 404),
        ("/api/query", 400),
        ("/api/query?sql=DROP VIEW quasars", 400),
        ("/api/query?sql=SELECT 1&format=exe", 400),
        ("/api/query?sql=SELECT 1&release=1%0D%0AX: y", 404),
        ("/api/query?sql=%FF", 400),
    ],
)
def test_bad_requests_are_one_line_of_json(address: str, path: str, status: int) -> None:
    answer = get(address + path)
    assert answer.status_code == status
    assert "\n" not in answer.json()["error"]


def test_query_in_each_format(address: str) -> None:
    sql = "SELECT TARGETID, Z, tier FROM quasars ORDER BY anomaly_score DESC LIMIT 3"
    answers = {
        kind: get(f"{address}/api/query", sql=sql, format=kind)
        for kind in ("json", "csv", "parquet", "votable", "fits")
    }
    assert answers["csv"].headers["X-QAD-Cut"] == "false"
    ids = [
        [int(row["TARGETID"]) for row in answers["json"].json()],
        pd.read_csv(io.StringIO(answers["csv"].text))["TARGETID"].tolist(),
        pq.read_table(io.BytesIO(answers["parquet"].content))["TARGETID"].to_pylist(),
        votable.parse_single_table(io.BytesIO(answers["votable"].content))
        .array["TARGETID"]
        .tolist(),
        Table.read(io.BytesIO(answers["fits"].content), format="fits")["TARGETID"].tolist(),
    ]
    assert ids == 5 * [[row_id(0), row_id(1), row_id(2)]]


def test_cone_search_speaks_the_protocol(address: str) -> None:
    service = pytest.importorskip("pyvo").dal.SCSService(f"{address}/scs?")
    found = service.search(pos=(0.0, 10.0), radius=10 / 3600)
    assert sorted(found["TARGETID"].tolist()) == [row_id(0), row_id(1)]
    assert np.all(np.diff(found["separation"]) >= 0)
    nothing = get(f"{address}/scs", RA=0, DEC=10, SR=0)
    assert len(votable.parse_single_table(io.BytesIO(nothing.content)).array) == 0


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"RA": "x", "DEC": 0, "SR": 1},
        {"RA": 0, "DEC": 99, "SR": 1},
        {"RA": "nan", "DEC": 0, "SR": 1},
    ],
)
def test_cone_search_tells_its_faults(address: str, params: dict[str, object]) -> None:
    document = votable.parse(io.BytesIO(get(f"{address}/scs", **params).content))
    assert document.infos[0].name == "Error"
    assert "RA" in document.infos[0].value


def test_two_hundred_connections_are_answered(address: str) -> None:
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: get(f"{address}/healthz").status_code, range(200)))
    assert answers == [200] * 200


def test_other_methods_and_endless_requests_are_refused(address: str) -> None:
    for method in ("POST", "DELETE", "INVENTED"):
        assert requests.request(method, f"{address}/api/query", timeout=30).status_code == 405
    assert 'method="INVENTED"' not in get(f"{address}/metrics").text
    with suppress(requests.RequestException):
        assert get(f"{address}/healthz", padding="x" * 10**6).status_code == 400
    assert get(f"{address}/healthz").status_code == 200


def test_pages_load_nothing_from_elsewhere(address: str) -> None:
    for path in ("/", "/healthz", "/sql"):
        policy = get(f"{address}{path}").headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "img-src 'self' data: blob:;" in policy


def test_metrics_count_what_was_asked_without_telling_what(address: str) -> None:
    get(f"{address}/api/object/{row_id(7)}")
    text = get(f"{address}/metrics").text
    assert 'qad_request_seconds_count{method="GET",route="api/object",status="200"}' in text
    assert str(row_id(7)) not in text
    assert "python_info" in text


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "page"),
        ("/object", "page"),
        ("/api/object/39627", "api/object"),
        ("/_stcore/stream", "_stcore"),
        ("/scs", "scs"),
        ("/scsx", "page"),
    ],
)
def test_routes_hide_their_values(path: str, route: str) -> None:
    assert name_route(path) == route


def test_release_replaced_or_gone_while_serving(own_release: Path) -> None:
    sql = "SELECT count(*) AS n FROM quasars"
    with serve(own_release) as address:
        assert get(f"{address}/healthz").json()["quasars"] == N_ROWS
        path = own_release / "catalog/quasars.parquet"
        replaced = path.with_suffix(".new")
        pq.write_table(pq.read_table(path).slice(0, 10), replaced)
        replaced.replace(path)
        manifest = own_release / "manifest.json"
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "title": "Second"}))
        os.utime(manifest, ns=(time.time_ns(), time.time_ns()))
        assert get(f"{address}/healthz").json()["quasars"] == 10
        assert get(f"{address}/api/query", sql=sql).json() == [{"n": 10}]
        path.unlink()
        answer = get(f"{address}/api/query", sql=sql)
        assert (answer.status_code, "\n" in answer.json()["error"]) == (400, False)
        manifest.unlink()
        answer = get(f"{address}/healthz")
        assert (answer.status_code, "manifest.json" in answer.json()["error"]) == (503, True)
