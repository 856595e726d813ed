"""What a survey of spectra is asked for."""

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from pipeline.config import Config


def find_sampling(config: Config) -> Sampling:
    """Return the grid and the arms of the survey that a run reads."""
    return SAMPLING
