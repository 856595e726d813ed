"""What one stage did with one shard."""

from dataclasses import dataclass, field

from catalog_schema.vocabulary import ShardState
from pipeline.lake.layout import Shard

# Under which requests are counted; every other name in `requests` is that of a fault.
REQUEST_KINDS = ("get", "head", "list", "read")
_SETTLED = (ShardState.DONE, ShardState.FAILED)


@dataclass(frozen=True)
class Outcome:
    """What one stage did with one shard.

    The conservation law is ``n_expected = n_made + sum(dropped)`` for a done shard. `requests`
    counts requests to a remote source by kind (get, head, list) and by fault; `worker` is
    host:pid of the process that did it, and `attempts` how often work on it began. `content` is
    the digest of the rows that it made.
    """

    shard: Shard
    stage: str
    state: ShardState
    n_expected: int
    n_made: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str | None = None
    seconds: float = 0.0
    n_bytes: int = 0
    skipped: bool = False
    requests: dict[str, int] = field(default_factory=dict)
    content: str = field(default="", compare=False)
    worker: str = field(default="", compare=False)
    attempts: int = field(default=0, compare=False)

    @property
    def n_requests(self) -> int:
        """Requests that were sent, those that failed included."""
        return sum(count for kind, count in self.requests.items() if kind in REQUEST_KINDS)

    @property
    def n_request_faults(self) -> int:
        """Requests that failed, mended by a later one or not."""
        return sum(self.requests.values()) - self.n_requests

    @property
    def imbalance(self) -> int:
        """Rows that nobody can account for."""
        return self.n_expected - self.n_made - sum(self.dropped.values())

    @property
    def is_settled(self) -> bool:
        """Whether the stage has ended for the shard, well or not."""
        return self.state in _SETTLED
