"""The data path: every stage once, in order."""

from pipeline.stage import Dataset, Per, Stage


def _by_shard(*names: str) -> tuple[Dataset, ...]:
    return tuple(Dataset(name, Per.SHARD) for name in names)


def _whole(*names: str) -> tuple[Dataset, ...]:
    return tuple(Dataset(name, Per.SURVEY) for name in names)


def _beside_model(*names: str) -> tuple[Dataset, ...]:
    return tuple(Dataset(name, Per.MODEL) for name in names)


def _by_catalogue(*names: str) -> tuple[Dataset, ...]:
    return tuple(Dataset(name, Per.CATALOGUE) for name in names)


_GRID = ("target.z_min", "target.z_max", "preprocess.log10_step", "train.patch")
_SCORE = ("run.seed", "score.trees", "score.min_valid_fraction", "score.batch_size")
_NULL = ("calibrate.neighbours", "calibrate.tail_fraction", "calibrate.contamination")
_JUDGE = ("classify.min_snr", "classify.vanish_p_value")

TARGET = Stage(
    "target",
    "what may enter a parent sample, every row counted",
    makes=_whole("candidates"),
    needs=(),
    reads=(
        "target.z_min",
        "target.z_max",
        "target.validation_fraction",
        "target.test_fraction",
        "target.sky_fraction",
        "target.standard_fraction",
        "target.galaxy_fraction",
        "target.star_fraction",
    ),
    revision=4,
    run="pipeline.spectra.stages.target:target",
    has_outside=True,
    books_shards=True,
)
ADOPT = Stage(
    "adopt",
    "the parent samples, with the redshift of every row",
    makes=_by_shard("targets"),
    needs=("candidates",),
    reads=("target.z_min", "target.z_max", "target.quasarnet_threshold"),
    revision=3,
    run="pipeline.spectra.stages.adopt:adopt",
    rows_of="target",
    has_outside=True,
)
ACQUIRE = Stage(
    "acquire",
    "an inventory of the source files",
    makes=_whole("files"),
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
    makes=_by_shard("coadds"),
    needs=("targets", "files"),
    reads=("extract.ivar_floor",),
    revision=5,
    run="pipeline.spectra.stages.extract:extract",
    rows_of="acquire",
)
PREPROCESS = Stage(
    "preprocess",
    "rest-frame windows",
    makes=_by_shard("restframe"),
    needs=("targets", "coadds"),
    reads=(*_GRID, "preprocess.min_valid_fraction", "preprocess.r_v"),
    revision=4,
    run="pipeline.spectra.stages.preprocess:preprocess",
    rows_of="extract",
)
TRAIN = Stage(
    "train",
    "the model",
    makes=_beside_model("models"),
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
    revision=5,
    run="pipeline.spectra.stages.train:train",
)
SCORE = Stage(
    "score",
    "latents and statistics of every spectrum",
    makes=_by_shard("scores"),
    needs=("restframe", "models"),
    reads=_SCORE,
    revision=5,
    run="pipeline.spectra.stages.score:score",
    rows_of="preprocess",
)
CALIBRATE = Stage(
    "calibrate",
    "p-values of the scores",
    makes=(*_beside_model("null"), *_whole("significance")),
    needs=("scores",),
    reads=_NULL,
    revision=6,
    run="pipeline.judge.calibrate:calibrate",
)
MEASURE = Stage(
    "measure",
    "physical measurements and rival redshifts",
    makes=_by_shard("measurements"),
    needs=("restframe", "scores", "significance", "models", "null"),
    reads=(*_SCORE, *_NULL, "classify.rivals", "classify.rival_p_value"),
    revision=5,
    run="pipeline.spectra.stages.measure:measure",
)
EARLIER = Stage(
    "earlier",
    "changes since earlier spectra of the same objects",
    makes=_by_shard("changes"),
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
    revision=3,
    run="pipeline.spectra.stages.earlier:earlier",
    has_outside=True,
)
CLASSIFY = Stage(
    "classify",
    "classes with their probabilities and evidence, map and clusters",
    makes=(*_beside_model("norms", "taxonomy"), *_whole("evidence", "judged", "classes")),
    needs=(
        "coadds",
        "restframe",
        "scores",
        "significance",
        "measurements",
        "changes",
        "models",
        "null",
    ),
    reads=(
        *_SCORE,
        *_NULL,
        *_JUDGE,
        "classify.ordinary_level",
        "classify.hosts",
        "classify.normals",
        "classify.anomalous_share",
        "classify.map_anchors",
        "classify.cluster_p_value",
        "classify.cluster_size",
        "classify.bootstraps",
        "classify.evidence",
    ),
    revision=11,
    run="pipeline.judge.classify:classify",
)
GRADE = Stage(
    "grade",
    "false-discovery rates and tiers",
    makes=_whole("tiers"),
    needs=("classes",),
    reads=("grade.gold", "grade.silver", "grade.bronze"),
    revision=3,
    run="pipeline.judge.grade:grade",
)
CONTROL = Stage(
    "control",
    "negative controls, graded as if taken for quasars",
    makes=_whole("controls"),
    needs=("scores", "judged", "classes", "tiers"),
    reads=(),
    revision=4,
    run="pipeline.judge.control:control",
)
INJECT = Stage(
    "inject",
    "planted features, and which of them are found",
    makes=_whole("injections"),
    needs=("restframe", "scores", "classes", "tiers", "models", "null", "norms", "taxonomy"),
    reads=(
        *_SCORE,
        *_NULL,
        *_JUDGE,
        "classify.rival_p_value",
        "inject.hosts",
        "inject.strengths",
    ),
    revision=5,
    run="pipeline.judge.inject:inject",
)
CROSSMATCH = Stage(
    "crossmatch",
    "counterparts in external catalogues",
    makes=_by_catalogue("catalogues", "matches"),
    needs=("targets", "scores", "tiers"),
    reads=(
        "crossmatch.ask_for",
        "crossmatch.epoch",
        "crossmatch.position_error",
        "crossmatch.chance_shifts",
        "crossmatch.chance_objects",
    ),
    revision=5,
    run="pipeline.context.crossmatch:crossmatch",
    has_outside=True,
)
RECONSTRUCT = Stage(
    "reconstruct",
    "the model's flux of what is published",
    makes=_by_shard("reconstructions"),
    needs=("targets", "restframe", "scores", "tiers", "models"),
    reads=("score.batch_size", "preprocess.r_v", "reconstruct.reference_sample"),
    revision=2,
    run="pipeline.spectra.stages.reconstruct:reconstruct",
)

