"""The command line: exit codes, and faults in one line."""

from pathlib import Path

import pytest

from pipeline.spectra.data_path import SPECTRA


def test_help_names_every_stage(call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    assert all(stage.name in out for stage in SPECTRA.stages)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["target", "--set", "train.epoch=3"], "did you mean 'epochs'?"),
        (["target", "--config", "nothing.toml"], "No such file"),
        (["target", "--source", "nothing"], "no such folder"),
        (["target", "--survey", "desy"], "'desy' is none of desi, desi-healpix, desi-tiles"),
        (["target", "--kind", "spectre"], "'spectre' is none of spectra"),
        (["score", "--survey", 'de"si\n'], "is none of desi"),
        (["status"], "no such data root"),
        (["run", "--version", "1"], "X.Y.Z"),
        (["score", "--model", "nothing", "--source", "nothing"], "neither a folder nor an id"),
    ],
)
def test_user_s_fault_is_one_line_and_exit_code_2(call, tmp_path: Path, arguments, part) -> None:
    code, _, err = call(*arguments, "--root", tmp_path / "root")
    assert code == 2
    assert part in err
    assert err.count("\n") == 1
    assert err.startswith("error: ")


def test_stage_runs_on_a_tree_and_says_what_it_made(call, survey: Path, tmp_path: Path) -> None:
    arguments = ("acquire", "--source", survey, "--root", tmp_path / "root")
    code, out, _ = call(*arguments)
    assert code == 0
    assert "targets" in out or "target " in out
    assert "45 of 45 rows" in out
    code, out, _ = call(*arguments)
    assert "1 already done" in out
    code, out, _ = call("status", "--root", tmp_path / "root")
    assert (code, "files" in out) == (0, True)


def test_a_named_survey_is_a_setting(call, survey: Path, tmp_path: Path) -> None:
    arguments = ("--source", survey, "--root", tmp_path / "root")
    code, _, err = call("target", *arguments, "--set", "run.survey=absent", "--survey", "desi")
    assert (code, err) == (0, "")
    code, _, err = call("target", "--survey", "loose", *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert "score them with a finished model" in err


def test_failed_shard_is_exit_code_1(call, survey: Path, tmp_path: Path) -> None:
    source = tmp_path / "dr1"
    for path in survey.rglob("*.fits"):
        copy = source / path.relative_to(survey)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if "205" not in path.name:
            copy.symlink_to(path)
    root = tmp_path / "root"
    code, out, err = call("acquire", "--source", source, "--root", root)
    assert code == 1
    assert "main-dark-205" in err
    code, out, _ = call("status", "--failed", "--root", root)
    assert "main-dark-205" in out


def test_source_of_the_configuration_file_counts(call, survey: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(f'[run]\nsource = "{tmp_path / "not_there"}"\n')
    code, _, err = call(
        "target",
        "--config",
        path,
        "--root",
        tmp_path / "root",
        "--set",
        "mock.quasars=4",
        "--set",
        "mock.pixels=1",
    )
    assert code == 2
    assert "not_there" in err


@pytest.mark.parametrize("option", ["--quasars", "--pixels", "--seed"])
def test_mock_survey_beyond_all_bounds_is_one_line(call, tmp_path: Path, option: str) -> None:
    code, _, err = call("mock", option, 10**20, "--to", tmp_path / "survey")
    assert code == 2
    assert err.startswith("error: ")
    assert f"'{option.removeprefix('--')}'" in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
