"""A stage whose work is given by a test: a row of `gates` for each shard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from catalog_schema.tables import GATES
from pipeline.config import Config
from pipeline.flow.report import Report
from pipeline.flow.root import Root
from pipeline.flow.runner import run_stage
from pipeline.lake.layout import Shard
from pipeline.lake.store import columns_to_table
from pipeline.run import Run
from pipeline.stage import DataPath, Dataset, Job, Per, Product, Stage, Task

SHARDS = [Shard("main", "dark", n) for n in (3, 10, 200)]
TASKS = [Task(shard, 2, ("f",), ("fine",)) for shard in SHARDS]


@dataclass(frozen=True)
class ToyStage(Stage):
    """A stage that does a given job."""

    job: Job | None = None

    def plan(self, run: Run) -> Job:
        """Return the job."""
        assert self.job
        return self.job


TOY = ToyStage(
    "x", "a toy", (Dataset("gates", Per.SHARD),), (), (), revision=1, run="", has_outside=True
)

PATH = DataPath("spectra", "pipeline.judge.knowledge:Knowledge", (TOY,))


def make_product(task: Task) -> Product:
    """Make one row for a shard, and drop one."""
    columns = {
        "SURVEY": [task.place.survey],
        "PROGRAM": [task.place.program],
        "HEALPIX": [task.place.healpix],
        "stage": ["x"],
        "gate": [task.arguments[0]],
        "n_dropped": [1],
    }
    return Product((columns_to_table(GATES, columns),), {"dead": 1}, ("a note",))


def start_toy(root: Root, workers: int = 1) -> Run:
    """Return a run of the toy stage alone."""
    config = Config()
    settings = config.run.model_copy(update={"workers": workers})
    return Run(root, root.ledger, config.model_copy(update={"run": settings}), PATH)


def run_tasks(
    root: Root,
    tasks: Sequence[Task],
    work: Callable[[Task], Product] = make_product,
    workers: int = 1,
    stage: ToyStage = TOY,
) -> Report:
    """Run the toy stage with these tasks."""
    return run_stage(start_toy(root, workers), replace(stage, job=Job(tuple(tasks), work)))
