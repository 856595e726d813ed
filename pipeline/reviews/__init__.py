"""Visual inspection: the append-only ledger of reviews and what follows from it."""
