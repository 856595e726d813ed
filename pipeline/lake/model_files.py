"""The files of a model: a sealed card that says what each of the others holds."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UserError, first_line
from pipeline.lake.files import opening, show
from pipeline.lake.layout import MODEL_CARD
from pipeline.lake.seals import open_values, seal_values
from pipeline.names import check_name


def write_card(folder: Path, values: Mapping[str, Any]) -> None:
    """Write the card of a model whose other files are there; later ones are datasets."""
    others = (path for path in sorted(folder.iterdir()) if path.name != MODEL_CARD)
    files = {path.name: _hash(path.read_bytes()) for path in others}
    card = seal_values({**values, "files": files})
    (folder / MODEL_CARD).write_text(json.dumps(card, indent=1) + "\n")


def read_card(folder: Path) -> Mapping[str, Any]:
    """Return a model's card.

    Raises
    ------
    UserError
        If the folder is no model, or the card is damaged.
    """
    path = folder / MODEL_CARD
    try:
        with opening(path) as file:
            card = open_values(file.read())
        check_name(card["id"], f"{show(path)}: id")
        files = dict(card["files"])
    except FileNotFoundError:
        raise UserError(
            f"{show(folder)} is no model: it has no {MODEL_CARD}; give an id or a folder"
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{show(path)}: damaged, or made by an older version ({first_line(error)}); delete the "
            "model and train again"
        ) from None
    return {**card, "files": files}


def read_model_file(folder: Path, card: Mapping[str, Any], name: str) -> bytes:
    """Return a file of a model.

    Raises
    ------
    UserError
        If it is missing, or not what the card says.
    """
    path = folder / name
    try:
        with opening(path) as file:
            data = bytes(file.read())
    except OSError as error:
        raise damaged(path, first_line(error)) from None
    if _hash(data) != card["files"].get(name):
        raise damaged(path, "it does not hold what was written")
    return data


def verify_model(folder: Path) -> None:
    """Compare every file that a model's card lists with it.

    Raises
    ------
    UserError
        If the card or one of them is missing or damaged.
    """
    card = read_card(folder)
    for name in card["files"]:
        read_model_file(folder, card, check_name(name, f"{show(folder)}: file"))


def damaged(path: Path, reason: str) -> UserError:
    """Return the error that says so of a model or one of its files."""
    return UserError(f"{show(path)}: damaged ({reason}); delete the model and train again")


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
