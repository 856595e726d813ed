"""State of an interrupted training, with a digest of itself."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import UserError
from pipeline.lake.files import opening, replacing, show

_DIGEST_BYTES = 32


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace a checkpoint; the old one stays till the new one is whole."""
    buffer = BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(hashlib.sha256(data).digest())
        file.write(data)


def load_checkpoint(path: Path, device: torch.device) -> Any:
    """Return the state that was saved, its tensors on a device; raises as `read_checkpoint`."""
    data = BytesIO(read_checkpoint(path))
    return torch.load(data, weights_only=True, map_location=device)


def read_checkpoint(path: Path) -> bytes:
    """Return the bytes of a saved state.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    with opening(path) as file:
        content = file.read()
    data = content[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != content[:_DIGEST_BYTES]:
        raise UserError(f"{show(path)}: damaged; delete it and run again: its member starts anew")
    return bytes(data)
