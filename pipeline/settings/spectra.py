"""Settings of spectra: the mock survey, samples, joining, windows, earlier spectra."""

from typing import Any, Literal

from pydantic import Field, model_validator

from catalog_schema.parents import PARENTS, QSO, ParentSample
from pipeline.settings.section import ALL_ROWS, MAX_SEED, Section

# HEALPix pixels of the sky at nside 64.
_N_PIXELS = 12 * 64**2


class MockSettings(Section):
    """Size of the mock survey.

    `galaxies` and `stars` are those of populations of their own, with planted anomalies, beside the
    companions that come with every quasar. Without `resolution` a coadd has no resolution matrices,
    which nothing here reads and which are three quarters of its bytes.
    """

    quasars: int = Field(1500, ge=1, le=10**7)
    galaxies: int = Field(0, ge=0, le=10**7)
    stars: int = Field(0, ge=0, le=10**7)
    pixels: int = Field(12, ge=1, le=_N_PIXELS)
    seed: int = Field(1, ge=0, le=MAX_SEED)
    resolution: bool = True


class TargetSettings(Section):
    """The parent sample.

    `classes` is which spectra are judged: ``qso``, ``galaxy`` or ``star`` by the class of the
    redshift fitter, each in its own rest frame, or ``any`` with a spectrum, in the observed frame.
    `z_min` and `z_max` limit the redshifts; without them the class's own limits count. A redshift
    is trusted where the fitter prefers it by at least `min_deltachi2`.
    `validation_fraction` and `test_fraction` are of sky pixels, so no object is on both sides; the
    others are of the spectra that may be drawn as negative controls. `quasarnet_threshold` is the
    confidence above which QuasarNet counts.
    """

    classes: Literal["qso", "galaxy", "star", "any"] = "qso"
    z_min: float = Field(QSO.z_min, ge=-0.1, le=20)
    z_max: float = Field(QSO.z_max, ge=-0.1, le=20)
    min_deltachi2: float = Field(0.0, ge=0, le=1e6)
    validation_fraction: float = Field(0.15, gt=0, lt=1)
    test_fraction: float = Field(0.10, ge=0, lt=1)
    quasarnet_threshold: float = Field(0.95, gt=0, lt=1)
    sky_fraction: float = Field(0.01, ge=0, le=1)
    standard_fraction: float = Field(0.02, ge=0, le=1)
    galaxy_fraction: float = Field(0.002, ge=0, le=1)
    star_fraction: float = Field(0.002, ge=0, le=1)
    quasar_fraction: float = Field(0.01, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _limit_by_class(cls, values: Any) -> Any:
        """Complete the limits by those of the class."""
        if not isinstance(values, dict):
            return values
        parent = PARENTS.get(str(values.get("classes", "qso")), QSO)
        return {"z_min": parent.z_min, "z_max": parent.z_max} | values

    @property
    def parent(self) -> ParentSample:
        """The parent sample that `classes` asks for."""
        return PARENTS[self.classes]

    @model_validator(mode="after")
    def _ranges_hold(self) -> "TargetSettings":
        if not self.z_min < self.z_max:
            raise ValueError("z_min must be smaller than z_max")
        if not self.validation_fraction + self.test_fraction < 1:
            raise ValueError("validation_fraction + test_fraction must leave something to train")
        return self


class ExtractSettings(Section):
    """Joining the arms: a pixel below the floor is bad, as in DESI's own coaddition."""

    ivar_floor: float = Field(1e-6, ge=0, le=1e3)


class PreprocessSettings(Section):
    """The rest-frame grid and what a window needs."""

    log10_step: float = Field(1e-4, ge=1e-5, le=5e-4)
    min_valid_fraction: float = Field(0.2, gt=0, le=1)
    r_v: float = Field(3.1, ge=2, le=6)


class EarlierSettings(Section):
    """Earlier spectra of the same objects, with which the present ones are compared.

    `index` is a table (FITS, VOTable, CSV or Parquet) with a row for each spectrum, whose columns
    `ra`, `dec` (ICRS, degrees), `mjd` and `file` name; the files lie below `spectra`, a folder or a
    remote location. Without an index nothing is compared. Positions within `radius` (arcsec) are
    the same object. The flux scales of two spectra differ by a factor of 1 with a relative error
    of `grey_error`. A broad line has appeared or vanished where its change exceeds `min_change`
    standard errors and at most `max_left` of the brighter flux is left in the fainter spectrum.
    """

    index: str = ""
    spectra: str = ""
    ra: str = "ra"
    dec: str = "dec"
    mjd: str = "mjd"
    file: str = "file"
    radius: float = Field(1.0, gt=0, le=10)
    grey_error: float = Field(0.15, gt=0, lt=1)
    min_change: float = Field(3.0, gt=0, le=1e3)
    max_left: float = Field(0.55, gt=0, le=1)

    @model_validator(mode="after")
    def _index_has_files(self) -> "EarlierSettings":
        if self.index and not self.spectra:
            raise ValueError("spectra must name the place of the files that the index lists")
        return self


class ReconstructSettings(Section):
    """Which spectra are published."""

    reference_sample: int = Field(200, ge=0, le=ALL_ROWS)
