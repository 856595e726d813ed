"""Configuration: every fault is one line that names file, section, key and the nearest one."""

import json
from pathlib import Path

import pytest

from pipeline.config import Config, load_config
from pipeline.context.catalogues.declared import resolve_catalogues
from pipeline.errors import UserError

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


def explain(*args: object, **named: object) -> str:
    with pytest.raises(UserError) as caught:
        load_config(*args, **named)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_mock_and_survey_get_their_own_settings() -> None:
    mock, survey = load_config(None, source="mock"), load_config(None, source="/some/tree")
    assert mock.train.epochs < survey.train.epochs
    assert survey.run.source == "/some/tree"
    assert load_config() == mock


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_of_the_documentation_are_settings(path: Path) -> None:
    assert resolve_catalogues(load_config(path).crossmatch)


def test_file_completes_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "[train]\nepochs = 7\n"))
    assert config.train.epochs == 7
    assert config.model_copy(update={"train": Config().train}) == Config()


def test_unknown_section_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "[trian]\nepochs = 1\n")
    message = explain(path)
    assert str(path) in message
    assert "[trian]" in message
    assert "'train'" in message


def test_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "[train]\nepoch = 1\n")
    message = explain(path)
    assert all(word in message for word in (str(path), "[train]", "'epoch'", "'epochs'"))


def test_unknown_key_without_a_neighbour_lists_the_valid_ones(tmp_path: Path) -> None:
    message = explain(write(tmp_path, "[mock]\nxyzzy = 1\n"))
    assert "valid: quasars, galaxies, stars, pixels, seed" in message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[train]\nepochs = 1.5\n", "epochs"),
        ('[train]\nepochs = "7"\n', "epochs"),
        ("[train]\nepochs = true\n", "epochs"),
        ("[train]\nepochs = 0\n", "epochs"),
        ("[train]\nmodel_error = -0.1\n", "model_error"),
        ("[target]\nz_max = nan\n", "z_max"),
        ("[run]\nsource = 3\n", "source"),
        ("[release]\naccept_failed_shards = 1\n", "accept_failed_shards"),
    ],
)
def test_wrong_value_names_section_and_key(tmp_path: Path, text: str, key: str) -> None:
    message = explain(write(tmp_path, text))
    assert text.splitlines()[0] in message
    assert f"'{key}'" in message


def test_section_that_is_no_table(tmp_path: Path) -> None:
    assert "[train]" in explain(write(tmp_path, "train = 3\n"))


def test_section_that_is_no_table_with_an_override(tmp_path: Path) -> None:
    assert "train" in explain(write(tmp_path, "train = 3\n"), ["train.epochs=2"])


def test_bad_toml_and_missing_file(tmp_path: Path) -> None:
    assert "is not TOML" in explain(write(tmp_path, "[train\n"))
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe")
    assert "is not TOML" in explain(tmp_path / "run.toml")
    assert "No such file" in explain(tmp_path / "nothing.toml")
    assert "--config" in explain(tmp_path)


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("train.epochs=9", "train", "epochs", 9),
        ("train.learning_rate=1e-4", "train", "learning_rate", 1e-4),
        ("target.z_min=1", "target", "z_min", 1.0),
        ("train.device=cuda", "train", "device", "cuda"),
        ('train.device="cuda:0"', "train", "device", "cuda:0"),
        ("train.device=cuda:0", "train", "device", "cuda:0"),
        ("release.accept_failed_shards=true", "release", "accept_failed_shards", True),
        ("release.title=a=b", "release", "title", "a=b"),
    ],
)
def test_override(text: str, section: str, key: str, value: object) -> None:
    found = getattr(getattr(load_config(None, [text]), section), key)
    assert found == value
    assert type(found) is type(value)


def test_override_beats_the_file_and_the_last_one_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "[train]\nepochs = 7\n")
    assert load_config(path, ["train.epochs=8", "train.epochs=9"]).train.epochs == 9


@pytest.mark.parametrize("text", ["train.epochs", "epochs=3", "train.=3", ".epochs=3", "=", ""])
def test_override_of_another_form(text: str) -> None:
    assert "section.key=value" in explain(None, [text])


def test_override_of_an_unknown_key() -> None:
    assert "'epochs'" in explain(None, ["train.epocs=3"])


@pytest.mark.parametrize(("gold", "silver"), [(0.05, 0.05), (0.06, 0.05), (0.01, 0.10)])
def test_levels_must_rise(gold: float, silver: float) -> None:
    message = explain(None, [f"grade.gold={gold}", f"grade.silver={silver}"])
    assert "[grade]" in message
    assert "gold < silver < bronze" in message


@pytest.mark.parametrize(
    "overrides",
    [
        ["target.z_min=3", "target.z_max=2"],
        ["target.validation_fraction=0.6", "target.test_fraction=0.6"],
        ["calibrate.tail_fraction=0.05", "calibrate.contamination=0.4"],
        ["train.latent=64"],
        ["target.z_max=inf"],
    ],
    ids=["range", "splits", "tail", "latent", "infinite"],
)
def test_settings_that_contradict_each_other_are_refused(overrides: list[str]) -> None:
    explain(None, overrides)


def test_config_is_frozen_and_survives_json() -> None:
    config = load_config(None, ["train.epochs=3"])
    with pytest.raises(ValueError, match="frozen"):
        config.train.epochs = 4
    assert Config.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("value", ["3\nfolds = 2", "3\n[train]", '"x"\ny = 1'])
def test_a_value_is_one_value_and_what_follows_is_not_lost(value: str) -> None:
    assert "got" in explain(None, [f"train.epochs={value}"])
    assert load_config(None, [f"release.title={value}"]).release.title == value


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[31m", "x" * 5000, "\u2028"])
def test_names_that_are_none_are_told_in_one_line(tmp_path: Path, name: str) -> None:
    quoted = json.dumps(name)
    for text in (f"[{quoted}]\n", f"[train]\n{quoted} = 1\n", f"{quoted} = 1\n"):
        message = explain(write(tmp_path, text))
        assert len(message.splitlines()) == 1
        assert len(message) < 500
        assert "\x1b" not in message
    for override in (f"{name}.epochs=1", f"train.{name}=1"):
        message = explain(None, [override])
        assert len(message.splitlines()) == 1
        assert "\x1b" not in message
