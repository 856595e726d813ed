"""Every table of the data path of spectra, declared once; the order below is that of travel."""

from catalog_schema import desi
from catalog_schema.back_half import make_tables
from catalog_schema.column import Table
from catalog_schema.columns import (
    changes,
    classes,
    evidence,
    ledger,
    quality,
    reviews,
    sample,
    scores,
    significance,
    spectra,
    truth,
)
from catalog_schema.spectra import OBSERVED, WAIST
from catalog_schema.waist import KEY, SHARD_KEY

SCHEMA_VERSION = "1.7.0"

_CATALOGUE = (*desi.CATALOGUE, *sample.PHOTOMETRY)
_SOURCE = (*_CATALOGUE, sample.parent, sample.z_source, sample.qso_maskbits, sample.split)
_SAMPLE = (sample.parent, sample.control)
_QUALITY = (*quality.SNRS, *quality.COVERAGES, quality.n_valid)
_CLASSES = (*classes.NAMED, *WAIST.told, *WAIST.surroundings, *classes.FAMILIES)
_make = WAIST.make_table

CANDIDATES = _make(
    "candidates",
    "Rows of the redshift catalogue that may enter a parent sample; of the extended "
    "one only if the afterburners agree.",
    KEY,
    (*_CATALOGUE, *_SAMPLE, sample.target_class, sample.split),
)
TARGETS = _make(
    "targets",
    "Parent samples: one row per spectrum to be scored, with the adopted redshift.",
    KEY,
    (*_SOURCE, sample.control),
)
FILES = Table(
    "files",
    "Inventory of the source files.",
    SHARD_KEY,
    (*WAIST.key[:-1], *ledger.FILES),
)
COADDS = _make(
    "coadds",
    "Spectra with b, r and z joined on the 7,781-pixel observed grid.",
    KEY,
    (*quality.SNRS, *quality.COVERAGES, *quality.NOISES, *OBSERVED, *spectra.OBSERVED),
)
RESTFRAME = _make(
    "restframe",
    "Normalised windows on the global rest-frame grid.",
    KEY,
    (desi.Z, sample.split, *_SAMPLE, *_QUALITY, *spectra.WINDOW),
)
SCORES = _make(
    "scores",
    "Latents and statistics of the model.",
    KEY,
    (
        desi.Z,
        sample.split,
        *_SAMPLE,
        *_QUALITY,
        *scores.SCORES,
        scores.seed_statistics,
        significance.log_snr,
        significance.coverage,
    ),
)
RECONSTRUCTIONS = _make(
    "reconstructions",
    "Model flux of published objects in the observed frame.",
    KEY,
    (spectra.model,),
)
MEASURED = _make(
    "measurements",
    "Physical measurements of spectrum and residual, and the best rival redshift.",
    KEY,
    (*_SAMPLE, *evidence.MEASURED, *evidence.RIVAL),
)
CHANGES = _make(
    "changes",
    "Earlier spectra of the same objects, and what has changed since.",
    (*KEY, "earlier_file"),
    changes.CHANGES,
)
QUASARS = _make(
    "quasars",
    "Published catalogue: every scored quasar, one row per TARGETID.",
    ("TARGETID",),
    (
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
SPECTRA = _make(
    "spectra",
    "Published spectra of graded objects with the model's reconstruction.",
    ("TARGETID",),
    (significance.tier, *spectra.OBSERVED, spectra.model),
)
TRUTH = _make(
    "truth",
    "What the mock survey planted; never read by the pipeline.",
    KEY,
    truth.TRUTH,
)

# What the back half makes of them, and what all kinds share.
_MADE = {table.name: table for table in make_tables(WAIST)}
SIGNIFICANCE = _MADE["significance"]
NULL = _MADE["null"]
CLASSES = _MADE["classes"]
JUDGED = _MADE["judged"]
EVIDENCE = _MADE["evidence"]
NORMS = _MADE["norms"]
TAXONOMY = _MADE["taxonomy"]
TRAITS = _MADE["traits"]
TIERS = _MADE["tiers"]
DOMAIN = _MADE["domain"]
GRADED = _MADE["graded"]
CONTROLS = _MADE["controls"]
INJECTIONS = _MADE["injections"]
MATCHES = _MADE["matches"]
CATALOGUES = _MADE["catalogues"]
REVIEWS = _MADE["reviews"]
QUEUE = _MADE["queue"]
PURITY = _MADE["purity"]
COMPLETENESS = _MADE["completeness"]
GATES = _MADE["gates"]
EFFORT = _MADE["effort"]

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
    TRAITS,
    TIERS,
    DOMAIN,
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
