"""The stages of the back half, the same for every kind of data."""

from pipeline.stage import Stage, beside_model, whole

# Settings of whatever compares scores with the population.
NULL_SETTINGS = ("calibrate.neighbours", "calibrate.tail_fraction", "calibrate.contamination")
_TIERS = ("grade.gold", "grade.silver", "grade.bronze")

CALIBRATE = Stage(
    "calibrate",
    "p-values of the scores",
    makes=(*beside_model("null"), *whole("significance")),
    needs=("scores",),
    reads=NULL_SETTINGS,
    revision=10,
    run="pipeline.judge.calibrate:calibrate",
)
GRADE = Stage(
    "grade",
    "false-discovery rates and tiers",
    makes=whole("tiers"),
    needs=("classes", "significance"),
    reads=_TIERS,
    revision=4,
    run="pipeline.judge.grade:grade",
)
CONTROL = Stage(
    "control",
    "negative controls, graded as if they were no controls",
    makes=whole("controls"),
    needs=("scores", "judged", "tiers"),
    reads=(),
    revision=7,
    run="pipeline.judge.control:control",
)


def make_classify(needs: tuple[str, ...], reads: tuple[str, ...]) -> Stage:
    """Return the stage `classify` of a kind of data.

    Parameters
    ----------
    needs, reads : tuple of str
        Datasets and settings on which the kind's knowledge draws: its measurements, examples and
        signs.
    """
    return Stage(
        "classify",
        "classes with their probabilities and evidence, map and clusters",
        makes=(
            *beside_model("norms", "taxonomy", "traits"),
            *whole("evidence", "judged", "classes"),
        ),
        needs=("scores", "significance", "null", *needs),
        reads=(
            *NULL_SETTINGS,
            *reads,
            "run.seed",
            "classify.ordinary_level",
            "classify.hosts",
            "classify.normals",
            "classify.anomalous_share",
            "classify.map_anchors",
            "classify.cluster_p_value",
            "classify.cluster_candidates",
            "classify.cluster_size",
            "classify.bootstraps",
            "classify.evidence",
        ),
        revision=16,
        run="pipeline.judge.classify:classify",
    )


def make_inject(needs: tuple[str, ...], reads: tuple[str, ...]) -> Stage:
    """Return the stage `inject` of a kind of data; parameters as of `make_classify`."""
    return Stage(
        "inject",
        "planted features, and which of them are found",
        makes=whole("injections"),
        needs=("scores", "tiers", "null", "norms", "taxonomy", *needs),
        reads=(*NULL_SETTINGS, *reads, "run.seed", "inject.hosts", "inject.strengths"),
        revision=10,
        run="pipeline.judge.inject:inject",
    )


# With a finished model, which brings its population.
WEIGH = Stage(
    "calibrate",
    "p-values of the scores among a finished model's population",
    makes=whole("significance"),
    needs=("scores", "null"),
    reads=NULL_SETTINGS,
    revision=10,
    run="pipeline.judge.weigh:weigh_foreign",
)


def make_foreign(needs: tuple[str, ...], reads: tuple[str, ...]) -> Stage:
    """Return the stage that stands for `classify` and `grade` where a model is finished."""
    return Stage(
        "grade",
        "classes and tiers by a finished model's classifier",
        makes=whole("judged", "domain", "tiers"),
        needs=("scores", "significance", "null", "norms", "taxonomy", "traits", *needs),
        reads=(*NULL_SETTINGS, *reads, "classify.ordinary_level", *_TIERS),
        revision=6,
        run="pipeline.judge.foreign:grade_foreign",
    )
