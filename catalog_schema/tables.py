"""Every table of the data path of spectra, declared once for all parent samples."""

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
from catalog_schema.waist import KEY, SHARD_KEY, Waist

SCHEMA_VERSION = "1.7.0"

_CATALOGUE = (*desi.CATALOGUE, *sample.PHOTOMETRY)
_SOURCE = (*_CATALOGUE, sample.parent, sample.z_source, sample.qso_maskbits, sample.split)
_SAMPLE = (sample.parent, sample.control)
_QUALITY = (*quality.SNRS, *quality.COVERAGES, quality.n_valid)


def make_spectra_tables(waist: Waist, main: str) -> tuple[Table, ...]:
    """Return the tables of a parent sample, in the order of travel; `main` names its list."""
    make = waist.make_table
    own = (
        make(
            "candidates",
            "Rows of the redshift catalogue that may enter a parent sample; of the extended "
            "one only if the afterburners agree.",
            KEY,
            (*_CATALOGUE, *_SAMPLE, sample.target_class, sample.split),
        ),
        make(
            "targets",
            "Parent samples: one row per spectrum to be scored, with the adopted redshift.",
            KEY,
            (*_SOURCE, sample.control),
        ),
        Table(
            "files",
            "Inventory of the source files.",
            SHARD_KEY,
            (*waist.key[:-1], *ledger.FILES),
        ),
        make(
            "coadds",
            "Spectra with b, r and z joined on the 7,781-pixel observed grid.",
            KEY,
            (*quality.SNRS, *quality.COVERAGES, *quality.NOISES, *OBSERVED, *spectra.OBSERVED),
        ),
        make(
            "restframe",
            "Normalised windows on the global rest-frame grid.",
            KEY,
            (desi.Z, sample.split, *_SAMPLE, *_QUALITY, *spectra.WINDOW),
        ),
        make(
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
        ),
        make(
            "reconstructions",
            "Model flux of published objects in the observed frame.",
            KEY,
            (spectra.model,),
        ),
        make(
            "measurements",
            "Physical measurements of spectrum and residual, and the best rival redshift.",
            KEY,
            (*_SAMPLE, *evidence.MEASURED, *evidence.RIVAL),
        ),
        make(
            "changes",
            "Earlier spectra of the same objects, and what has changed since.",
            (*KEY, "earlier_file"),
            changes.CHANGES,
        ),
        make(
            main,
            "Published catalogue: every scored {member}, one row per TARGETID.",
            ("TARGETID",),
            (
                sample.healpix_29,
                *_SOURCE,
                *_QUALITY,
                spectra.norm,
                *scores.SCORES,
                *significance.SIGNIFICANCE,
                *significance.GRADE,
                *classes.NAMED,
                *waist.told,
                *waist.surroundings,
                *classes.FAMILIES,
                reviews.review_status,
            ),
        ),
        make(
            "spectra",
            "Published spectra of graded objects with the model's reconstruction.",
            ("TARGETID",),
            (significance.tier, *spectra.OBSERVED, spectra.model),
        ),
        make(
            "truth",
            "What the mock survey planted; never read by the pipeline.",
            KEY,
            truth.TRUTH,
        ),
    )
    by_name = {table.name: table for table in (*own, *make_tables(waist))}
    return tuple(by_name[main if name == "main" else name] for name in _TRAVEL)


_TRAVEL = (
    "candidates",
    "targets",
    "files",
    "coadds",
    "restframe",
    "scores",
    "significance",
    "null",
    "measurements",
    "changes",
    "classes",
    "judged",
    "evidence",
    "norms",
    "taxonomy",
    "traits",
    "tiers",
    "domain",
    "graded",
    "controls",
    "injections",
    "matches",
    "catalogues",
    "reconstructions",
    "reviews",
    "queue",
    "purity",
    "completeness",
    "gates",
    "effort",
    "main",
    "spectra",
    "truth",
)
TABLES = make_spectra_tables(WAIST, "quasars")

# Of quasars; of other parent samples all but the list differ in their words alone.
_BY_NAME = {table.name: table for table in TABLES}
CANDIDATES = _BY_NAME["candidates"]
TARGETS = _BY_NAME["targets"]
FILES = _BY_NAME["files"]
COADDS = _BY_NAME["coadds"]
RESTFRAME = _BY_NAME["restframe"]
SCORES = _BY_NAME["scores"]
SIGNIFICANCE = _BY_NAME["significance"]
NULL = _BY_NAME["null"]
MEASURED = _BY_NAME["measurements"]
CHANGES = _BY_NAME["changes"]
CLASSES = _BY_NAME["classes"]
JUDGED = _BY_NAME["judged"]
EVIDENCE = _BY_NAME["evidence"]
NORMS = _BY_NAME["norms"]
TAXONOMY = _BY_NAME["taxonomy"]
TRAITS = _BY_NAME["traits"]
TIERS = _BY_NAME["tiers"]
DOMAIN = _BY_NAME["domain"]
GRADED = _BY_NAME["graded"]
CONTROLS = _BY_NAME["controls"]
INJECTIONS = _BY_NAME["injections"]
MATCHES = _BY_NAME["matches"]
CATALOGUES = _BY_NAME["catalogues"]
RECONSTRUCTIONS = _BY_NAME["reconstructions"]
REVIEWS = _BY_NAME["reviews"]
QUEUE = _BY_NAME["queue"]
PURITY = _BY_NAME["purity"]
COMPLETENESS = _BY_NAME["completeness"]
GATES = _BY_NAME["gates"]
EFFORT = _BY_NAME["effort"]
QUASARS = _BY_NAME["quasars"]
SPECTRA = _BY_NAME["spectra"]
TRUTH = _BY_NAME["truth"]
