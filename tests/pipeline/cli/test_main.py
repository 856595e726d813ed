"""What the command line says of a stage and of its commands."""

import click
import pytest
from click.testing import CliRunner

from catalog_schema.vocabulary import ShardState
from pipeline.cli.main import _tell, qad
from pipeline.flow.kinds import PATHS
from pipeline.flow.report import Report, summarise
from pipeline.lake.layout import Shard
from pipeline.ledger.outcome import Outcome

PLUGINS = {"portal", "release"}


def test_a_stage_is_told_in_one_line_with_what_was_lost(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("scores", 3, 4, (), 50, 40, {"no_signal": 7, "nothing": 0, "short": 3})
    _tell("score", report)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err == ""
    told = "score 3 made, 4 already done 40 of 50 rows; dropped: no_signal 7, short 3"
    assert " ".join(out.split()) == told


def test_notes_are_below_and_failures_apart(capsys: pytest.CaptureFixture[str]) -> None:
    shards = [Shard("main", "dark", pixel) for pixel in (3, 1, 2)]
    outcomes = [
        Outcome(shards[0], "score", ShardState.FAILED, n_expected=5, error="torn"),
        Outcome(shards[1], "score", ShardState.DONE, n_expected=5, n_made=5, notes=("odd",)),
        Outcome(shards[2], "score", ShardState.FAILED, n_expected=7, error="worn"),
    ]
    _tell("score", summarise("scores", outcomes))
    out, err = capsys.readouterr()
    assert "1 made, 0 already done" in out
    assert "5 of 17 rows" in out
    assert f"note: {shards[1]}: odd" in out
    assert [line.strip() for line in err.splitlines()] == [
        f"failed: {shards[2]}: worn",
        f"failed: {shards[0]}: torn",
    ]


def test_a_stage_that_was_given_nothing_tells_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    _tell("train", Report("models", 1, 0))
    assert "rows" not in capsys.readouterr().out


def test_each_stage_of_every_kind_and_each_plugin_is_a_command() -> None:
    stages = {stage.name for path in PATHS.values() for stage in path.stages}
    context = click.Context(qad)
    names = qad.list_commands(context)
    assert len(set(names)) == len(names)
    assert stages | PLUGINS | {"run", "status", "tune", "mock", "backup"} <= set(names)
    for name in names:
        command = qad.get_command(context, name)
        assert command is not None, name
        assert command.help, name
    assert qad.get_command(context, "nothing") is None


@pytest.mark.parametrize("name", ["run", "acquire", "target", "score", "grade", "tune", "status"])
def test_help_is_there_for_each_option_and_needs_no_data_root(name: str) -> None:
    result = CliRunner().invoke(qad, [name, "--help"])
    assert result.exit_code == 0
    command = qad.get_command(click.Context(qad), name)
    assert command is not None
    for option in command.params:
        assert option.opts[0] in result.output
    assert "--root" in result.output


@pytest.mark.parametrize(
    "words", [("mock", "--quasars", "0"), ("mock", "--seed=-1"), ("tune", "--trials", "0")]
)
def test_numbers_beyond_their_bounds_are_refused_before_anything_is_done(
    words: tuple[str, ...],
) -> None:
    result = CliRunner().invoke(qad, words)
    assert result.exit_code == 2
    assert "is not in the range" in result.output
