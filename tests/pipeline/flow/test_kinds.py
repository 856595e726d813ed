"""The kinds of data that a run may be of, and the settings that decide no byte."""

import pytest
from toy_run import register

from catalog_schema.kinds import KINDS
from catalog_schema.parents import PARENTS
from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.flow.kinds import NEUTRAL, PATHS, find_path


def test_a_run_goes_the_path_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    words = {parent.kind: word for word, parent in PARENTS.items()}
    for name, path in PATHS.items():
        chosen = [f"target.classes={words[name]}"] if name in words else []
        assert find_path(load_config(None, [f"run.kind={name}", *chosen])) is path


@pytest.mark.parametrize("word", PARENTS)
def test_the_class_that_is_judged_says_which_path_spectra_go(word: str) -> None:
    assert find_path(load_config(None, [f"target.classes={word}"])).kind == PARENTS[word].kind


def test_a_kind_that_is_not_of_the_class_is_refused() -> None:
    with pytest.raises(UserError, match=r"run\.kind 'stars' needs target.classes=star"):
        find_path(load_config(None, ["run.kind=stars", "target.classes=galaxy"]))


def test_a_path_declares_the_kind_under_whose_name_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    register(monkeypatch)
    assert set(PATHS) == set(KINDS)
    for name, path in PATHS.items():
        kind = KINDS[path.kind]
        assert kind.name == name
        made_as_tables = {dataset for dataset in path.datasets if dataset in kind}
        assert {"targets", "scores", "tiers"} <= made_as_tables


def test_an_unknown_kind_is_refused_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(monkeypatch)
    with pytest.raises(UserError, match=r"run\.kind 'images' is none of spectra, .*toy") as caught:
        find_path(load_config(None, ["run.kind=images"]))
    assert "\n" not in str(caught.value)


def test_neutral_settings_are_settings() -> None:
    values = Config().model_dump()
    for name in NEUTRAL:
        section, _, key = name.partition(".")
        assert section in values, name
        assert not key or key in values[section], name
    assert len(NEUTRAL) == len(set(NEUTRAL))
    # A section and one of its keys would say it twice.
    assert not any(name.partition(".")[0] in NEUTRAL for name in NEUTRAL if "." in name)
