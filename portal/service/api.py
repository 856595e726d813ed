"""What programs ask of the portal: health, one object, SQL, cone search, metrics."""

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial, wraps
from pathlib import Path

import pyarrow as pa
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from portal.data import catalogue, conditions, crossmatch, objects
from portal.data.database import connect_once, stamp
from portal.data.releases import AbsentError, Release, ReleaseError, open_release
from portal.data.search import Cone, SearchError, parse_targetid
from portal.data.texts import clean
from portal.data.versions import chosen_release, open_sibling
from portal.export import formats, votable
from portal.service import pool, visitor_sql
from portal.service.answers import FileAnswer, attend
from portal.service.clients import admit
from portal.service.pool import LIMITS, BusyError, LeftError, TaskError

MAX_CONE_ROWS = 10_000
MAX_CONE_DEGREES = 10.0
# Cells of a cone that are written faster than a process takes them over.
_FEW_CELLS = 30_000
_RETRY = {"Retry-After": "5"}
# What nobody reads any more; nginx's number for it.
_LEFT = 499


class ApiError(Exception):
    """A request that cannot be answered: HTTP status and one line."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Question = Callable[[Request], Awaitable[Response]]
# Beside all other threads: to be told that the server lives must not wait for anything.
_health = ThreadPoolExecutor(1, thread_name_prefix="portal-health")


def _answers(question: Question) -> Question:
    """Turn what is wrong into one line of JSON."""

    @wraps(question)
    async def answer(request: Request) -> Response:
        try:
            return await question(request)
        except (ApiError, TaskError, SearchError, ReleaseError) as fault:
            status = _choose_status(fault)
            headers = _RETRY if isinstance(fault, BusyError) else {}
            return JSONResponse({"error": clean(str(fault))}, status, headers)

    return answer


def _choose_status(fault: Exception) -> int:
    if isinstance(fault, ApiError):
        return fault.status
    if isinstance(fault, BusyError | ReleaseError):
        return 503
    return _LEFT if isinstance(fault, LeftError) else 400


@_answers
async def healthz(_: Request) -> Response:
    """Say whether the chosen release can be read."""
    root = chosen_release()
    seal = stamp(root)
    release, n_rows = _known.get((root, seal)) or await _ask_health(root, seal)
    told = {"status": "ok", "release": release.version, release.list_name: n_rows}
    return JSONResponse(told)


_known: dict[tuple[Path, int], tuple[Release, int]] = {}


async def _ask_health(root: Path, seal: int) -> tuple[Release, int]:
    """Count the rows of a release that is new here, and recall them."""
    found = await asyncio.get_running_loop().run_in_executor(_health, _count, root)
    _known.clear()
    _known[root, seal] = found
    return found


def _count(root: Path) -> tuple[Release, int]:
    return open_release(root), catalogue.count_rows(connect_once(root), conditions.Filters())


@_answers
async def get_object(request: Request) -> Response:
    """Return an object's catalogue row and counterparts."""
    return await run_in_threadpool(_get_object, request)


@_answers
async def query(request: Request) -> Response:
    """Run one SELECT, parameter ``sql``, and return it as ``format``, a key of `formats.BY_KEY`.

    The header ``X-QAD-Cut`` says whether the limits cut the rows.
    """
    kind = formats.BY_KEY.get(request.query_params.get("format", "json").lower())
    if kind is None:
        raise ApiError(400, f"format is one of {', '.join(formats.BY_KEY)}.")
    statement = request.query_params.get("sql", "")
    held = admit(request)
    work = partial(_run, request, statement, kind, held)
    try:
        release, answer = await attend(request, work)
    except BaseException:
        held.close()
        raise
    name = {"Content-Disposition": f"attachment; filename=desi-qad-query.{kind.suffix}"}
    headers = {"X-QAD-Release": release.version, **({} if kind is formats.JSON else name)}
    headers["X-QAD-Cut"] = str(answer.header["is_cut"]).lower()
    return FileAnswer(answer, held, kind.media, headers)


async def search_cone(request: Request) -> Response:
    """Answer an IVOA Simple Cone Search: RA, DEC, SR in degrees; faults as VOTable, as it asks."""
    held, status = ExitStack(), 200
    try:
        held = admit(request)
        content = await attend(request, partial(_search_cone, request))
    except (ApiError, SearchError, ReleaseError, TaskError) as fault:
        content = votable.write_fault(str(fault))
        status = 503 if isinstance(fault, BusyError) else 200
    finally:
        held.close()
    return Response(content, status, _RETRY if status != 200 else {}, formats.CONE.media)


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


def _get_object(request: Request) -> Response:
    release = _choose(request)
    con = connect_once(release.root)
    target = parse_targetid(request.path_params["targetid"])
    row = objects.find_object_rows(con, target.targetid)
    if not row.num_rows:
        raise ApiError(404, f"TARGETID {target.targetid} is not in release {release.version}.")
    try:
        matches = crossmatch.find_matches(con, target.targetid)
    except AbsentError:
        matches = pa.table({})
    content = b'{"release": %b, "object": %b, "matches": %b}' % (
        json.dumps(release.version).encode(),
        formats.write(row, formats.JSON)[1:-1],
        formats.write(matches, formats.JSON),
    )
    return Response(content, media_type=formats.JSON.media)


def _run(
    request: Request, statement: str, kind: formats.Format, held: ExitStack, left: threading.Event
) -> tuple[Release, pool.Answer]:
    """Run a statement to its end; the file of its answer is closed by what holds the request."""
    release = _choose(request)
    with ExitStack() as mine:
        running = mine.enter_context(visitor_sql.start(release, statement, LIMITS, kind.key, left))
        answer = running.wait_for(left)
        # The process has ended: its place is free while a slow client reads.
        kept = answer._replace(file=os.fdopen(os.dup(answer.file.fileno()), "rb"))
    held.callback(kept.file.close)
    return release, kept


def _search_cone(request: Request, left: threading.Event) -> bytes:
    release = _choose(request)
    given = {name.upper(): text for name, text in request.query_params.items()}
    try:
        ra, dec, degrees = (float(given[name]) for name in ("RA", "DEC", "SR"))
    except (KeyError, ValueError):
        raise ApiError(400, "RA, DEC and SR must be given, decimal degrees.") from None
    if not (0 <= ra <= 360 and -90 <= dec <= 90 and 0 <= degrees <= MAX_CONE_DEGREES):
        raise ApiError(400, f"RA is 0 to 360, DEC -90 to 90, SR 0 to {MAX_CONE_DEGREES:g} degrees.")
    con = connect_once(release.root)
    rows = catalogue.find_cone(con, Cone(ra, dec, 3600 * degrees), MAX_CONE_ROWS)
    if rows.num_rows * rows.num_columns <= _FEW_CELLS:
        return formats.write(rows, formats.CONE)
    with pool.start(lambda: {"format": formats.CONE.key}, LIMITS, rows, left) as running:
        return running.wait_for(left).read()
