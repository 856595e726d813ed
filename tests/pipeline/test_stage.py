"""A data path as data: what a stage is known by and reads, and which stages account for rows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.lake.layout import Shard
from pipeline.stage import (
    DataPath,
    Dataset,
    Job,
    Per,
    Product,
    Stage,
    Task,
    beside_model,
    by_catalogue,
    by_shard,
    do_once,
    get_shard,
    whole,
)

SHARD = Shard("main", "dark", 7)


def make_stage(name: str, *makes: Dataset, **more: Any) -> Stage:
    return Stage(
        name,
        "a stage",
        makes or by_shard(name),
        **{"needs": (), "reads": (), "revision": 1, "run": f"{__name__}:plan"} | more,
    )


def plan(run: object) -> Job:
    """Hand the run back in a note: which one was planned with."""
    return Job((), lambda task: Product(), (f"planned {run}",))


@pytest.mark.parametrize(
    ("make", "per"),
    [
        (by_shard, Per.SHARD),
        (whole, Per.SURVEY),
        (beside_model, Per.MODEL),
        (by_catalogue, Per.CATALOGUE),
    ],
)
def test_datasets_are_in_the_order_named(make: Any, per: Per) -> None:
    assert make("b", "a") == (Dataset("b", per), Dataset("a", per))
    assert make() == ()


def test_a_stage_is_known_by_the_last_dataset_that_it_makes() -> None:
    stage = make_stage("x", *whole("first"), *by_shard("second"))
    assert stage.dataset == Dataset("second", Per.SHARD)
    assert stage.per is Per.SHARD


def test_the_function_is_found_when_the_stage_is_planned() -> None:
    assert make_stage("x").plan("this run").notes == ("planned this run",)
    with pytest.raises((ImportError, AttributeError)):
        make_stage("x", run=f"{__name__}:nothing").plan("this run")


def test_settings_that_a_stage_reads_are_those_of_the_configuration() -> None:
    config = Config()
    stage = make_stage("x", reads=("train.epochs", "run.workers", "mock.seed"))
    assert stage.select(config) == {
        "train.epochs": config.train.epochs,
        "run.workers": config.run.workers,
        "mock.seed": config.mock.seed,
    }
    with pytest.raises(KeyError):
        make_stage("x", reads=("train.nothing",)).select(config)


def test_a_setting_that_is_changed_is_read_changed() -> None:
    config = Config()
    other = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 17})})
    assert make_stage("x", reads=("train.epochs",)).select(other) == {"train.epochs": 17}


def test_a_path_finds_stages_and_datasets_by_name() -> None:
    stages = (make_stage("a", *whole("one"), *by_shard("two")), make_stage("b"))
    path = DataPath("", "", stages)
    assert [path[stage.name] for stage in stages] == list(stages)
    assert path.datasets == {d.name: d for stage in stages for d in stage.makes}
    assert list(path.datasets) == ["one", "two", "b"]
    with pytest.raises(KeyError, match="no stage two"):
        path["two"]


@given(st.integers(1, 6), st.data())
def test_rows_are_accounted_for_from_the_first_giver_to_the_scores(n: int, data: Any) -> None:
    # A chain in which each hands the next its rows, with bystanders anywhere between.
    chain = [
        make_stage(
            f"s{at}",
            *by_shard("scores" if at == n - 1 else f"s{at}"),
            rows_of=f"s{at - 1}" if at else "",
        )
        for at in range(n)
    ]
    stages: list[Stage] = []
    for at, stage in enumerate(chain):
        stages += [make_stage(f"by{at}-{i}") for i in range(data.draw(st.integers(0, 2)))]
        stages.append(stage)
    path = DataPath("", "", tuple(stages))
    assert path.conserved == tuple(stage.name for stage in chain)


def test_a_stage_that_makes_scores_among_others_is_accounted_for() -> None:
    path = DataPath("", "", (make_stage("a", *by_shard("scores", "more")), make_stage("b")))
    assert path.conserved == ("a",)


def test_only_a_shard_is_the_place_of_a_shards_work() -> None:
    assert get_shard(Task(SHARD)) is SHARD
    for place in ("", "gaia_dr3"):
        with pytest.raises(TypeError, match="not a shard"):
            get_shard(Task(place))


def test_work_on_the_whole_survey_is_one_task() -> None:
    product = Product(notes=("made",))
    calls = []

    def work() -> Product:
        calls.append("work")
        return product

    job = do_once(work, "digest", "other")
    assert calls == []
    [task] = job.tasks
    assert (task.place, task.inputs, task.n_expected) == ("", ("digest", "other"), None)
    assert job.work(task) is product
    assert calls == ["work"]


def test_a_stage_is_plain_unless_it_says_otherwise() -> None:
    stage = make_stage("x")
    assert not stage.has_outside
    assert not stage.books_shards
    assert stage.rows_of == ""
    assert Product() == Product(tables=(), n_made=None, is_passing=False)
