"""Sends requests to a remote source: few at a time, retried, limited in rate, counted, timed."""

import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tenacity import RetryCallState, retry_if_exception

from pipeline.errors import DataError, MissingFileError
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.ranges import Link
from pipeline.transport.retry import RetryPolicy, read_retry_after

T = TypeVar("T")
A = TypeVar("A")
_LONGEST_PAUSE_S = 20.0
# What a fault of the file itself means; a retry cannot mend it.
_FINAL = {
    "not_found": "no such file (404); fetch it or leave its shard out",
    "forbidden": "access denied (403); is the source public?",
    "bad_range": "shorter than its headers say (416); fetch it again",
    "changed": "changed while it was being read; run again",
    "no_ranges": "the server ignores byte ranges; choose another source",
    "refused": "the server refuses the request",
}
_KINDS = {
    403: "forbidden",
    404: "not_found",
    412: "changed",
    416: "bad_range",
    429: "slow_down",
    503: "slow_down",
}


class RequestError(Exception):
    """One request's failure, by kind; `pause` is how long the server asks to wait."""

    def __init__(self, kind: str, detail: str = "", pause: float = 0.0) -> None:
        super().__init__(detail or kind)
        self.kind = kind
        self.pause = pause

    @classmethod
    def of_status(cls, status: int, pause: str | None = None) -> "RequestError":
        """Classify an HTTP status that is no success."""
        kind = _KINDS.get(status) or ("server_error" if status >= 500 else "refused")
        return cls(kind, f"status {status}", read_retry_after(pause))


class Counts:
    """Requests by kind (``get``, ``head``, ``list`` and faults) and bytes; safe among threads."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.n_bytes = 0
        self._lock = threading.Lock()

    def add(self, kind: str | None, n_bytes: int = 0, n_events: int = 1) -> None:
        """Count events, bytes, or both."""
        with self._lock:
            if kind:
                self.requests[kind] += n_events
            self.n_bytes += n_bytes


class LinkMeter:
    """Measures a link as it is used: running means that start at a typical cloud link."""

    _WEIGHT = 0.1
    _SMALL, _LARGE = 2**16, 2**22

    def __init__(self, concurrency: int) -> None:
        self.link = Link(0.03, 2e8, concurrency, 1e-3)
        self._lock = threading.Lock()

    def observe_request(self, latency: float, n_bytes: int, cpu: float) -> None:
        """Take in one request's seconds to the first byte and, if it is small, its work."""
        with self._lock:
            old = self.link
            work = self._mean(old.cpu, cpu) if n_bytes < self._SMALL else old.cpu
            mean = self._mean(old.latency, latency)
            self.link = Link(mean, old.bandwidth, old.concurrency, work)

    def observe_batch(self, n_bytes: int, n_requests: int, seconds: float) -> None:
        """Take in the rate of a batch of requests, if bandwidth and not latency decided it."""
        with self._lock:
            old = self.link
            rate = n_bytes / max(seconds, 1e-9)
            waiting = n_requests * old.latency / old.concurrency
            if n_bytes >= self._LARGE and (rate > old.bandwidth or seconds > 2 * waiting):
                mean = self._mean(old.bandwidth, rate)
                self.link = Link(old.latency, mean, old.concurrency, old.cpu)

    def _mean(self, old: float, new: float) -> float:
        return old + self._WEIGHT * (new - old)


class RateLimit:
    """Spaces requests in time; every thread waits when the server asks for it."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Sleep until this request may be sent."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._interval
        time.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Hold every later request back."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class Transfer:
    """Requests of one source; sessions share its threads, limits and measurements."""

    def __init__(self, settings: AcquireSettings) -> None:
        self.meter = LinkMeter(settings.concurrency)
        self.counts = Counts()
        self._settings = settings
        self._limit = RateLimit(settings.max_requests_per_second)
        policy = RetryPolicy(settings.max_attempts, settings.backoff_s, _LONGEST_PAUSE_S)
        self._retrying = policy.retrying(
            find_wish=_find_wish,
            retry=retry_if_exception(_may_pass),
            before_sleep=self._hold_back,
        )
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="fetch")

    def session(self) -> "Transfer":
        """Return the same transfer with counts of its own."""
        other = copy.copy(self)
        other.counts = Counts()
        return other

    def map(self, send: Callable[[A], T], items: Sequence[A]) -> list[T]:
        """Send for every item, some at a time; the first final failure ends the rest."""
        return list(self._pool.map(send, items)) if len(items) > 1 else [send(i) for i in items]

    def call(self, name: str, kind: str, send: Callable[[], T]) -> T:
        """Send one request, and again after faults that pass.

        Parameters
        ----------
        name : str
            Of the file, for messages.
        kind : str
            Under which each attempt is counted.
        send : callable
            Raises `RequestError`.

        Raises
        ------
        DataError
            If the fault is final or the attempts are used up; `MissingFileError` for a 404.
        """
        try:
            return self._retrying(self._send, kind, send)
        except RequestError as fault:
            if fault.kind in _FINAL:
                error = MissingFileError if fault.kind == "not_found" else DataError
                raise error(f"{name}: {_FINAL[fault.kind]}") from fault
            raise DataError(
                f"{name}: no answer after {self._settings.max_attempts} attempts, the last fault: "
                f"{fault.kind}; run again later"
            ) from fault

    def _send(self, kind: str, send: Callable[[], T]) -> T:
        self._limit.wait()
        self.counts.add(kind)
        try:
            return send()
        except RequestError as fault:
            self.counts.add(fault.kind)
            raise

    def _hold_back(self, state: RetryCallState) -> None:
        """Let every thread wait as long as the one that was told to slow down."""
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, RequestError) and fault.kind == "slow_down":
            self._limit.pause(state.upcoming_sleep)


def _may_pass(fault: BaseException) -> bool:
    return isinstance(fault, RequestError) and fault.kind not in _FINAL


def _find_wish(fault: BaseException) -> float:
    return fault.pause if isinstance(fault, RequestError) else 0.0
