"""The data path of spectra: every stage once, in order."""

from dataclasses import replace

from catalog_schema.parent_kinds import PARENT_KINDS
from pipeline.context.stages import CROSSMATCH
from pipeline.judge.stages import (
    CALIBRATE,
    CONTROL,
    GRADE,
    NULL_SETTINGS,
    WEIGH,
    make_classify,
    make_foreign,
    make_inject,
)
from pipeline.stage import DataPath, Stage, beside_model, by_shard, whole

_GRID = ("target.classes", "target.z_min", "target.z_max", "preprocess.log10_step", "train.patch")
_SCORE = ("score.trees", "score.min_valid_fraction", "score.batch_size")
# Of whether a spectrum can be classified, and whether it vanishes at another redshift.
_KNOWLEDGE = ("classify.min_snr", "classify.vanish_p_value")

TARGET = Stage(
    "target",
    "what may enter a parent sample, every row counted",
    makes=whole("candidates"),
    needs=(),
    reads=(
        "target.classes",
        "target.z_min",
        "target.z_max",
        "target.min_deltachi2",
        "target.validation_fraction",
        "target.test_fraction",
        "target.sky_fraction",
        "target.standard_fraction",
        "target.galaxy_fraction",
        "target.star_fraction",
        "target.quasar_fraction",
    ),
    revision=5,
    run="pipeline.spectra.stages.target:target",
    has_outside=True,
    books_shards=True,
)
ADOPT = Stage(
    "adopt",
    "the parent samples, with the redshift of every row",
    makes=by_shard("targets"),
    needs=("candidates",),
    reads=("target.classes", "target.z_min", "target.z_max", "target.quasarnet_threshold"),
    revision=4,
    run="pipeline.spectra.stages.adopt:adopt",
    rows_of="target",
    has_outside=True,
)
ACQUIRE = Stage(
    "acquire",
    "an inventory of the source files",
    makes=whole("files"),
    needs=("targets",),
    reads=(),
    revision=2,
    run="pipeline.spectra.stages.acquire:acquire",
    rows_of="adopt",
    has_outside=True,
    books_shards=True,
)
EXTRACT = Stage(
    "extract",
    "spectra with their arms joined",
    makes=by_shard("coadds"),
    needs=("targets", "files"),
    reads=("extract.ivar_floor",),
    revision=6,
    run="pipeline.spectra.stages.extract:extract",
    rows_of="acquire",
)
PREPROCESS = Stage(
    "preprocess",
    "rest-frame windows",
    makes=by_shard("restframe"),
    needs=("targets", "coadds"),
    reads=(*_GRID, "preprocess.min_valid_fraction", "preprocess.r_v"),
    revision=5,
    run="pipeline.spectra.stages.preprocess:preprocess",
    rows_of="extract",
)
TRAIN = Stage(
    "train",
    "the model",
    makes=beside_model("models"),
    needs=("restframe",),
    reads=(
        "run.seed",
        *_GRID,
        "train.folds",
        "train.seeds",
        "train.latent",
        "train.basis",
        "train.hidden",
        "train.channels",
        "train.epochs",
        "train.batch_size",
        "train.learning_rate",
        "train.beta",
        "train.warmup_epochs",
        "train.patience",
        "train.model_error",
        "train.min_support",
    ),
    revision=6,
    run="pipeline.spectra.stages.train:train",
)
SCORE = Stage(
    "score",
    "latents and statistics of every spectrum",
    makes=by_shard("scores"),
    needs=("restframe", "models"),
    reads=("run.seed", *_SCORE),
    revision=9,
    run="pipeline.spectra.stages.score:score",
    rows_of="preprocess",
)
MEASURE = Stage(
    "measure",
    "physical measurements and rival redshifts",
    makes=by_shard("measurements"),
    needs=("restframe", "scores", "significance", "models", "null"),
    reads=("run.seed", *_SCORE, *NULL_SETTINGS, "classify.rivals", "classify.rival_p_value"),
    revision=8,
    run="pipeline.spectra.stages.measure:measure",
)
EARLIER = Stage(
    "earlier",
    "changes since earlier spectra of the same objects",
    makes=by_shard("changes"),
    needs=("targets", "restframe", "scores"),
    reads=(
        *_GRID,
        "preprocess.r_v",
        "earlier.ra",
        "earlier.dec",
        "earlier.mjd",
        "earlier.file",
        "earlier.radius",
        "earlier.grey_error",
        "earlier.min_change",
        "earlier.max_left",
    ),
    revision=4,
    run="pipeline.spectra.stages.earlier:earlier",
    has_outside=True,
)
RECONSTRUCT = Stage(
    "reconstruct",
    "the model's flux of what is published",
    makes=by_shard("reconstructions"),
    needs=("targets", "restframe", "scores", "tiers", "models"),
    reads=("score.batch_size", "preprocess.r_v", "reconstruct.reference_sample"),
    revision=2,
    run="pipeline.spectra.stages.reconstruct:reconstruct",
)
CLASSIFY = make_classify(
    needs=("coadds", "restframe", "measurements", "changes", "models"),
    reads=(*_SCORE, *_KNOWLEDGE, "target.classes"),
)
INJECT = make_inject(
    needs=("restframe", "models"),
    reads=(*_SCORE, *_KNOWLEDGE, "classify.rival_p_value"),
)

SPECTRA = DataPath(
    kind="spectra",
    knowledge="pipeline.spectra.knowledge:SpectraKnowledge",
    stages=(
        TARGET,
        ADOPT,
        ACQUIRE,
        EXTRACT,
        PREPROCESS,
        TRAIN,
        SCORE,
        CALIBRATE,
        MEASURE,
        EARLIER,
        CLASSIFY,
        GRADE,
        CONTROL,
        INJECT,
        CROSSMATCH,
        RECONSTRUCT,
    ),
)

# By the word that asks for the parent sample: the same stages for all.
PARENT_PATHS = {word: replace(SPECTRA, kind=kind) for word, kind in PARENT_KINDS.items()}

# With a finished model: loose files come in their own way, and the model brings its population.
LOOSE = Stage(
    "extract",
    "spectra of loose files",
    makes=by_shard("targets", "coadds"),
    needs=(),
    reads=("extract.ivar_floor", "target.z_min", "target.z_max"),
    revision=5,
    run="pipeline.spectra.loose.ingest:ingest",
    has_outside=True,
)
FOREIGN = make_foreign(needs=("coadds", "measurements"), reads=_KNOWLEDGE)
TO_TREE = replace(
    SPECTRA,
    stages=(
        TARGET,
        ADOPT,
        ACQUIRE,
        EXTRACT,
        PREPROCESS,
        SCORE,
        WEIGH,
        MEASURE,
        FOREIGN,
        RECONSTRUCT,
    ),
)
TO_FILES = replace(SPECTRA, stages=(LOOSE, *TO_TREE.stages[4:]))
