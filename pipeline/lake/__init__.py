"""Files of a data root: datasets, models, and where they lie."""
