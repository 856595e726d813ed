"""Stage `calibrate` with a finished model: foreign scores among the model's population."""

from functools import partial

import pyarrow.compute as pc

from catalog_schema.vocabulary import Parent
from pipeline.errors import UserError
from pipeline.judge.null import weigh
from pipeline.judge.scores import read_compared
from pipeline.run import Run
from pipeline.stage import Job, Product, do_once


def weigh_foreign(run: Run) -> Job:
    """Calibrate foreign scores against the population of a finished model.

    Returns
    -------
    Job
        Makes `significance` of `scores` and the model's `null`.

    Raises
    ------
    UserError
        If the model has no population.
    """
    if not run.find_content("null"):
        path = run.find_path("null")
        raise UserError(
            f"model {path.parent} has no {path.name}; run `qad run` on its own data first"
        )
    return do_once(partial(_weigh, run))


def _weigh(run: Run) -> Product:
    scores = read_compared(run).filter(pc.field("parent") != Parent.CONTROL.value)
    return Product((weigh(scores, run.read("null"), run.kind, run.config.calibrate),))
