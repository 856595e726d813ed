"""The folder of what the portal keeps from one start to the next: indexes and verdicts."""

import os
import tempfile
from pathlib import Path

CACHE_VARIABLE = "QAD_CACHE"


def make_folder() -> Path:
    """Return the folder, made if it is not there.

    Raises
    ------
    OSError
        If it cannot be made or belongs to somebody else.
    """
    default = Path(tempfile.gettempdir()) / f"desi-qad-portal-{os.getuid()}"
    folder = Path(os.environ.get(CACHE_VARIABLE, default))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # In a folder that all may write, another's file could lie where ours is expected.
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder
