"""Every Parquet table of a release: where it lies and the schema that it keeps."""

from catalog_schema.column import Table
from catalog_schema.tables import (
    CATALOGUES,
    COMPLETENESS,
    CONTROLS,
    EVIDENCE,
    GATES,
    INJECTIONS,
    MATCHES,
    NULL,
    PURITY,
    QUASARS,
    QUEUE,
    REVIEWS,
    SPECTRA,
    TIERS,
)

PUBLISHED: dict[str, Table] = {
    "catalog/quasars.parquet": QUASARS,
    "catalog/anomalies.parquet": QUASARS,
    "catalog/evidence.parquet": EVIDENCE,
    "catalog/crossmatch.parquet": MATCHES,
    "catalog/catalogues.parquet": CATALOGUES,
    "catalog/reviews.parquet": REVIEWS,
    "catalog/queue.parquet": QUEUE,
    "spectra/spectra.parquet": SPECTRA,
    "calibration/significance.parquet": TIERS,
    "calibration/null.parquet": NULL,
    "validation/controls.parquet": CONTROLS,
    "validation/injections.parquet": INJECTIONS,
    "validation/purity.parquet": PURITY,
    "completeness/completeness.parquet": COMPLETENESS,
    "completeness/gates.parquet": GATES,
}
