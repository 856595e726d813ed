"""What is costly to make and only read: one worker makes it for all."""

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def make_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Make a folder unless another worker has; what failed half-way is made again."""
    made = Path(f"{folder}.made")
    with FileLock(f"{folder}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            made.touch()
    return folder
