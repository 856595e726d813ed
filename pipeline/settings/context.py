"""Settings of external catalogues and of the search in them."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.names import is_name
from pipeline.settings.section import ALL_ROWS, Section


class CatalogueSettings(Section):
    """An external catalogue: where it is, what its columns are called, what counts as a match.

    `files` are local FITS, VOTable, CSV or Parquet files, or folders of Parquet, in order of
    preference: of rows of several files within `duplicate_radius` only the first counts. Otherwise
    `service` (CDS XMatch or TAP, at `url`) has the catalogue as `table`. `id`, `ra`, `dec`,
    `pm_ra`, `pm_dec` (mas/yr), `error` and `keep` name columns; an error times `error_scale` is one
    sigma per axis in arcsec, and `position_error` holds where there is none. `object_type` and
    `references` name two of the kept: what an object is, and how many publications mention it;
    `link` is the address of its page, with {id} for its identifier. Radii are in arcsec, `epoch` is
    Julian. The catalogue covers what is in the `moc` file and satisfies every limit (degrees,
    declination and Galactic).
    """

    title: str = ""
    files: list[str] = Field(default_factory=list)
    duplicate_radius: float = Field(5.0, gt=0, le=3600)
    service: Literal["", "xmatch", "tap"] = ""
    url: str = ""
    table: str = ""
    id: str = ""
    ra: str = "ra"
    dec: str = "dec"
    position_unit: Literal["", "deg", "rad", "hourangle"] = ""
    pm_ra: str = ""
    pm_dec: str = ""
    epoch: float | None = Field(None, gt=1800, lt=2200)
    error: str = ""
    error_scale: float = Field(1.0, gt=0, le=1e7)
    position_error: float = Field(0.0, ge=0, le=3600)
    keep: list[str] = Field(default_factory=list)
    object_type: str = ""
    references: str = ""
    link: str = Field("", pattern=r"^(https?://.*\{id\}.*)?$")
    radius: float = Field(2.0, gt=0, le=180)
    max_normalised_separation: float | None = Field(None, gt=0, le=1e3)
    moc: str = ""
    dec_min: float = Field(-90.0, ge=-90, le=90)
    dec_max: float = Field(90.0, ge=-90, le=90)
    galactic_latitude_min: float = Field(0.0, ge=0, le=90)
    galactic_longitude_min: float = Field(0.0, ge=0, le=360)
    galactic_longitude_max: float = Field(360.0, ge=0, le=360)
    acknowledgement: str = ""


class CrossmatchSettings(Section):
    """Which catalogues are searched, and how.

    `catalogues` gives files to declared catalogues (``context/catalogues/declared.toml``), changes
    their declarations, or adds others. The services of those in `ask` are asked over the network,
    for the graded objects or for all. `epoch` (Julian) and `position_error` (arcsec, one sigma per
    axis) are those of DESI's target positions. Chance is measured at `chance_shifts` positions
    around each of at most `chance_objects` objects.
    """

    catalogues: dict[str, CatalogueSettings] = Field(default_factory=dict)
    ask: list[str] = Field(default_factory=list)
    ask_for: Literal["graded", "all"] = "graded"
    epoch: float = Field(2015.5, gt=1800, lt=2200)
    position_error: float = Field(0.1, ge=0, le=3600)
    chance_shifts: int = Field(4, ge=0, le=36)
    chance_objects: int = Field(20_000, ge=1, le=ALL_ROWS)
    batch_rows: int = Field(10_000, ge=1, le=10**7)
    timeout_s: float = Field(300.0, ge=0.01, le=86_400)
    max_attempts: int = Field(3, ge=1, le=1000)
    backoff_s: float = Field(5.0, ge=0, le=3600)
    seconds_between_requests: float = Field(1.0, ge=0, le=3600)
    threads: int = Field(2, ge=1, le=1024)
    memory_mb: int = Field(600, ge=100, le=2**24)

    @model_validator(mode="after")
    def _catalogues_can_be_files(self) -> "CrossmatchSettings":
        for name in self.catalogues:
            if not is_name(name):
                raise ValueError(f"catalogue {ascii(name)[:60]} is not of letters, digits, _ and -")
        return self
