"""Settings that the whole run shares."""

from pydantic import Field

from pipeline.settings.section import MAX_SEED, Section


class RunSettings(Section):
    """What the whole run shares.

    `kind` is the kind of data: spectra, tables, images.
    `survey` is the name of the survey that `source` is of; empty, it is recognised.
    `lake` is ``s3://BUCKET/PREFIX`` of datasets and models; empty, they are below the data root.
    `redshifts` is a table with redshifts of loose files; without it the files' own count.
    """

    kind: str = "spectra"
    source: str = "mock"
    survey: str = ""
    redshifts: str = ""
    workers: int = Field(1, ge=1, le=10_000)
    seed: int = Field(1, ge=0, le=MAX_SEED)
    ledger_url: str = ""
    lake: str = ""
