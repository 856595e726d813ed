"""The mock survey as the source of a run: made when it is not there."""

import shutil
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.files import guard_root
from pipeline.lake.store import Store
from pipeline.numerics import limit_threads
from pipeline.progress import track_counts
from pipeline.settings.spectra import MockSettings
from pipeline.transport.places import find_mock


def make_mock(store: Store, config: Config) -> Path:
    """Make the mock survey of the settings below the data root, unless it is there."""
    folder = find_mock(store, config)
    if not folder.exists():
        for left in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(left)
        folder.with_name(f"{folder.name}-truth.parquet").unlink(missing_ok=True)
        write_mock(folder, config.mock)
    return folder


@limit_threads()
def write_mock(folder: Path, settings: MockSettings, layout: str = "desi") -> None:
    """Write a mock survey to a new folder and its truth table beside it.

    Parameters
    ----------
    folder : Path
    settings : MockSettings
    layout : str
        desi, sdss or lamost.

    Raises
    ------
    UserError
        If the folder exists, cannot be written, or the sizes make no survey.
    """
    from pipeline.spectra.mock.lamost_tree import write_lamost_tree
    from pipeline.spectra.mock.sdss_tree import write_sdss_tree
    from pipeline.spectra.mock.survey import make_survey, write_desi_tree

    writers = {"desi": write_desi_tree, "sdss": write_sdss_tree, "lamost": write_lamost_tree}
    try:
        with guard_root(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            make_survey(
                folder,
                n_quasars=settings.quasars,
                n_galaxies=settings.galaxies,
                n_stars=settings.stars,
                n_pixels=settings.pixels,
                seed=settings.seed,
                has_resolution=settings.resolution,
                progress=track_counts("mock"),
                write=writers[layout],
            )
    except (FileExistsError, ValueError) as error:
        raise UserError(f"mock survey: {error}") from None
