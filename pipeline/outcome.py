"""What one stage did with one shard."""

from dataclasses import dataclass, field

from catalog_schema.vocabulary import ShardState
from pipeline.layout import Shard

_SETTLED = (ShardState.DONE, ShardState.FAILED)


@dataclass(frozen=True)
class Outcome:
    """What one stage did with one shard.

    The conservation law is ``n_expected = n_made + sum(dropped)`` for a done shard. `requests`
    counts requests to a remote source by how they ended (ok, retried, 503 …); `worker` is
    host:pid of the process that did it, and `attempts` how often work on it began.
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
    worker: str = field(default="", compare=False)
    attempts: int = field(default=0, compare=False)

    @property
    def imbalance(self) -> int:
        """Rows that nobody can account for."""
        return self.n_expected - self.n_made - sum(self.dropped.values())

    @property
    def is_settled(self) -> bool:
        """Whether the stage has ended for the shard, well or not."""
        return self.state in _SETTLED
