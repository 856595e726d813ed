"""Stage `grade`: the false-discovery rate at which each candidate enters the list, and its tier."""

from functools import partial

from catalog_schema.waist import ROW_KEY
from pipeline.judge.tiers import grade_rows
from pipeline.run import Run
from pipeline.stage import Job, Product, do_once


def grade(run: Run) -> Job:
    """Grade every candidate by its joint p-value; what has none is not on the list.

    Returns
    -------
    Job
        Makes `tiers` of `classes`.
    """
    return do_once(partial(_grade, run))


def _grade(run: Run) -> Product:
    classes = run.read("classes", [*ROW_KEY, "joint_p_value"])
    return Product((grade_rows(classes, run.kind, run.config.grade),))
