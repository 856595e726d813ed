"""Loose files among the surveys: known by their spectra, not chosen from a catalogue."""

from pathlib import Path
from typing import ClassVar, NoReturn

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.layout import is_remote
from pipeline.lake.store import Store


class LooseFiles:
    """A file of spectra or a folder of them, which `ingest` lays out for a finished model."""

    sampling: ClassVar[Sampling] = SAMPLING
    has_catalogue: ClassVar[bool] = False

    @staticmethod
    def recognise(source: str) -> bool:
        """Take every local file and folder."""
        return not is_remote(source) and Path(source).exists()

    @classmethod
    def open(cls, store: Store, config: Config) -> NoReturn:
        """Refuse: no stage can select from them.

        Raises
        ------
        UserError
        """
        raise UserError(
            f"source {config.run.source}: loose files, no survey: score them with a finished "
            "model, give the folder that holds spectro/, or name their survey with --survey"
        )
