"""What the tests of the ledger book."""

from catalog_schema.vocabulary import ShardState
from pipeline.lake.layout import Shard
from pipeline.ledger.books import Outcome

SHARDS = [Shard("main", "dark", n) for n in range(4)]
DONE = Outcome(
    SHARDS[0],
    "extract",
    ShardState.DONE,
    10,
    7,
    {"dead": 2, "not_in_coadd": 1},
    notes=("one", "two"),
    seconds=1.5,
    n_bytes=99,
    requests={"get": 3, "slow_down": 1},
)
