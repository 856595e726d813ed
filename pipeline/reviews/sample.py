"""Names the sample to which TARGETIDs belong, so that reviews of mock objects stay apart."""

from catalog_schema.desi import SPECPROD
from pipeline.config import Config
from pipeline.lake.store import digest


def name_sample(config: Config) -> str:
    """Return the reduction's name, or that of the mock survey that the settings make."""
    if config.run.source == "mock":
        return f"mock-{digest(config.mock)[:8]}"
    return SPECPROD
