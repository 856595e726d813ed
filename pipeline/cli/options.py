"""Options that commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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
SET = click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one setting."
)
