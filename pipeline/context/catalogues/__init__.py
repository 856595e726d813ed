"""External catalogues: their declarations, local copies and services."""
