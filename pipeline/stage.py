"""A stage of a data path as data, and the records in which one says what there is to do.

A stage is stated once, in the path of its kind of data (`pipeline.spectra.path`), with all that
decides its rows: the datasets that it needs and the settings that it reads, no more and no fewer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.config import Config
    from pipeline.lake.layout import Shard
    from pipeline.ledger.outcome import Outcome
    from pipeline.run import Run


class Per(StrEnum):
    """What a dataset has one file for."""

    SHARD = "shard"
    SURVEY = "survey"
    MODEL = "model"
    CATALOGUE = "catalogue"


@dataclass(frozen=True)
class Dataset:
    """A dataset of the lake: its name, which is that of its table, and what has a file of it."""

    name: str
    per: Per


def by_shard(*names: str) -> tuple[Dataset, ...]:
    """Return datasets with a file for each shard."""
    return tuple(Dataset(name, Per.SHARD) for name in names)


def whole(*names: str) -> tuple[Dataset, ...]:
    """Return datasets with one file for the survey."""
    return tuple(Dataset(name, Per.SURVEY) for name in names)


def beside_model(*names: str) -> tuple[Dataset, ...]:
    """Return datasets with one file beside the model."""
    return tuple(Dataset(name, Per.MODEL) for name in names)


def by_catalogue(*names: str) -> tuple[Dataset, ...]:
    """Return datasets with a file for each external catalogue."""
    return tuple(Dataset(name, Per.CATALOGUE) for name in names)


@dataclass(frozen=True)
class Stage:
    """One step of the data path.

    Attributes
    ----------
    name, about : str
        As the command line has them.
    makes : tuple of Dataset
        The last is the one by which the stage is known.
    needs : tuple of str
        Datasets that it reads.
    reads : tuple of str
        Settings that decide what it makes, ``section.key``. What only decides how fast, where or
        by whom is not among them.
    revision : int
        Raised by hand when the stage's code changes what it makes.
    run : str
        ``module:function`` that takes a `Run` and returns a `Job`; imported when it is called, for
        some take seconds.
    rows_of : str
        Stage that hands it its rows, each of which it makes or drops by a named gate.
    has_outside : bool
        Whether files beside the lake decide what it makes: a source, a catalogue.
    books_shards : bool
        Whether it does all shards in one piece and says what became of each.
    """

    name: str
    about: str
    makes: tuple[Dataset, ...]
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    revision: int
    run: str
    rows_of: str = ""
    has_outside: bool = False
    books_shards: bool = False

    @property
    def dataset(self) -> Dataset:
        """The dataset by which the stage is known."""
        return self.makes[-1]

    @property
    def per(self) -> Per:
        """What the stage does its work for, one after the other or side by side."""
        return self.dataset.per

    def plan(self, run: "Run") -> "Job":
        """Say what there is to do."""
        function: Callable[[Run], Job] = resolve_name(self.run)
        return function(run)

    def select(self, config: "Config") -> dict[str, Any]:
        """Return the settings that the stage reads, by their names."""
        values = config.model_dump(mode="json")
        return {name: _look_up(values, name) for name in self.reads}


@dataclass(frozen=True)
class DataPath:
    """The stages of a kind of data, in order.

    Attributes
    ----------
    kind : str
        Its name in `catalog_schema.kinds.KINDS`.
    knowledge : str
        ``module:attribute`` of its `pipeline.judge.knowledge.Knowledge`; imported when it is asked
        for, so that the help of a command loads no library.
    stages : tuple of Stage
    """

    kind: str
    knowledge: str
    stages: tuple[Stage, ...]

    @cached_property
    def datasets(self) -> dict[str, Dataset]:
        """All datasets that the stages make, by name."""
        return {dataset.name: dataset for stage in self.stages for dataset in stage.makes}

    @property
    def conserved(self) -> tuple[str, ...]:
        """Stages from the source to the scores, each row made or dropped by a named gate."""
        givers = {stage.rows_of for stage in self.stages}
        scoring = {s.name for s in self.stages if any(d.name == "scores" for d in s.makes)}
        return tuple(s.name for s in self.stages if s.rows_of or s.name in givers | scoring)

    def __getitem__(self, name: str) -> Stage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(f"no stage {name}")


def _look_up(values: dict[str, Any], name: str) -> Any:
    section, _, key = name.partition(".")
    return values[section][key]


@dataclass(frozen=True)
class Task:
    """One piece of a stage's work: plain values, so that it can travel to another machine.

    Attributes
    ----------
    place : Shard or str
        A shard, a catalogue's name, or nothing where the survey is one piece.
    n_expected : int or None
        Rows given; None where the work counts them.
    inputs : tuple of str
        Digests of what of this piece decides its rows, beside the stage's settings.
    arguments : tuple
    """

    place: "Shard | str" = ""
    n_expected: int | None = None
    inputs: tuple[str, ...] = ()
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Product:
    """What the work on a task made, why rows are not among it, and what was fetched for it.

    Attributes
    ----------
    tables : tuple of pyarrow.Table
        In the order of the stage's datasets.
    dropped : dict
        Rows dropped by each named gate.
    notes : tuple of str
        Warnings worth repeating when the dataset is found done.
    n_expected, n_made : int or None
        Rows given and made, where the task and the last table do not tell.
    requests : dict
        Requests that it took to a remote source, by how they ended.
    n_bytes : int
        Bytes fetched.
    outcomes : tuple of Outcome
        What became of each shard, where one task has done them all.
    is_passing : bool
        Whether it is to be done again at the next run: something did not answer.
    """

    tables: "tuple[pa.Table, ...]" = ()
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    n_expected: int | None = None
    n_made: int | None = None
    requests: dict[str, int] = field(default_factory=dict)
    n_bytes: int = 0
    outcomes: "tuple[Outcome, ...]" = ()
    is_passing: bool = False


@dataclass(frozen=True)
class Job:
    """What a stage has to do.

    Attributes
    ----------
    tasks : tuple of Task
    work : callable
        Makes a product of a task; a module's function or a partial of one.
    notes : tuple of str
        Warnings about the whole.
    """

    tasks: tuple[Task, ...]
    work: Callable[[Task], Product]
    notes: tuple[str, ...] = ()


def get_shard(task: Task) -> "Shard":
    """Return the shard whose work a task is.

    Raises
    ------
    TypeError
        If it is that of a survey or of a catalogue: a slip of whoever planned it.
    """
    if isinstance(task.place, str):
        raise TypeError(f"the place of a task is {task.place!r}, not a shard")
    return task.place


def do_once(work: Callable[[], Product], *inputs: str) -> Job:
    """Return the job of a stage that does the whole survey in one piece."""
    return Job((Task(inputs=inputs),), lambda _: work())
