"""Stages as data: what wakes which of them, and that they say truly what they read."""

from dataclasses import replace
from pkgutil import resolve_name
from typing import Any

import pytest
from lake_runs import finished_shards

from catalog_schema import kinds
from catalog_schema.tables import TABLES
from pipeline.config import Config
from pipeline.flow.data_path import run_stages
from pipeline.flow.kinds import NEUTRAL
from pipeline.flow.report import Report
from pipeline.flow.root import Root
from pipeline.run import Run
from pipeline.settings.section import Section
from pipeline.spectra.data_path import SPECTRA, TO_FILES, TO_TREE
from pipeline.stage import Per, Stage

KEYS = [f"{s}.{k}" for s in Config.model_fields for k in type(getattr(Config(), s)).model_fields]
STAGES, DATASETS = SPECTRA.stages, SPECTRA.datasets
ALL = (*STAGES, *TO_FILES.stages, *TO_TREE.stages)


def is_neutral(key: str) -> bool:
    return key in NEUTRAL or key.partition(".")[0] in NEUTRAL


def test_every_setting_is_read_by_a_stage_or_decides_nothing() -> None:
    read = {key for stage in ALL for key in stage.reads}
    assert read <= set(KEYS)
    assert {key for key in KEYS if is_neutral(key)} == set(KEYS) - read


def test_order_is_that_of_the_needs() -> None:
    for path in (STAGES, TO_FILES.stages, TO_TREE.stages):
        made = {"null", "norms", "taxonomy", "traits", "models"} if path != STAGES else set()
        for stage in path:
            assert set(stage.needs) <= made, stage.name
            made |= {dataset.name for dataset in stage.makes}


def test_names_are_unique_and_datasets_are_tables_of_the_schema() -> None:
    assert len({stage.name for stage in STAGES}) == len(STAGES)
    assert len(DATASETS) == sum(len(stage.makes) for stage in STAGES)
    assert set(DATASETS) - {table.name for table in TABLES} == {"models"}
    assert {stage.rows_of for stage in STAGES if stage.rows_of} <= set(SPECTRA.conserved)


@pytest.mark.parametrize("stage", ALL, ids=lambda stage: f"{stage.name}-{stage.run}")
def test_function_of_a_stage_is_there_and_says_what_it_makes(stage: Stage) -> None:
    function = resolve_name(stage.run)
    assert function.__name__ in stage.run
    assert stage.per in Per
    for dataset in stage.makes:
        assert f"`{dataset.name}`" in function.__doc__ or dataset.name == "models"


class Blank:
    """A run on an empty root: nothing is there, and each dataset has a content of its own."""

    def __init__(self, root: Root, config: Config, contents: dict[str, str]) -> None:
        self.run = Run(root, root.ledger, config, SPECTRA)
        self.run.find_content = lambda name: contents.get(name, name)  # type: ignore[method-assign]

    def list_fingerprints(self) -> dict[str, str]:
        return {stage.name: self.run.make_fingerprint(stage, ("a",)) for stage in STAGES}


def list_woken(root: Root, config: Config = Config(), **contents: str) -> set[str]:  # noqa: B008
    """Return the stages that a change wakes by itself."""
    before = Blank(root, Config(), {}).list_fingerprints()
    after = Blank(root, config, contents).list_fingerprints()
    return {name for name, fingerprint in after.items() if fingerprint != before[name]}


