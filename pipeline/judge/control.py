"""Stage `control`: how negative controls would have been graded as if they were none."""

from functools import partial

import pyarrow.compute as pc

from catalog_schema.vocabulary import Parent
from catalog_schema.waist import KEY, ROW_KEY
from pipeline.errors import UserError
from pipeline.judge.scores import read_scores
from pipeline.judge.tiers import grade_others, read_limits, to_numbers
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.run import Run
from pipeline.stage import Job, Product, do_once


def control(run: Run) -> Job:
    """Grade every negative control as if it had been taken for a member of the list.

    An empty one in a tier, as the spectrum of a sky fibre, is a leak; one that is something else,
    as a star among quasars, is what the score is for.

    Returns
    -------
    Job
        Makes `controls` of `scores`, `judged` and `tiers`.
    """
    return do_once(partial(_grade, run))


def _grade(run: Run) -> Product:
    scores = read_scores(run)
    order = [(name, "ascending") for name in KEY]
    controls = scores.filter(pc.field("parent") == Parent.CONTROL.value).sort_by(order)
    classes = run.read("judged").sort_by(order)
    if not classes.select(ROW_KEY).equals(controls.select(ROW_KEY)):
        raise UserError(
            f"{run.store.root}: classes and scores are of different controls; run `qad run` again"
        )
    judged = {name: classes[name] for name in run.kind["judged"].names if name not in ROW_KEY}
    known = judged | {
        **{name: to_numbers(classes[name]) for name in ("p_value", "joint_p_value")},
        "class_probabilities": to_matrix(classes["class_probabilities"]),
    }
    columns = {
        **{name: controls[name] for name in (*ROW_KEY, "control", *run.kind.waist.carried_names)},
        **judged,
        **grade_others(known, read_limits(run), run.kind.waist),
    }
    return Product((columns_to_table(run.kind["controls"], columns),))
