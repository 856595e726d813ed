"""Numbers of the configuration: finite and within bounds, in every section and at every depth."""

import json
from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel

from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.settings.context import CatalogueSettings

# Neither a number of a survey nor of a computer, in the spellings of TOML.
SENSELESS = ("inf", "-inf", "nan", "1e999", "1e20", "-1e20", str(10**20), f"-{10**20}", "1" * 5000)


def find_numbers(model: type[BaseModel]) -> Iterator[str]:
    """Yield the settings of a section that are numbers."""
    for name, field in model.model_fields.items():
        if {field.annotation, *get_args(field.annotation)} & {int, float}:
            yield name


NUMBERS = [
    f"{section}.{name}"
    for section in Config.model_fields
    for name in find_numbers(type(getattr(Config(), section)))
]


def refuse(override: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(None, [override])
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_every_section_of_numbers_is_looked_at() -> None:
    assert {name.partition(".")[0] for name in NUMBERS} >= {"acquire", "train", "rank", "mock"}
    assert len(NUMBERS) > 75


@pytest.mark.parametrize("value", SENSELESS, ids=lambda text: text[:6])
def test_no_number_is_boundless(value: str) -> None:
    for name in NUMBERS:
        section, key = name.split(".")
        message = refuse(f"{name}={value}")
        assert f"[{section}]" in message
        assert f"'{key}'" in message


def test_no_number_is_negative() -> None:
    for name in NUMBERS:
        refuse(f"{name}=-1")


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e20", "-1e20"])
def test_numbers_of_a_catalogue_have_bounds_too(value: str) -> None:
    names = list(find_numbers(CatalogueSettings))
    assert len(names) > 8
    for name in names:
        message = refuse(f"crossmatch.catalogues={{a = {{{name} = {value}}}}}")
        assert f"'catalogues.a.{name}'" in message


@pytest.mark.parametrize("value", ["[inf]", "[5.0, nan]", "[-1.0]", "[0.0]", "[1e20]", "[]"])
def test_strengths_have_bounds_each(value: str) -> None:
    assert "'strengths" in refuse(f"inject.strengths={value}")


@pytest.mark.parametrize("value", ["[" * 5000, "{a = " * 2000, '"""', "1" * 5000])
def test_what_the_reader_of_toml_cannot_take_is_no_number(value: str) -> None:
    refuse(f"train.epochs={value}")


def test_a_rate_of_no_requests_is_refused() -> None:
    assert "0 or at least" in refuse("acquire.max_requests_per_second=1e-300")
    assert load_config(None, ["acquire.max_requests_per_second=0"])


SETTINGS = [
    (section, key, value)
    for section, part in load_config().model_dump(mode="json").items()
    for key, value in part.items()
    # TOML has no word for nothing.
    if value is not None
]


def write_toml(value: object) -> str:
    if isinstance(value, dict):
        told = {key: part for key, part in value.items() if part is not None}
        return f"{{{', '.join(f'{key} = {write_toml(part)}' for key, part in told.items())}}}"
    return json.dumps(value)


@pytest.mark.parametrize(("section", "key", "value"), SETTINGS)
def test_a_setting_said_again_changes_nothing(section: str, key: str, value: object) -> None:
    assert load_config(None, [f"{section}.{key}={write_toml(value)}"]) == load_config()


@pytest.mark.parametrize(("section", "key"), [setting[:2] for setting in SETTINGS])
def test_a_setting_of_another_type_is_refused_by_name(section: str, key: str) -> None:
    # A date is none of the settings.
    message = refuse(f"{section}.{key}=1979-05-27")
    assert f"section [{section}], key '{key}" in message


@pytest.mark.parametrize("section", Config.model_fields)
def test_a_section_has_no_key_but_its_own(section: str) -> None:
    assert "is unknown" in refuse(f"{section}.no_such_key=1")
