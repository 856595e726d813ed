"""Every table of the data path, declared once; the order below is the direction of travel."""

import pyarrow as pa

from catalog_schema import derived as d
from catalog_schema import desi
from catalog_schema.column import Column, Table
from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import FILTER_WIDTHS, STATISTICS
from catalog_schema.vocabulary import AnomalyClass

SCHEMA_VERSION = "1.4.0"

# None: the size is a setting of the run (window length, latent dimension, number of seeds).
DIMENSIONS: dict[str, int | None] = {
    "wave": desi.WAVE_SIZE, "window": None, "latent": None, "seed_statistic": None,
    "statistic": len(STATISTICS), "filter": len(FILTER_WIDTHS),
    "measurement": len(MEASUREMENTS), "anomaly_class": len(AnomalyClass),
    "feature": len(STATISTICS) + len(MEASUREMENTS),
}

# What a spectrum is; where it lies, which follows from that; and both, with which rows are joined.
KEY = ("SURVEY", "PROGRAM", "TARGETID")
SHARD_KEY = ("SURVEY", "PROGRAM", "HEALPIX")
ROW_KEY = (*SHARD_KEY, "TARGETID")
_SHARD = (desi.SURVEY, desi.PROGRAM, desi.HEALPIX)
_POSITION = (*_SHARD, desi.TARGETID)
_CATALOGUE = (
    desi.DESINAME, desi.TARGET_RA, desi.TARGET_DEC, desi.Z, desi.ZERR, desi.ZWARN, desi.SPECTYPE,
    desi.DELTACHI2, desi.OBJTYPE, desi.COADD_FIBERSTATUS, desi.DESI_TARGET, desi.EBV,
    desi.COADD_NUMEXP, desi.COADD_EXPTIME, desi.MEAN_MJD,
    d.flux_g, d.flux_r, d.flux_z, d.flux_w1, d.flux_w2,
)
_SOURCE = (*_CATALOGUE, d.parent, d.z_source, d.qso_maskbits, d.split)
_SAMPLE = (d.parent, d.control)
_QUALITY = (
    d.snr, d.snr_b, d.snr_r, d.snr_z, d.coverage_b, d.coverage_r, d.coverage_z, d.n_valid,
)
_SCORES = (
    d.chi2, d.chi2_b, d.chi2_r, d.chi2_z, d.worst_arm, d.amplitude, d.kl_divergence,
    d.isolation_score, d.latent, d.statistics, d.emission_wave, d.absorption_wave, d.model_id,
)
_SIGNIFICANCE = (
    d.anomaly_score, d.p_value, d.score_rank, d.score_rank_low, d.score_rank_high, d.reason,
    d.departures,
)
_GRADE = (d.q_value, d.tier)
_OBSERVED = (desi.NIGHT, desi.PETAL_LOC, desi.FIBER)
_NAMED = (
    d.class_state, d.anomaly_class, d.class_probabilities, d.log_odds, d.joint_p_value,
    d.artefact_probability, d.artefact_kind, d.better_z,
)
_CLASSES = (
    *_NAMED, *_OBSERVED, d.night_p_value, d.petal_p_value, d.fibre_p_value, d.field_p_value,
    d.map_x, d.map_y, d.cluster, d.cluster_stability,
)

