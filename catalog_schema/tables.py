"""Every table of the data path, declared once; the order below is the direction of travel."""

import pyarrow as pa

from catalog_schema import desi
from catalog_schema.column import Column, Table
from catalog_schema.columns import (
    catalogues,
    changes,
    classes,
    evidence,
    ledger,
    matches,
    quality,
    reviews,
    sample,
    scores,
    significance,
    spectra,
    truth,
)
from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import FILTER_WIDTHS, STATISTICS
from catalog_schema.vocabulary import AnomalyClass

SCHEMA_VERSION = "1.4.0"

# None: the size is the survey's (pixels of a spectrum) or a setting of the run (window length,
# latent dimension, number of seeds).
DIMENSIONS: dict[str, int | None] = {
    "wave": None,
    "window": None,
    "latent": None,
    "seed_statistic": None,
    "statistic": len(STATISTICS),
    "filter": len(FILTER_WIDTHS),
    "measurement": len(MEASUREMENTS),
    "anomaly_class": len(AnomalyClass),
    "feature": len(STATISTICS) + len(MEASUREMENTS),
}

# What a spectrum is; where it lies, which follows from that; and both, with which rows are joined.
KEY = ("SURVEY", "PROGRAM", "TARGETID")
SHARD_KEY = ("SURVEY", "PROGRAM", "HEALPIX")
ROW_KEY = (*SHARD_KEY, "TARGETID")
_SHARD = (desi.SURVEY, desi.PROGRAM, desi.HEALPIX)
_POSITION = (*_SHARD, desi.TARGETID)
_CATALOGUE = (*desi.CATALOGUE, *sample.PHOTOMETRY)
_SOURCE = (*_CATALOGUE, sample.parent, sample.z_source, sample.qso_maskbits, sample.split)
_SAMPLE = (sample.parent, sample.control)
_QUALITY = (*quality.SNRS, *quality.COVERAGES, quality.n_valid)
_CONDITIONS = (significance.log_snr, desi.Z, significance.coverage)
_JUDGEMENT = (significance.anomaly_score, significance.p_value, *classes.NAMED)
_OBSERVED = (desi.NIGHT, desi.PETAL_LOC, desi.FIBER)
_CLASSES = (*classes.NAMED, *_OBSERVED, *classes.CROWDS, *classes.FAMILIES)

