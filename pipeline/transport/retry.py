"""How often a passing fault is met with another attempt, and how long to wait before it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)


@dataclass(frozen=True)
class RetryPolicy:
    """Attempts at something that another machine may refuse for the moment.

    Attributes
    ----------
    max_attempts : int
        The first included.
    backoff_s : float
        Longest pause before the second attempt, in seconds; each next one may be twice as long.
        Pauses are drawn at random, so that many clients do not come back at once.
    longest_s : float
        No pause is longer.
    """

    max_attempts: int
    backoff_s: float
    longest_s: float

    def retrying(
        self,
        *faults: type[BaseException],
        find_wish: Callable[[BaseException], float] = lambda fault: 0.0,
        **options: Any,
    ) -> Retrying:
        """Return what calls a function until it raises none of these faults.

        Parameters
        ----------
        *faults : type
            Those that may pass. Any other is raised at once, and so is the last of them when the
            attempts are used up.
        find_wish : callable
            Returns the seconds for which a fault asks to be left alone; at least so long is
            waited, `longest_s` at most.
        **options
            Of `tenacity.Retrying`, e.g. ``before_sleep`` to count the faults.
        """
        draw = wait_random_exponential(multiplier=self.backoff_s, max=self.longest_s)

        def wait(state: RetryCallState) -> float:
            fault = state.outcome.exception() if state.outcome else None
            wish = find_wish(fault) if fault else 0.0
            return max(draw(state), min(wish, self.longest_s))

        settings: dict[str, Any] = {
            "stop": stop_after_attempt(self.max_attempts),
            "wait": wait,
            "retry": retry_if_exception_type(faults),
            "reraise": True,
        }
        return Retrying(**settings | options)


def read_retry_after(header: str | None) -> float:
    """Return the seconds that a Retry-After header asks for, given as a number or as a date.

    A header that is none, absent or damaged, asks for nothing.
    """
    # The portal, which waits for databases alone, has no urllib3.
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return Retry().parse_retry_after(header) if header else 0.0
    except InvalidHeader:
        return 0.0