CANDIDATES = Table(
    "candidates", "Rows of the redshift catalogue that may enter a parent sample; of the extended "
    "one only if the afterburners agree.", KEY,
    (*_POSITION, *_CATALOGUE, *_SAMPLE, d.target_class, d.split),
)
TARGETS = Table(
    "targets", "Parent samples: one row per spectrum to be scored, with the adopted redshift.",
    KEY, (*_POSITION, *_SOURCE, d.control),
)
FILES = Table(
    "files", "Inventory of the source files.", SHARD_KEY,
    (*_SHARD, d.file_name, d.n_bytes, d.n_rows, d.identity),
)
COADDS = Table(
    "coadds", "Spectra with b, r and z joined on the 7,781-pixel observed grid.", KEY,
    (*_POSITION, d.snr, d.snr_b, d.snr_r, d.snr_z, d.coverage_b, d.coverage_r, d.coverage_z,
     *_OBSERVED, d.flux, d.ivar, d.mask),
)
RESTFRAME = Table(
    "restframe", "Normalised windows on the global rest-frame grid.", KEY,
    (*_POSITION, desi.Z, d.split, *_SAMPLE, *_QUALITY, d.norm, d.window_start, d.rest_flux,
     d.rest_weight),
)
SCORES = Table(
    "scores", "Latents and statistics of the model.", KEY,
    (*_POSITION, desi.Z, d.split, *_SAMPLE, *_QUALITY, *_SCORES, d.seed_statistics),
)
SIGNIFICANCE = Table(
    "significance", "Calibrated significance of the score.", KEY,
    (*_POSITION, *_SIGNIFICANCE),
)
NULL = Table(
    "null", "Reference population that defines what is normal at given SNR, redshift and coverage.",
    KEY,
    (*_POSITION, d.log_snr, desi.Z, d.coverage, d.statistics, d.departures, d.anomaly_score),
)
CONTROLS = Table(
    "controls", "Negative controls, graded as if they had been taken for quasars.", KEY,
    (*_POSITION, d.control, desi.Z, d.snr, d.anomaly_score, d.p_value, *_NAMED, d.tier),
)
INJECTIONS = Table(
    "injections", "Features planted in ordinary quasars, and the grades that these would get.",
    (*KEY, "injection", "planted"),
    (*_POSITION, desi.Z, d.snr, d.injection, d.planted, d.anomaly_score, d.p_value, *_NAMED,
     d.tier),
)
RECONSTRUCTIONS = Table(
    "reconstructions", "Model flux of published objects in the observed frame.", KEY,
    (*_POSITION, d.model),
)
MATCHES = Table(
    "matches", "Counterparts: object and external catalogue, a row for each counterpart, and one "
    "that says why where there is none.",
    (*KEY, "catalogue", "match_rank"),
    (*_POSITION, d.catalogue, d.match_state, d.match_rank, d.n_candidates, d.match_id, d.match_ra,
     d.match_dec, d.separation, d.normalised_separation, d.chance_probability, d.object_type,
     d.n_references, d.attributes, d.query_date, d.service_error),
)
CATALOGUES = Table(
    "catalogues", "External catalogues: what was searched, how, and with what outcome.",
    ("catalogue",),
    (d.catalogue, d.catalogue_title, d.access, d.location, d.match_link, d.file_digest,
     d.match_radius,
     d.max_normalised_separation, d.catalogue_epoch, d.coverage_rule, d.chance_rate, d.n_shifted,
     d.n_sources, d.n_bad_positions, d.n_duplicates, *d.match_counts, d.query_date,
     d.acknowledgement),
)
MEASURED = Table(
    "measurements", "Physical measurements of spectrum and residual, and the best rival redshift.",
    KEY,
    (*_POSITION, *_SAMPLE, d.measured, d.measured_error, d.measured_wave, d.rival_z,
     d.rival_p_value),
)
CHANGES = Table(
    "changes", "Earlier spectra of the same objects, and what has changed since.",
    (*KEY, "earlier_file"),
    (*_POSITION, d.earlier_file, d.earlier_mjd, d.separation, d.change_state, d.change_error,
     d.rest_days, d.earlier_snr, d.scale_source, d.flux_scale, d.flux_scale_error,
     d.continuum_ratio, d.continuum_ratio_error, d.colour_change, d.colour_change_error,
     *d.line_changes, d.changed_line, d.line_ratio, d.line_ratio_error, d.line_change,
     d.has_changed),
)
CLASSES = Table(
    "classes", "What the spectra are, with probabilities, and where they lie among the others.",
    KEY, (*_POSITION, *_CLASSES),
)
JUDGED = Table(
    "judged", "Spectra from outside the survey's quasars, negative controls or foreign ones, "
    "judged as if they were of them.",
    KEY, (*_POSITION, d.anomaly_score, d.p_value, *_NAMED),
)
NORMS = Table(
    "norms", "Core quasars that say what is normal of measurements and odds.", KEY,
    (*_POSITION, d.log_snr, desi.Z, d.coverage, d.is_ordinary, d.significances, d.p_value,
     d.log_odds),
)
TAXONOMY = Table(
    "taxonomy", "The classifier: logits of the kinds, linear in the softened departures.",
    ("fold", "example_kind"),
    (d.fold, d.example_kind, d.intercept, d.weights_above, d.weights_below),
)
TIERS = Table("tiers", "Grade by false-discovery level.", KEY, (*_POSITION, *_GRADE))
GRADED = Table(
    "graded", "Significance and grade of every scored quasar spectrum.", KEY,
    (*_POSITION, *_SIGNIFICANCE, d.joint_p_value, *_GRADE),
)
EVIDENCE = Table(
    "evidence", "What tells an object's class: its most telling features.",
    (*KEY, "feature"),
    (*_POSITION, d.anomaly_class, d.feature, d.feature_value, d.feature_error, d.feature_wave,
     d.compared_mjd, d.departure, d.contribution),
)
REVIEWS = Table(
    "reviews", "Every event of the visual inspection of published objects, in order; corrected "
    "ones included.", ("review_id",),
    (d.review_id, d.review_action, d.supersedes, d.is_in_force, d.reviewer, d.reviewed_at,
     d.review_release, *_POSITION, d.is_blinded, d.seconds_spent, d.verdict, d.anomaly_class,
     d.review_quality, d.review_issues, d.corrected_z, d.corrected_spectype, d.comment),
)
QUEUE = Table(
    "queue", "Objects to be reviewed next, in order.", KEY,
    (*_POSITION, d.queue_rank, d.queue_source, d.interest, d.tier),
)
PURITY = Table(
    "purity", "What the random audit found in each tier.", ("tier",),
    (d.tier, d.n_objects, d.n_drawn, *d.verdict_counts, d.purity, d.purity_low, d.purity_high),
)
COMPLETENESS = Table(
    "completeness", "Ledger: rows given, made and failed by shard and stage.",
    (*SHARD_KEY, "stage"),
    (*_SHARD, d.stage, d.state, d.n_expected, d.n_made, d.error),
)
GATES = Table(
    "gates", "Ledger: rows dropped by shard, stage and named gate.",
    (*SHARD_KEY, "stage", "gate"),
    (*_SHARD, d.stage, d.gate, d.n_dropped),
)
EFFORT = Table(
    "effort", "Ledger: what each stage took for each shard, and who did it; not published, for it "
    "differs from run to run.",
    (*SHARD_KEY, "stage"),
    (*_SHARD, d.stage, d.attempts, d.worker, d.seconds, d.n_bytes_moved, d.n_requests,
     d.n_request_faults),
)
QUASARS = Table(
    "quasars", "Published catalogue: every scored quasar, one row per TARGETID.", ("TARGETID",),
    (*_POSITION, d.healpix_29, *_SOURCE, *_QUALITY, d.norm, *_SCORES, *_SIGNIFICANCE, *_GRADE,
     *_CLASSES, d.review_status),
)
SPECTRA = Table(
    "spectra", "Published spectra of graded objects with the model's reconstruction.",
    ("TARGETID",), (*_POSITION, d.tier, d.flux, d.ivar, d.mask, d.model),
)
TRUTH = Table(
    "truth", "What the mock survey planted; never read by the pipeline.", KEY,
    (*_POSITION, d.true_class, d.z_true, d.family, d.kind, d.strength, d.wave_rest, d.snr_true),
)

TABLES: tuple[Table, ...] = (
    CANDIDATES, TARGETS, FILES, COADDS, RESTFRAME, SCORES, SIGNIFICANCE, NULL, MEASURED, CHANGES,
    CLASSES, JUDGED, EVIDENCE, NORMS, TAXONOMY, TIERS, GRADED, CONTROLS, INJECTIONS, MATCHES,
    CATALOGUES, RECONSTRUCTIONS, REVIEWS, QUEUE, PURITY, COMPLETENESS, GATES, EFFORT, QUASARS,
    SPECTRA, TRUTH,
)


def arrow_schema(table: Table, **sizes: int) -> pa.Schema:
    """Render a table as an Arrow schema.

    Parameters
    ----------
    table : Table
    **sizes : int
        Sizes of the open dimensions, e.g. ``window=4368, latent=10``.

    Returns
    -------
    pyarrow.Schema
        Fields with unit, UCD and description as metadata.

    Raises
    ------
    ValueError
        If the table has an array column whose dimension has no size.
    """
    return pa.schema([column.field(_size(column, sizes)) for column in table.columns])


def _size(column: Column, sizes: dict[str, int]) -> int | None:
    if column.array is None:
        return None
    return DIMENSIONS[column.array] or sizes.get(column.array)
