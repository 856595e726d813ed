"""The data path: its stages, what runs them, what became of every shard."""
