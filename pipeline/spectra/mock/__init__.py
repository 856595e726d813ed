"""A mock of DESI DR1: a physical quasar population, observed and written in the DR1 layout."""
