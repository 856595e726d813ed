"""Options that are short for a setting: any name arrives as it was given, the last one counts."""

import json
import tomllib

import click
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.cli.options import KIND, SET, SURVEY, root_option
from pipeline.config import Config, load_config

# What a shell can hand over: no zero byte, which ends a word.
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)


@click.command()
@KIND
@SURVEY
@root_option("Where.")
@SET
def told(root: str, overrides: tuple[str, ...]) -> None:
    for override in overrides:
        click.echo(json.dumps(override))


def tell(*words: str) -> list[str]:
    result = CliRunner().invoke(told, words)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


@example("\x7f")
@example('"\\\n#')
@given(WORDS)
def test_a_name_is_a_value_of_toml_that_is_the_name(word: str) -> None:
    (override,) = tell(f"--survey={word}")
    name, _, literal = override.partition("=")
    assert name == "run.survey"
    assert tomllib.loads(f"value = {literal}") == {"value": word}


@pytest.mark.parametrize("place", [0, 1])
def test_an_option_of_its_own_counts_beside_and_after_those_that_are_set(place: int) -> None:
    words = ["--set", "train.epochs=3", "--set", "run.survey=absent"]
    words[2 * place : 2 * place] = ["--survey", "desi"]
    overrides = tell(*words)
    assert overrides[:2] == ["train.epochs=3", "run.survey=absent"]
    assert overrides[2:] == ['run.survey="desi"']


def test_two_options_are_two_settings_and_none_is_none() -> None:
    assert sorted(tell("--survey", "desi", "--kind", "spectra")) == [
        'run.kind="spectra"',
        'run.survey="desi"',
    ]
    assert tell() == []
    # One call leaves nothing behind for the next.
    assert tell("--kind", "spectra") == ['run.kind="spectra"']


@pytest.mark.parametrize("name", ["run.kind", "run.survey"])
def test_what_the_options_set_is_a_setting(name: str) -> None:
    section, key = name.split(".")
    assert key in type(getattr(Config(), section)).model_fields
    word = {"kind": "spectra", "survey": "desi"}[key]
    config = load_config(None, tell(f"--{key}", word))
    assert getattr(getattr(config, section), key) == word
