"""Where the Parquet tables of a release lie below its folder."""

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
STRANGEST_FIRST = "finding_p_value, anomaly_score DESC, TARGETID"
# File: its table. The anomalies have the columns of the list, which `name_list` names.
TABLES: dict[str, str] = {
    EVIDENCE: "evidence",
    CHANGES: "changes",
    CROSSMATCH: "matches",
    CATALOGUES: "catalogues",
    REVIEWS: "reviews",
    QUEUE: "queue",
    SPECTRA: "spectra",
    SIGNIFICANCE: "graded",
    NULL: "null",
    CONTROLS: "controls",
    INJECTIONS: "injections",
    PURITY: "purity",
    COMPLETENESS: "completeness",
    GATES: "gates",
}


def name_list(name: str) -> str:
    """Return the file of the main table."""
    return f"catalog/{name}.parquet"
