"""Names the sample to which TARGETIDs belong, so that reviews of mock objects stay apart."""

from catalog_schema.desi import SPECPROD
from pipeline.config import Config
from pipeline.lake.store import digest


def name_sample(config: Config) -> str:
    """Return the name of the survey or of DESI's reduction, or that of what the settings make.

    A source of another kind of data goes by its name, which a digest keeps short and private.
    """
    run = config.run
    if run.kind != "spectra":
        return f"{run.kind}-{digest(run.survey, run.source)[:8]}"
    if run.source == "mock":
        return f"mock-{digest(config.mock)[:8]}"
    return run.survey or SPECPROD
