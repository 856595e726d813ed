"""Local files and folders that the settings name."""

from pathlib import Path

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.layout import is_remote
from pipeline.lake.store import Store, digest


def find_mock(store: Store, config: Config) -> Path:
    """Return the folder of the mock survey that these settings make."""
    return store.lake.mock(digest(config.mock)[:8])


def find_beside(store: Store, config: Config, key: str, name: str) -> Path:
    """Return a local file or folder that the settings name.

    It is looked for below the source, where that is local, and then from the working folder.

    Raises
    ------
    UserError
        If it is in neither.
    """
    source = find_mock(store, config) if config.run.source == "mock" else Path(config.run.source)
    folders = [Path()] if is_remote(config.run.source) else [source, Path()]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    looked = " and ".join(str(folder.resolve()) for folder in folders)
    raise UserError(f"{key} {name}: no such file in {looked}")
