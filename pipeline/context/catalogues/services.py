"""Asking a catalogue's service in bulk (CDS XMatch or TAP): cached, retried, rate-limited."""

import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tenacity import retry_if_exception

from pipeline.context.catalogues.reader import votable_to_arrow
from pipeline.context.catalogues.rows import (
    find_errors,
    list_columns,
    normalise_positions,
    write_attributes,
)
from pipeline.errors import QadError
from pipeline.lake.files import opening, replacing
from pipeline.lake.seals import READ_FAULTS, read_sealed, write_sealed
from pipeline.lake.store import digest
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings
from pipeline.transport.retry import RetryPolicy, read_retry_after

_ROW = "qad_row"
_DATE = b"qad.query_date"
_TRANSIENT = (408, 429, 500, 502, 503, 504)
# Stars that move faster are few; a larger margin only fetches more to throw away.
_FASTEST_MOTION = 2.0
_LONGEST_TEXT = 300
_LONGEST_PAUSE_S = 600.0


class ServiceError(QadError):
    """A service did not answer, or not with what was asked for."""


@dataclass(frozen=True)
class Answer:
    """Sources near positions: `position` (n,), `sources` as in an index, and the day."""

    position: NDArray[np.int64]
    sources: pa.Table
    query_date: str


class Service:
    """A catalogue's service.

    Parameters
    ----------
    catalogue : CatalogueSettings
    settings : CrossmatchSettings
    cache : Path
        Folder of the answers: an answer is asked for once, by the content of the question.
    """

    def __init__(
        self, catalogue: CatalogueSettings, settings: CrossmatchSettings, cache: Path
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._cache = cache
        self._last_request = -np.inf
        years = 0.0
        if catalogue.pm_ra and catalogue.epoch is not None:
            years = abs(settings.epoch - catalogue.epoch)
        # The service compares positions at its own epoch.
        self._radius = min(catalogue.radius + _FASTEST_MOTION * years, 180.0)

    def ask(self, ra: NDArray, dec: NDArray) -> Answer:
        """Return the sources around positions (ICRS, degrees), in one request.

        They may lie a little farther than the radius: the epochs differ.

        Raises
        ------
        ServiceError
            If the service fails, or its answer is no table of the expected columns.
        """
        c = self._catalogue
        question = (
            c.service,
            c.url,
            c.table,
            list_columns(c),
            self._radius,
            ra.tolist(),
            dec.tolist(),
        )
        kept = self._cache / f"{digest(*question)}.parquet"
        if (known := _read_kept(kept)) is not None:
            return self._read(known)
        answer = self._try(lambda: self._request(ra, dec))
        date = datetime.now(UTC).date().isoformat().encode()
        answer = answer.replace_schema_metadata({_DATE: date})
        read = self._read(answer)
        with replacing(kept) as partial:
            write_sealed(answer, partial, {})
        return read

    def _try(self, request: Callable[[], pa.Table]) -> pa.Table:
        policy = RetryPolicy(
            self._settings.max_attempts, self._settings.backoff_s, _LONGEST_PAUSE_S
        )
        retrying = policy.retrying(find_wish=_find_wish, retry=retry_if_exception(_is_transient))
        try:
            table: pa.Table = retrying(self._take_turn, request)
        # The clients, their HTTP libraries and their XML parsers each raise errors of their own;
        # whatever it is, the service has not answered.
        except Exception as error:
            raise ServiceError(_describe(error)) from None
        return table

    def _take_turn(self, request: Callable[[], pa.Table]) -> pa.Table:
        ready = self._last_request + self._settings.seconds_between_requests
        time.sleep(max(ready - time.monotonic(), 0))
        try:
            return request()
        finally:
            # From its end: the first one also imports the client before it asks.
            self._last_request = time.monotonic()

    def _request(self, ra: NDArray, dec: NDArray) -> pa.Table:
        from astropy.table import Table

        objects = Table({_ROW: np.arange(len(ra)), "qad_ra": ra, "qad_dec": dec})
        with warnings.catch_warnings():
            # Deviations from the VOTable standard that astropy can read are no fault.
            warnings.simplefilter("ignore")
            ask = _ask_xmatch if self._catalogue.service == "xmatch" else _ask_tap
            table = ask(self._catalogue, objects, self._radius, self._settings.timeout_s)
        columns = [_ROW, *list_columns(self._catalogue)]
        return votable_to_arrow(table, columns, self._catalogue.table)

    def _read(self, answer: pa.Table) -> Answer:
        c = self._catalogue
        try:
            position = answer[_ROW].cast(pa.int64()).to_numpy()
            ra, dec, is_good, _ = normalise_positions(c.table, answer, c, self._settings.epoch)
            error = find_errors(c.table, answer, c)
        except (QadError, pa.ArrowInvalid) as fault:
            raise ServiceError(_describe(fault)) from None
        sources = pa.table(
            {
                "ra": ra,
                "dec": dec,
                "error": error,
                "match_id": answer[c.id].cast(pa.string()),
                "attributes": pa.array(write_attributes(answer, c.keep), pa.string()),
            }
        )
        date = (answer.schema.metadata or {})[_DATE].decode()
        return Answer(position[is_good], sources.filter(pa.array(is_good)), date)


def _read_kept(path: Path) -> pa.Table | None:
    """Return an answer given before; a damaged one is asked for again."""
    try:
        with opening(path) as file:
            return read_sealed(file)
    except READ_FAULTS:
        return None


def _ask_xmatch(c: CatalogueSettings, objects: Any, radius: float, timeout_s: float) -> Any:
    from astropy import units
    from astroquery.xmatch import XMatchClass

    client = XMatchClass()
    client.TIMEOUT = timeout_s
    # The client would fetch the names of all tables before each question.
    client.is_table_available = lambda name: isinstance(name, str)
    if c.url:
        client.URL = c.url
    return client.query(
        objects, c.table, radius * units.arcsec, colRA1="qad_ra", colDec1="qad_dec", cache=False
    )


def _ask_tap(c: CatalogueSettings, objects: Any, radius: float, timeout_s: float) -> Any:
    from pyvo.dal import TAPService

    columns = ", ".join(f't."{name}"' for name in list_columns(c))
    query = (
        f"SELECT o.{_ROW}, {columns} FROM {c.table} AS t JOIN TAP_UPLOAD.objects AS o ON 1 = "
        f'CONTAINS(POINT(\'ICRS\', t."{c.ra}", t."{c.dec}"), '
        f"CIRCLE('ICRS', o.qad_ra, o.qad_dec, {radius / 3600:.10f}))"
    )
    service = TAPService(c.url, session=_make_session(timeout_s))
    result = service.run_sync(query, uploads={"objects": objects}, maxrec=100 * len(objects) + 1000)
    if result.query_status == "OVERFLOW":
        raise ServiceError("the answer was cut short (OVERFLOW); lower crossmatch.batch_rows")
    return result.to_table()


def _make_session(timeout_s: float) -> Any:
    import requests

    class Session(requests.Session):
        def request(self, *args: Any, **kwargs: Any) -> requests.Response:
            response = super().request(*args, **{"timeout": timeout_s, **kwargs})
            response.raise_for_status()
            return response

    return Session()


def _is_transient(error: BaseException) -> bool:
    """Say whether asking again may help: yes, unless the service refused the question itself."""
    status = _find_status(error)
    return not isinstance(error, QadError) and (status is None or status in _TRANSIENT)


def _find_response(error: BaseException | None) -> Any:
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response
        error = error.__cause__ or error.__context__
    return None


def _find_status(error: BaseException) -> int | None:
    response = _find_response(error)
    return None if response is None else int(response.status_code)


def _find_wish(error: BaseException) -> float:
    """Return the seconds that the service asks to wait."""
    response = _find_response(error)
    return 0.0 if response is None else read_retry_after(response.headers.get("Retry-After"))


def _describe(error: BaseException) -> str:
    response = _find_response(error)
    if response is None:
        text = str(error) or type(error).__name__
    else:
        text = f"HTTP {response.status_code}: {re.sub('<[^>]*>', ' ', response.text)}"
    return " ".join(text.split())[:_LONGEST_TEXT]
