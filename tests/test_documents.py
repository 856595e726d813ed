"""What the documents show is there: commands, options, targets, files, settings, stages."""

import ast
import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest
from distributions import EXTRAS
from documented import DOCUMENTS, ROOT, find_commands, find_examples, find_mentions

from catalog_schema import kinds
from pipeline.cli.main import qad
from pipeline.config import Config, load_config
from pipeline.spectra.data_path import SPECTRA
from pipeline.stage import Per
from release.checks.validate import list_checks

_FOLDERS = "benchmarks|catalog_schema|deploy|docs|pipeline|portal|release|tests"
# Of files, whose names may begin like a section.
_ENDINGS = {"csv", "parquet", "py", "toml"}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)


def _parse(words: list[str], *, whole: bool) -> None:
    """Read the words of a call as the command line does; a part of one need not have them all."""
    command: click.Command | None = qad
    words = [word.strip("[]").removesuffix("]…") for word in words[1:]]
    # A number by its letter or name.
    words = ["1" if re.fullmatch("[A-Z]|TARGETID", word) else word for word in words]
    while isinstance(command, click.Group) and words:
        command = command.get_command(click.Context(command), words.pop(0))
    assert command, "no such command"
    try:
        command.make_context(command.name, words)
    except (click.MissingParameter, click.BadOptionUsage):
        assert not whole
    except click.exceptions.NoArgsIsHelpError:
        pass


@each_document
def test_every_call_of_the_command_line_is_one(document: Path) -> None:
    for words in find_commands(document):
        if words[0] == "qad":
            _parse(words, whole=True)
    for words in find_mentions(document):
        _parse(words, whole=False)


@each_document
def test_every_target_file_and_option_is_there(document: Path) -> None:
    for words in find_commands(document):
        if words[0] == "make":
            subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, check=True)
        elif words[0] == "python" and words[1] != "-m":
            text = (ROOT / words[1]).read_text()
            assert all(f'"{word}"' in text for word in words[2:] if word.startswith("--")), words
        elif words[:2] == ["docker", "build"]:
            assert (ROOT / words[words.index("-f") + 1]).exists()
    for extra in re.findall(r"desi-qad\[(\w+)\]", document.read_text()):
        assert extra in EXTRAS
    for name in re.findall(rf"`((?:{_FOLDERS})/[\w./]*)", document.read_text()):
        is_pattern = any(word.isupper() for word in re.split(r"[/._]", name))
        assert is_pattern or (ROOT / name).exists(), name


@each_document
def test_every_test_module_and_setting_is_there(document: Path) -> None:
    names = set(re.findall(r"`([^`\n]+)`", document.read_text()))
    tests = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert {name for name in names if re.fullmatch(r"test_\w+", name)} <= tests
    sections = Config().model_dump()
    for name in names:
        section, _, key = name.partition("=")[0].partition(".")
        if re.fullmatch(r"(pipeline|release|portal|catalog_schema)(\.\w+)+", name):
            assert (section in sections and key in sections[section]) or resolve_name(name)
        elif section in sections and re.fullmatch(r"[a-z_0-9]+", key) and key not in _ENDINGS:
            assert key in sections[section], name


@each_document
def test_every_example_fits(document: Path, tmp_path: Path) -> None:
    for text in find_examples(document, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)
    for text in find_examples(document, "toml"):
        if "auth" not in tomllib.loads(text):  # Streamlit's own file
            (tmp_path / "run.toml").write_text(text)
            load_config(tmp_path / "run.toml", [], source="tree")


def test_data_path_of_the_readme_is_the_pipeline_s() -> None:
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^ *│ (\w+) +▶ (\S+)", text, re.MULTILINE)
    assert {stage: dataset.split("/")[0] for stage, dataset in rows} == {
        stage.name: stage.dataset.name for stage in SPECTRA.stages
    }
    assert [stage for stage, _ in rows] == [stage.name for stage in SPECTRA.stages]


def test_stages_that_run_on_a_cluster_are_named() -> None:
    listed = re.search(r"sharded stages \((.*?)\)", (ROOT / "docs" / "deploy.md").read_text())
    assert listed
    sharded = [stage.name for stage in SPECTRA.stages if stage.per is Per.SHARD]
    assert re.findall(r"`(\w+)`", listed[1]) == sharded


def test_every_check_of_a_release_is_documented() -> None:
    text = (ROOT / "docs" / "release.md").read_text().partition("## Checks")[2].partition("## ")[0]
    listed = {
        name
        for row in re.findall(r"^\| (`[^|]*) \|", text, re.M)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert listed == set(list_checks(kinds.SPECTRA))
