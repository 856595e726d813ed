"""Stage `grade`: list of each candidate, its false-discovery rate there, and its tier."""

from functools import partial

from catalog_schema.waist import ROW_KEY
from pipeline.judge.tiers import grade_rows
from pipeline.lake.align import align
from pipeline.run import Run
from pipeline.stage import Job, Product, do_once


def grade(run: Run) -> Job:
    """Grade every candidate on the list of its class; what has no joint p-value is on none.

    Returns
    -------
    Job
        Makes `tiers` of `classes` and `significance`.
    """
    return do_once(partial(_grade, run))


def _grade(run: Run) -> Product:
    classes = run.read("classes", [*ROW_KEY, "anomaly_class", "joint_p_value"])
    scored = align(run.read("significance", [*ROW_KEY, "p_value"]), classes, what="significance")
    rows = classes.append_column("p_value", scored["p_value"])
    return Product((grade_rows(rows, run.kind, run.config.grade),))
