"""The ledger: where every row of every shard went, in a database."""
