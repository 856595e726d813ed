"""The stage of external catalogues, the same for every kind of data."""

from pipeline.stage import Stage, by_catalogue

CROSSMATCH = Stage(
    "crossmatch",
    "counterparts in external catalogues",
    makes=by_catalogue("catalogues", "matches"),
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
