"""Errors as one line: their first words, no passwords, and which extra brings what is missing."""

import json
import subprocess
from pathlib import Path

import pytest
from distributions import make_environment
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError, MissingFileError, UserError, first_line, hide_passwords

# Calls every command, or those whose first word was given, with the arguments that it cannot do
# without; prints how each ended.
_CALL = """
import contextlib, io, json, sys, traceback
import click
from pipeline.cli.main import main, qad

def leaves(group, words):
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from leaves(command, [*words, name])
        else:
            yield command, [*words, name]

ended, chosen = {}, sys.argv[1:]
for command, words in leaves(qad, []):
    if chosen and words[0] not in chosen:
        continue
    needed = [p for p in command.params if p.required]
    options = [word for p in needed if isinstance(p, click.Option) for word in (p.opts[0], "0.1.0")]
    given = [p for p in needed if isinstance(p, click.Argument)]
    arguments = ["1" if p.type is click.INT else "nothing" for p in given]
    sys.argv = ["qad", *words, *options, *arguments]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code
        except BaseException:
            code = traceback.format_exc()
    ended[" ".join(words)] = code, said.getvalue()
print(json.dumps(ended))
"""


def _call(folder: Path, extra: str, *commands: str) -> dict[str, tuple[object, str]]:
    command = [make_environment(folder / "environment", extra), "-c", _CALL, *commands]
    empty = folder / "empty"
    empty.mkdir()
    done = subprocess.run(
        command, cwd=empty, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(empty.iterdir())
    return json.loads(done.stdout)


def _named(ended: dict[str, tuple[object, str]]) -> dict[str, str]:
    """Return the extra that each command asks for."""
    named = {}
    for command, (code, said) in ended.items():
        if "is missing: pip install" in said:
            assert code == 2, command
            assert said.count("\n") == 1, said
            named[command] = said.split("[")[1].split("]")[0]
        else:
            assert code in (0, 1, 2), f"{command}: {code}"
    return named


def test_with_the_portal_alone(tmp_path: Path) -> None:
    named = _named(ended := _call(tmp_path, "portal"))
    assert ended.keys() - named.keys() == {"portal"}
    assert "no release in data" in ended["portal"][1]
    for command, extra in named.items():
        is_of_release = command.startswith(("release ", "plot"))
        assert extra == ("release" if is_of_release else "pipeline"), command


def test_with_the_release_generator_alone(tmp_path: Path) -> None:
    commands = ("portal", "release", "run", "train")
    named = _named(ended := _call(tmp_path, "release", *commands))
    assert named["portal"] == "portal"
    assert named["run"] == named["train"] == "pipeline"
    assert "release validate" in ended.keys() - named.keys()


def test_with_the_pipeline_alone(tmp_path: Path) -> None:
    named = _named(ended := _call(tmp_path, "pipeline", "portal", "run", "status"))
    assert named["portal"] == "portal"
    assert named["run"] == "release"
    assert "status" in ended.keys() - named.keys()


@pytest.mark.parametrize("call", [["--help"], ["run", "--help"], ["release", "--help"]])
def test_help_needs_no_extra(tmp_path: Path, call: list[str]) -> None:
    python = make_environment(tmp_path / "environment")
    code = "from pipeline.cli.main import main; main()"
    done = subprocess.run([python, "-c", code, *call], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout


TEXT = st.text(st.characters(exclude_categories=("C", "Z")), max_size=9)


@given(lines=st.lists(TEXT, max_size=4))
def test_the_first_line_of_an_error_says_something(lines: list[str]) -> None:
    whole = "\n".join(lines)
    said = first_line(ValueError(whole))
    assert said == (whole.splitlines()[0] if whole else "ValueError")
    assert "\n" not in said


@given(
    user=st.text("abc", max_size=3),
    word=st.text("abc@:%!", min_size=1, max_size=8),
    before=st.sampled_from(["", "see ", "a://b:c@d/ "]),
)
def test_no_password_of_an_address_is_told(user: str, word: str, before: str) -> None:
    said = hide_passwords(f"{before}postgresql://{user}:{word}@host:5432/books now")
    assert said.endswith(f"postgresql://{user}:***@host:5432/books now")
    assert hide_passwords(said) == said
    assert ":c@" not in said


@pytest.mark.parametrize("text", ["no address", "https://host/a:b@c", "mail a:b@c", "s3://b/x@y"])
def test_what_holds_no_password_stays(text: str) -> None:
    assert hide_passwords(text) == text


def test_errors_of_data_carry_what_was_spent() -> None:
    error = DataError("it: bad")
    assert (str(error), error.requests, error.n_bytes) == ("it: bad", {}, 0)
    assert DataError("a").requests is not DataError("b").requests
    assert issubclass(MissingFileError, DataError)
    assert not issubclass(UserError, DataError)