def change(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 1.5 + 1
    if isinstance(value, tuple):
        return (*value, 7.0)
    return f"{value}x"


@pytest.mark.parametrize("key", KEYS)
def test_a_setting_wakes_those_that_read_it(store: Root, key: str) -> None:
    section, name = key.split(".")
    values = getattr(Config(), section)
    changed = values.model_copy(update={name: change(getattr(values, name))})
    woken = list_woken(store, Config().model_copy(update={section: changed}))
    assert woken == {stage.name for stage in STAGES if key in stage.reads}


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_content_wakes_those_that_need_it(store: Root, name: str) -> None:
    whole = {stage.name for stage in STAGES if stage.per in (Per.SURVEY, Per.MODEL)}
    woken = list_woken(store, **{name: "other rows"})
    assert woken == {stage.name for stage in STAGES if name in stage.needs} & whole


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_form_of_a_table_wakes_those_that_make_it_and_words_nobody(
    store: Root, monkeypatch: pytest.MonkeyPatch, table: Any
) -> None:
    """So a column more in a table of the release alone wakes no stage of the pipeline."""
    before = Blank(store, Config(), {}).list_fingerprints()
    reworded = replace(
        table,
        description="other words",
        columns=tuple(replace(column, description="other words") for column in table.columns),
    )
    wider = replace(table, columns=(*table.columns, replace(table.columns[0], name="one_more")))
    for changed, makers in (
        (reworded, set()),
        (wider, {s.name for s in STAGES if table.name in {d.name for d in s.makes}}),
    ):
        tables = tuple(changed if other == table else other for other in TABLES)
        monkeypatch.setitem(kinds.KINDS, "spectra", replace(kinds.SPECTRA, tables=tables))
        after = Blank(store, Config(), {}).list_fingerprints()
        assert {name for name in after if after[name] != before[name]} == makers


def remake(root: Root, config: Config) -> dict[str, int]:
    """Run the whole path and return what was made anew, by stage."""
    made: dict[str, int] = {}

    def note(name: str, report: Report) -> None:
        made[name] = report.made

    with root.lock():
        run_stages(root, config, note)
    return {name: n for name, n in made.items() if n}


def with_setting(config: Config, key: str, value: Any) -> Config:
    section, name = key.split(".")
    changed = getattr(config, section).model_copy(update={name: value})
    return config.model_copy(update={section: changed})


@pytest.mark.parametrize(
    ("key", "value", "makers"),
    [
        # No tier moves, so that nobody is woken by the tiers.
        ("grade.silver", 0.051, {"grade"}),
        ("inject.hosts", 2, {"inject"}),
        ("reconstruct.reference_sample", 4, {"reconstruct"}),
        ("crossmatch.position_error", 0.2, {"crossmatch"}),
        ("run.workers", 1, set()),
        ("acquire.concurrency", 3, set()),
        ("train.threads", 2, set()),
        ("release.title", "Other", set()),
    ],
)
def test_a_setting_has_its_stages_made_again_and_no_other(
    lake: Root, config: Config, key: str, value: Any, makers: set[str]
) -> None:
    assert remake(lake, with_setting(config, key, value)).keys() == makers


def test_a_stage_whose_rows_stay_wakes_nobody(lake: Root, config: Config) -> None:
    """A shard of coadds made again to the same rows leaves the rest as it is."""
    lake.lake.shard("coadds", finished_shards(lake, "extract")[0]).unlink()
    assert remake(lake, config) == {"extract": 1}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Settings that are read, as long as the fixture lives."""
    found: set[str] = set()
    sections = {type(getattr(Config(), name)): name for name in Config.model_fields}

    def note(self: Section, name: str) -> Any:
        kind = object.__getattribute__(self, "__class__")
        if kind in sections and name in kind.model_fields:
            found.add(f"{sections[kind]}.{name}")
        return object.__getattribute__(self, name)

    monkeypatch.setattr(Section, "__getattribute__", note, raising=False)
    return found


@pytest.mark.slow
def test_no_stage_reads_a_setting_that_it_does_not_state(
    store: Root, config: Config, reads: set[str]
) -> None:
    """Else a change of the setting would leave old rows standing."""
    undeclared: dict[str, set[str]] = {}
    stages = {stage.name: stage for stage in STAGES}

    def note(name: str, report: Report) -> None:
        stated = set(stages[name].reads)
        undeclared[name] = {key for key in reads - stated if not is_neutral(key)}
        reads.clear()

    with store.lock():
        reads.clear()
        run_stages(store, config, note)
    assert set(undeclared) == set(stages)
    assert {name: keys for name, keys in undeclared.items() if keys} == {}
