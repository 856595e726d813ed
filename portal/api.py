"""What programs ask of the portal: health, one object, SQL, cone search, metrics."""

import io
import json
import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pyarrow as pa
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from portal import formats, queries
from portal.database import connect_once
from portal.formats import Format
from portal.releases import Release, ReleaseError, chosen_release, open_release, open_sibling
from portal.search import Cone, SearchError, parse_targetid
from portal.sql import SqlError, ask_sql

MAX_CONE_ROWS = 10_000
MAX_CONE_DEGREES = 10.0
_FORMATS = {kind.title.lower(): kind for kind in formats.FORMATS}
# Simple Cone Search 1.03 asks for the UCDs of its time.
_CONE_UCDS = {"TARGETID": "ID_MAIN", "TARGET_RA": "POS_EQ_RA_MAIN", "TARGET_DEC": "POS_EQ_DEC_MAIN"}
_VOTABLE = "text/xml;content=x-votable"


class ApiError(Exception):
    """A request that cannot be answered: HTTP status and one line."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Answer = Callable[[Request], Response]


def _answers(question: Answer) -> Callable[[Request], Any]:
    """Run a question in a thread; what is wrong becomes one line of JSON."""

    @wraps(question)
    async def answer(request: Request) -> Response:
        try:
            return await run_in_threadpool(question, request)
        except ApiError as fault:
            return JSONResponse({"error": str(fault)}, fault.status)
        except (SqlError, SearchError) as fault:
            return JSONResponse({"error": str(fault)}, 400)
        except ReleaseError as fault:
            return JSONResponse({"error": str(fault)}, 503)

    return answer


@_answers
def healthz(_: Request) -> Response:
    """Say whether the chosen release can be read."""
    release = open_release(chosen_release())
    n_rows = queries.count_rows(connect_once(release.root), queries.Filters())
    return JSONResponse({"status": "ok", "release": release.version, "quasars": n_rows})


@_answers
def get_object(request: Request) -> Response:
    """Return an object's catalogue row and counterparts."""
    release = _choose(request)
    con = connect_once(release.root)
    target = parse_targetid(request.path_params["targetid"])
    row = queries.find_object(con, target.targetid)
    if row is None:
        raise ApiError(404, f"TARGETID {target.targetid} is not in release {release.version}.")
    matches = queries.find_matches(con, target.targetid)
    answer = {
        "release": release.version,
        "object": {name: _as_json(value) for name, value in row.items()},
        "matches": json.loads(matches.to_json(orient="records")),
    }
    return JSONResponse(answer)


@_answers
def query(request: Request) -> Response:
    """Run one SELECT, parameter ``sql``, and return it as ``format``: json, csv, parquet, votable.

    The header ``X-QAD-Cut`` says whether the limits cut the rows.
    """
    release = _choose(request)
    wanted = request.query_params.get("format", "json").lower()
    if wanted != "json" and wanted not in _FORMATS:
        raise ApiError(400, f"format is one of json, {', '.join(_FORMATS)}.")
    outcome = ask_sql(release, request.query_params.get("sql", ""))
    headers = {"X-QAD-Release": release.version, "X-QAD-Cut": str(outcome.is_cut).lower()}
    if wanted == "json":
        rows = formats.make_frame(outcome.rows).to_json(orient="records", date_format="iso")
        return Response(rows, media_type="application/json", headers=headers)
    return _send(outcome.rows, _FORMATS[wanted], headers)


async def search_cone(request: Request) -> Response:
    """Answer an IVOA Simple Cone Search: RA, DEC, SR in degrees; faults as VOTable, as it asks."""
    try:
        content = await run_in_threadpool(_search_cone, request)
    except (ApiError, SearchError, ReleaseError) as fault:
        content = _write_cone_fault(str(fault))
    return Response(content, media_type=_VOTABLE)


def metrics(_: Request) -> Response:
    """Return the measurements in Prometheus' text format."""
    return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)


ROUTES = [
    Route("/healthz", healthz),
    Route("/api/object/{targetid}", get_object),
    Route("/api/query", query),
    Route("/scs", search_cone),
    Route("/metrics", metrics),
]


def _choose(request: Request) -> Release:
    start = chosen_release()
    version = request.query_params.get("release")
    root: Path | None = start if version is None else open_sibling(start, version)
    if root is None:
        raise ApiError(404, f"release {version} is not published here.")
    return open_release(root)


def _search_cone(request: Request) -> bytes:
    release = _choose(request)
    given = {name.upper(): text for name, text in request.query_params.items()}
    try:
        ra, dec, degrees = (float(given[name]) for name in ("RA", "DEC", "SR"))
    except (KeyError, ValueError):
        raise ApiError(400, "RA, DEC and SR must be given, decimal degrees.") from None
    if not (0 <= ra <= 360 and -90 <= dec <= 90 and 0 <= degrees <= MAX_CONE_DEGREES):
        raise ApiError(400, f"RA is 0 to 360, DEC -90 to 90, SR 0 to {MAX_CONE_DEGREES:g} degrees.")
    con = connect_once(release.root)
    rows = queries.find_cone(con, Cone(ra, dec, 3600 * degrees), MAX_CONE_ROWS)
    return _write_cone(rows)


def _write_cone(rows: pa.Table) -> bytes:
    from astropy.io.votable import tree, writeto

    document = formats.make_votable(rows)
    for field in document.get_first_table().fields:
        field.ucd = _CONE_UCDS.get(field.name, field.ucd)
    if rows.num_rows == MAX_CONE_ROWS:
        document.resources[0].infos.append(tree.Info(name="QUERY_STATUS", value="OVERFLOW"))
    target = io.BytesIO()
    writeto(document, target)
    return target.getvalue()


def _write_cone_fault(reason: str) -> bytes:
    from astropy.io.votable import tree

    document = tree.VOTableFile()
    document.resources.append(tree.Resource())
    document.infos.append(tree.Info(ID="Error", name="Error", value=reason))
    target = io.BytesIO()
    document.to_xml(target)
    return target.getvalue()


def _send(rows: pa.Table, kind: Format, headers: dict[str, str]) -> Response:
    name = {"Content-Disposition": f"attachment; filename=desi-qad-query.{kind.suffix}"}
    return Response(formats.write(rows, kind), media_type=kind.media, headers=headers | name)


def _as_json(value: object) -> object:
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
