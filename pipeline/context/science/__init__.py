"""Pure geometry of the cross-match."""
