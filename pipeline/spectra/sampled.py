"""Grid and arms of spectra in a table: they travel in its schema, from `coadds` on."""

import pyarrow as pa

from catalog_schema.grids import Sampling, read_sampling, write_sampling
from pipeline.errors import DataError


def attach_sampling(spectra: pa.Table, sampling: Sampling) -> pa.Table:
    """Return a table of spectra that says how they are sampled."""
    metadata = (spectra.schema.metadata or {}) | write_sampling(sampling)
    return spectra.replace_schema_metadata(metadata)


def get_sampling(spectra: pa.Table) -> Sampling:
    """Return how the spectra of a table are sampled.

    Raises
    ------
    DataError
        If the table does not say.
    """
    sampling = read_sampling(spectra.schema.metadata)
    if sampling is None:
        raise DataError("spectra without their grid: made by an older version; run again")
    return sampling