CANDIDATES = Table(
    "candidates",
    "Rows of the redshift catalogue that may enter a parent sample; of the extended "
    "one only if the afterburners agree.",
    KEY,
    (*_POSITION, *_CATALOGUE, *_SAMPLE, sample.target_class, sample.split),
)
TARGETS = Table(
    "targets",
    "Parent samples: one row per spectrum to be scored, with the adopted redshift.",
    KEY,
    (*_POSITION, *_SOURCE, sample.control),
)
FILES = Table(
    "files",
    "Inventory of the source files.",
    SHARD_KEY,
    (*_SHARD, *ledger.FILES),
)
COADDS = Table(
    "coadds",
    "Spectra with b, r and z joined on the 7,781-pixel observed grid.",
    KEY,
    (*_POSITION, *quality.SNRS, *quality.COVERAGES, *_OBSERVED, *spectra.OBSERVED),
)
RESTFRAME = Table(
    "restframe",
    "Normalised windows on the global rest-frame grid.",
    KEY,
    (*_POSITION, desi.Z, sample.split, *_SAMPLE, *_QUALITY, *spectra.WINDOW),
)
SCORES = Table(
    "scores",
    "Latents and statistics of the model.",
    KEY,
    (*_POSITION, desi.Z, sample.split, *_SAMPLE, *_QUALITY, *scores.SCORES, scores.seed_statistics),
)
SIGNIFICANCE = Table(
    "significance",
    "Calibrated significance of the score.",
    KEY,
    (*_POSITION, *significance.SIGNIFICANCE),
)
NULL = Table(
    "null",
    "Reference population that defines what is normal at given SNR, redshift and coverage.",
    KEY,
    (
        *_POSITION,
        *_CONDITIONS,
        scores.statistics,
        significance.departures,
        significance.anomaly_score,
    ),
)
CONTROLS = Table(
    "controls",
    "Negative controls, graded as if they had been taken for quasars.",
    KEY,
    (*_POSITION, sample.control, desi.Z, quality.snr, *_JUDGEMENT, significance.tier),
)
INJECTIONS = Table(
    "injections",
    "Features planted in ordinary quasars, and the grades that these would get.",
    (*KEY, "injection", "planted"),
    (
        *_POSITION,
        desi.Z,
        quality.snr,
        significance.injection,
        significance.planted,
        *_JUDGEMENT,
        significance.tier,
    ),
)
RECONSTRUCTIONS = Table(
    "reconstructions",
    "Model flux of published objects in the observed frame.",
    KEY,
    (*_POSITION, spectra.model),
)
MATCHES = Table(
    "matches",
    "Counterparts: object and external catalogue, a row for each counterpart, and one "
    "that says why where there is none.",
    (*KEY, "catalogue", "match_rank"),
    (*_POSITION, *matches.MATCHES),
)
CATALOGUES = Table(
    "catalogues",
    "External catalogues: what was searched, how, and with what outcome.",
    ("catalogue",),
    catalogues.CATALOGUES,
)
MEASURED = Table(
    "measurements",
    "Physical measurements of spectrum and residual, and the best rival redshift.",
    KEY,
    (*_POSITION, *_SAMPLE, *evidence.MEASURED),
)
CHANGES = Table(
    "changes",
    "Earlier spectra of the same objects, and what has changed since.",
    (*KEY, "earlier_file"),
    (*_POSITION, *changes.CHANGES),
)
CLASSES = Table(
    "classes",
    "What the spectra are, with probabilities, and where they lie among the others.",
    KEY,
    (*_POSITION, *_CLASSES),
)
JUDGED = Table(
    "judged",
    "Spectra from outside the survey's quasars, negative controls or foreign ones, "
    "judged as if they were of them.",
    KEY,
    (*_POSITION, *_JUDGEMENT),
)
NORMS = Table(
    "norms",
    "Core quasars that say what is normal of measurements and odds.",
    KEY,
    (
        *_POSITION,
        *_CONDITIONS,
        evidence.is_ordinary,
        evidence.significances,
        significance.p_value,
        classes.log_odds,
    ),
)
TAXONOMY = Table(
    "taxonomy",
    "The classifier: logits of the kinds, linear in the softened departures.",
    ("fold", "example_kind"),
    evidence.TAXONOMY,
)
TIERS = Table("tiers", "Grade by false-discovery level.", KEY, (*_POSITION, *significance.GRADE))
GRADED = Table(
    "graded",
    "Significance and grade of every scored quasar spectrum.",
    KEY,
    (*_POSITION, *significance.SIGNIFICANCE, classes.joint_p_value, *significance.GRADE),
)
EVIDENCE = Table(
    "evidence",
    "What tells an object's class: its most telling features.",
    (*KEY, "feature"),
    (*_POSITION, classes.anomaly_class, *evidence.FEATURES),
)
REVIEWS = Table(
    "reviews",
    "Every event of the visual inspection of published objects, in order; corrected ones included.",
    ("review_id",),
    (*reviews.EVENT, *_POSITION, *reviews.FINDINGS),
)
QUEUE = Table(
    "queue",
    "Objects to be reviewed next, in order.",
    KEY,
    (*_POSITION, *reviews.QUEUE, significance.tier),
)
PURITY = Table(
    "purity",
    "What the random audit found in each tier.",
    ("tier",),
    (significance.tier, *reviews.AUDIT),
)
COMPLETENESS = Table(
    "completeness",
    "Ledger: rows given, made and failed by shard and stage.",
    (*SHARD_KEY, "stage"),
    (*_SHARD, ledger.stage, ledger.state, ledger.n_expected, ledger.n_made, ledger.error),
)
GATES = Table(
    "gates",
    "Ledger: rows dropped by shard, stage and named gate.",
    (*SHARD_KEY, "stage", "gate"),
    (*_SHARD, ledger.stage, ledger.gate, ledger.n_dropped),
)
EFFORT = Table(
    "effort",
    "Ledger: what each stage took for each shard, and who did it; not published, for it "
    "differs from run to run.",
    (*SHARD_KEY, "stage"),
    (*_SHARD, ledger.stage, *ledger.EFFORT),
)
QUASARS = Table(
    "quasars",
    "Published catalogue: every scored quasar, one row per TARGETID.",
    ("TARGETID",),
    (
        *_POSITION,
        sample.healpix_29,
        *_SOURCE,
        *_QUALITY,
        spectra.norm,
        *scores.SCORES,
        *significance.SIGNIFICANCE,
        *significance.GRADE,
        *_CLASSES,
        reviews.review_status,
    ),
)
SPECTRA = Table(
    "spectra",
    "Published spectra of graded objects with the model's reconstruction.",
    ("TARGETID",),
    (*_POSITION, significance.tier, *spectra.OBSERVED, spectra.model),
)
TRUTH = Table(
    "truth",
    "What the mock survey planted; never read by the pipeline.",
    KEY,
    (*_POSITION, *truth.TRUTH),
)

TABLES: tuple[Table, ...] = (
    CANDIDATES,
    TARGETS,
    FILES,
    COADDS,
    RESTFRAME,
    SCORES,
    SIGNIFICANCE,
    NULL,
    MEASURED,
    CHANGES,
    CLASSES,
    JUDGED,
    EVIDENCE,
    NORMS,
    TAXONOMY,
    TIERS,
    GRADED,
    CONTROLS,
    INJECTIONS,
    MATCHES,
    CATALOGUES,
    RECONSTRUCTIONS,
    REVIEWS,
    QUEUE,
    PURITY,
    COMPLETENESS,
    GATES,
    EFFORT,
    QUASARS,
    SPECTRA,
    TRUTH,
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
