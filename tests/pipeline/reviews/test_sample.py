"""Names of samples: TARGETIDs of two samples never meet, and those of one sample always do."""

from typing import Any

import pytest

from catalog_schema.desi import SPECPROD
from pipeline.config import Config, load_config
from pipeline.ledger.tables import ReviewEvent
from pipeline.reviews.sample import name_sample


def make(*words: str, source: str = "mock", **options: Any) -> Config:
    return load_config(None, words, source=source, **options)


def test_desi_is_named_by_its_reduction_wherever_it_lies() -> None:
    names = {name_sample(make(source=source)) for source in ("s3://desidata/public", "/data/desi")}
    assert names == {SPECPROD}


def test_another_survey_is_named_by_itself_wherever_it_lies() -> None:
    names = {name_sample(make("run.survey=loose", source=place)) for place in ("/a", "/b")}
    assert names == {"loose"}


@pytest.mark.parametrize("word", ["mock.seed=12345", "mock.quasars=777"])
def test_mocks_are_apart_where_their_settings_differ(word: str) -> None:
    assert name_sample(make(word)) != name_sample(make())
    assert name_sample(make(word)) == name_sample(make(word))
    assert name_sample(make()).startswith("mock-")


def test_what_does_not_make_the_mock_does_not_name_it() -> None:
    others = ("run.workers=3", "train.epochs=2", 'release.title="Another"')
    assert {name_sample(make(word)) for word in others} == {name_sample(make())}


def test_other_kinds_are_apart_by_survey_and_source_without_telling_where_it_lies() -> None:
    configs = [
        make("run.kind=toy", source="/home/somebody/a"),
        make("run.kind=toy", source="/home/somebody/b"),
        make("run.kind=toy", "run.survey=loose", source="/home/somebody/a"),
        make("run.kind=images", source="/home/somebody/a"),
    ]
    names = [name_sample(config) for config in configs]
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{c.run.kind}-") for name, c in zip(names, configs, strict=True))
    assert not any("somebody" in name or "/" in name for name in names)


def test_a_name_fits_into_the_ledger() -> None:
    width = ReviewEvent.__table__.c.sample.type.length
    for config in (make(), make(source="/x" * 300), make("run.kind=toy", source="/x" * 300)):
        assert 0 < len(name_sample(config)) <= width
