"""A kind of data in one folder: points with two numbers, whose spread grows as they get fainter."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog_schema import desi
from catalog_schema.back_half import make_tables
from catalog_schema.columns import classes, reviews, sample, scores, significance
from catalog_schema.columns.build import number
from catalog_schema.kind import Kind
from catalog_schema.statistics import Statistic
from catalog_schema.vocabulary import Described, Parent
from catalog_schema.waist import KEY, Condition, Waist
from pipeline.errors import UserError
from pipeline.judge.knowledge import Knowledge, Planted
from pipeline.judge.stages import CALIBRATE, CONTROL, GRADE, make_classify, make_inject
from pipeline.lake.layout import Shard
from pipeline.lake.model_files import write_card
from pipeline.lake.store import columns_to_table, digest, replace_columns, to_matrix
from pipeline.run import Run
from pipeline.stage import DataPath, Job, Product, Stage, Task, beside_model, by_shard, get_shard


class Word(Described):
    NORMAL = "normal", "As its neighbours."
    ARTEFACT = "artefact", "A slip of the pen."
    UNKNOWN = "unknown", "Like none of these."


class Blank(Described):
    SHUFFLED = "shuffled", "Two numbers that belong to different points."


COLOUR, SIZE = (number(name, f"{name.capitalize()} of the point.") for name in ("colour", "size"))
MAGNITUDE = number("magnitude", "How faint the point is.", unit="mag")
WAIST = Waist(
    noun="point",
    nouns="points",
    member="point",
    members="points",
    alike="magnitude",
    key=(desi.SURVEY, desi.PROGRAM, desi.HEALPIX, desi.TARGETID),
    conditions=(Condition(MAGNITUDE, 0.5),),
    statistics=(Statistic("colour", "colour", two_sided=True), Statistic("size", "size", True)),
    reasons={"colour": "An unusual colour.", "size": "An unusual size."},
    classes=Word,
    controls=Blank,
    carried=(MAGNITUDE,),
)
OWN = (desi.TARGET_RA, desi.TARGET_DEC, COLOUR, SIZE, MAGNITUDE)
SCORED = (sample.parent, sample.control, MAGNITUDE, scores.statistics, scores.model_id)
LIST = (sample.healpix_29, *OWN, sample.parent, scores.statistics, scores.model_id)
POINTS = Kind(
    "toy",
    "points",
    WAIST,
    (
        WAIST.make_table("targets", "Points.", KEY, OWN),
        WAIST.make_table("scores", "Their statistics.", KEY, SCORED),
        *(t for t in make_tables(WAIST) if t.name not in ("matches", "catalogues")),
        WAIST.make_table(
            "points",
            "Every point.",
            ("TARGETID",),
            (
                *LIST,
                *significance.SIGNIFICANCE,
                *significance.GRADE,
                *classes.NAMED,
                *classes.FAMILIES,
                reviews.review_status,
            ),
        ),
    ),
    watched=("magnitude",),
)
STEPS = 3.0, 6.0


class PointKnowledge(Knowledge):
    """Points are pushed aside; nobody knows a class of them."""

    def plant_features(self, hosts: pa.Table) -> Iterator[Planted]:
        rows = self.run.read_rows("scores", hosts)
        scale = np.exp(rows["magnitude"].to_numpy() - 20)
        for step in STEPS:
            moved = to_matrix(rows["statistics"])
            moved[:, 1] += step * scale
            planted = replace_columns(rows, {"statistics": moved})
            yield Planted("push", np.full(len(scale), step), planted, planted)


def read(run: Run) -> Job:
    """Read every file of the source: makes `targets` and `scores`; gate: `no_magnitude`."""
    files = sorted(Path(run.config.run.source).glob("*.csv"))
    if not files:
        raise UserError(f"{run.config.run.source}: no points; give a folder with CSV files")
    tasks = [
        Task(Shard("toy", "points", k), inputs=(digest(f.read_text()),), arguments=(str(f),))
        for k, f in enumerate(files)
    ]
    return Job(tuple(tasks), partial(_read_file, run.model_id))


def _read_file(model_id: str, task: Task) -> Product:
    rows = np.genfromtxt(task.arguments[0], delimiter=",", names=True)
    n_expected, kept = len(rows), rows[np.isfinite(rows["magnitude"])]
    shard, is_control = get_shard(task), kept["is_control"] > 0
    columns = {
        "SURVEY": [shard.survey] * len(kept),
        "PROGRAM": [shard.program] * len(kept),
        "HEALPIX": [shard.healpix] * len(kept),
        "TARGETID": kept["number"].astype(np.int64),
        "TARGET_RA": kept["ra"],
        "TARGET_DEC": kept["dec"],
        **{name: kept[name] for name in ("colour", "size", "magnitude")},
        "parent": np.where(is_control, Parent.CONTROL.value, Parent.CORE.value),
        "control": pa.array(["shuffled"] * len(kept), mask=~is_control),
        "statistics": np.column_stack([kept["colour"], kept["size"]]).astype(np.float32),
        "model_id": [model_id] * len(kept),
    }
    tables = tuple(columns_to_table(POINTS[name], columns) for name in ("targets", "scores"))
    return Product(tables, {"no_magnitude": n_expected - len(kept)}, n_expected=n_expected)


def fit(run: Run) -> Job:
    """Nothing is learnt: makes a model that is a card alone."""
    return Job((Task(),), partial(_write_model, run))


def _write_model(run: Run, _: Task) -> Product:
    run.model.mkdir(parents=True)
    write_card(run.model, {"id": run.model_id, "folds": 2, "seed": 1, "settings": {}})
    return Product()


PATH = DataPath(
    POINTS.name,
    "toy_points:PointKnowledge",
    (
        Stage("fit", "a card", beside_model("models"), (), (), 1, "toy_points:fit"),
        Stage(
            "read",
            "points",
            by_shard("targets", "scores"),
            ("models",),
            (),
            1,
            "toy_points:read",
            has_outside=True,
        ),
        CALIBRATE,
        make_classify((), ()),
        GRADE,
        CONTROL,
        make_inject((), ()),
    ),
)
