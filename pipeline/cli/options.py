"""Options that commands share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

# Where a call keeps the settings that options of their own have named.
_NAMED = "pipeline.cli.options.named"
# Adds a parameter to a command.
Option = Callable[[Any], Any]


def root_option(about: str) -> Option:
    """Return ``--root``; `about` says what the command wants of the data root."""
    return click.option(
        "--root",
        type=click.Path(path_type=Path),
        default=Path("data"),
        show_default=True,
        help=about,
    )


CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="TOML file; without it the mock survey and real spectra get their own settings.",
)


def setting_option(name: str, setting: str, about: str) -> Option:
    """Return an option that is short for ``--set SETTING=NAME``, which its command must have."""

    def keep(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            # The one character that JSON leaves as it is and TOML does not.
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            context.meta.setdefault(_NAMED, []).append(f"{setting}={text}")

    return click.option(
        name, metavar="NAME", help=about, callback=keep, expose_value=False, is_eager=True
    )


def _add_named(
    context: click.Context, _: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    return (*value, *context.meta.get(_NAMED, ()))


SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override one setting.",
    callback=_add_named,
)
KIND = setting_option("--kind", "run.kind", "Kind of data of the source, by default spectra.")
SURVEY = setting_option(
    "--survey", "run.survey", "Survey that the source is of; without it it is recognised."
)
