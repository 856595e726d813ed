"""Every Parquet table of a release: where it lies below its folder, and which schema it keeps."""

from catalog_schema import tables
from catalog_schema.column import Table

QUASARS = "catalog/quasars.parquet"
ANOMALIES = "catalog/anomalies.parquet"
EVIDENCE = "catalog/evidence.parquet"
CHANGES = "catalog/changes.parquet"
CROSSMATCH = "catalog/crossmatch.parquet"
CATALOGUES = "catalog/catalogues.parquet"
REVIEWS = "catalog/reviews.parquet"
QUEUE = "catalog/queue.parquet"
SPECTRA = "spectra/spectra.parquet"
SIGNIFICANCE = "calibration/significance.parquet"
NULL = "calibration/null.parquet"
CONTROLS = "validation/controls.parquet"
INJECTIONS = "validation/injections.parquet"
PURITY = "validation/purity.parquet"
COMPLETENESS = "completeness/completeness.parquet"
GATES = "completeness/gates.parquet"
# How the anomalies are sorted, in SQL.
STRANGEST_FIRST = "joint_p_value, anomaly_score DESC, TARGETID"
FILES: dict[str, Table] = {
    QUASARS: tables.QUASARS,
    ANOMALIES: tables.QUASARS,
    EVIDENCE: tables.EVIDENCE,
    CHANGES: tables.CHANGES,
    CROSSMATCH: tables.MATCHES,
    CATALOGUES: tables.CATALOGUES,
    REVIEWS: tables.REVIEWS,
    QUEUE: tables.QUEUE,
    SPECTRA: tables.SPECTRA,
    SIGNIFICANCE: tables.GRADED,
    NULL: tables.NULL,
    CONTROLS: tables.CONTROLS,
    INJECTIONS: tables.INJECTIONS,
    PURITY: tables.PURITY,
    COMPLETENESS: tables.COMPLETENESS,
    GATES: tables.GATES,
}
