"""What is costly to make and only read: one worker makes it for all."""

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def make_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Make a folder unless another worker has."""
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make(folder)
    return folder