STAGES = (
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
)
# Those that hand their rows on, each row made or dropped by a named gate.
CONSERVED = tuple(stage.name for stage in STAGES if stage.rows_of or stage == TARGET)
DATASETS = {dataset.name: dataset for stage in STAGES for dataset in stage.makes}
# Settings that decide no byte of any dataset: where, how fast and by whom it is made. Where they
# name files, the files' contents decide.
NEUTRAL = (
    "run.source",
    "run.survey",
    "run.redshifts",
    "run.workers",
    "run.ledger_url",
    "run.lake",
    "mock",
    "acquire",
    "train.device",
    "train.threads",
    "tracking",
    "earlier.index",
    "earlier.spectra",
    "crossmatch.catalogues",
    "crossmatch.ask",
    "crossmatch.batch_rows",
    "crossmatch.timeout_s",
    "crossmatch.max_attempts",
    "crossmatch.backoff_s",
    "crossmatch.seconds_between_requests",
    "crossmatch.threads",
    "crossmatch.memory_mb",
    "rank",
    "release",
)

# With a finished model: loose files come in their own way, and the model brings its population.
LOOSE = Stage(
    "extract",
    "spectra of loose files",
    makes=_by_shard("targets", "coadds"),
    needs=(),
    reads=("extract.ivar_floor", "target.z_min", "target.z_max"),
    revision=4,
    run="pipeline.spectra.loose.ingest:ingest",
    has_outside=True,
)
WEIGH = Stage(
    "calibrate",
    "p-values of the scores among a finished model's population",
    makes=_whole("significance"),
    needs=("scores", "null"),
    reads=_NULL,
    revision=6,
    run="pipeline.judge.weigh:weigh_foreign",
)
FOREIGN = Stage(
    "grade",
    "classes and tiers by a finished model's classifier",
    makes=_whole("judged", "tiers"),
    needs=("scores", "measurements", "significance", "null", "norms", "taxonomy"),
    reads=(
        *_NULL,
        *_JUDGE,
        "classify.ordinary_level",
        "grade.gold",
        "grade.silver",
        "grade.bronze",
    ),
    revision=1,
    run="pipeline.judge.foreign:grade_foreign",
)
APPLY_TO_TREE = (
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
)
APPLY_TO_FILES = (LOOSE, *APPLY_TO_TREE[4:])
