"""One file per change of the ledger's tables, in order of their numbers."""
