"""Settings of a run: one TOML file, one section per stage, typed and checked."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from catalog_schema.vocabulary import Tier
from pipeline.errors import UserError, first_line, hide_passwords
from pipeline.names import is_name

# Of NumPy's and scikit-learn's generators.
MAX_SEED = 2**32 - 1
# More rows than any survey has.
ALL_ROWS = 10**9
# HEALPix pixels of the sky at nside 64.
N_PIXELS = 12 * 64**2
# No TOML, no text, or a number of thousands of digits; brackets in thousands of brackets.
_TOML_FAULTS = (ValueError, RecursionError)
# Requests per second; fewer are none.
_LEAST_RATE = 0.01
# Likeness of words from which one may be meant for the other, and from which it surely is.
_ALIKE, _MISSPELT = 0.4, 0.8
# Letters of a wrong value that are repeated.
_SHOWN = 100


class Section(BaseModel):
    """A section of the configuration: frozen, no unknown key, no silent conversion.

    Every number is finite and has bounds: beyond them it is a slip of the pen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class RunSettings(Section):
    """What the whole run shares.

    `survey` is the name of the survey that `source` is of; empty, it is recognised.
    `lake` is ``s3://BUCKET/PREFIX`` of datasets and models; empty, they are below the data root.
    `redshifts` is a table with redshifts of loose files; without it the files' own count.
    """

    source: str = "mock"
    survey: str = ""
    redshifts: str = ""
    workers: int = Field(1, ge=1, le=10_000)
    seed: int = Field(1, ge=0, le=MAX_SEED)
    ledger_url: str = ""
    lake: str = ""


class MockSettings(Section):
    """Size of the mock survey."""

    quasars: int = Field(1500, ge=1, le=10**7)
    pixels: int = Field(12, ge=1, le=N_PIXELS)
    seed: int = Field(1, ge=0, le=MAX_SEED)


class TargetSettings(Section):
    """The parent samples.

    `validation_fraction` and `test_fraction` are of sky pixels, so no object is on both sides; the
    others are of the spectra that may be drawn as negative controls. `quasarnet_threshold` is the
    confidence above which QuasarNet counts.
    """

    z_min: float = Field(0.05, ge=0, le=20)
    z_max: float = Field(6.8, gt=0, le=20)
    validation_fraction: float = Field(0.15, gt=0, lt=1)
    test_fraction: float = Field(0.10, ge=0, lt=1)
    quasarnet_threshold: float = Field(0.95, gt=0, lt=1)
    sky_fraction: float = Field(0.01, ge=0, le=1)
    standard_fraction: float = Field(0.02, ge=0, le=1)
    galaxy_fraction: float = Field(0.002, ge=0, le=1)
    star_fraction: float = Field(0.002, ge=0, le=1)

    @model_validator(mode="after")
    def _ranges_hold(self) -> "TargetSettings":
        if not self.z_min < self.z_max:
            raise ValueError("z_min must be smaller than z_max")
        if not self.validation_fraction + self.test_fraction < 1:
            raise ValueError("validation_fraction + test_fraction must leave something to train")
        return self


class AcquireSettings(Section):
    """Fetching from a remote source; none of it changes what is fetched.

    `mode` is whole HDUs, rows, or the cheaper one for each file; `gap` (bytes) overrides the
    planner's choice of how far apart two merged ranges may lie. Limits hold for each worker;
    `max_requests_per_second` is shared among them, and 0 is no limit. `max_raw_bytes` of a file's
    spectra are in memory at a time, or one HDU where that is larger; none are on disk.
    """

    mode: Literal["auto", "hdus", "rows"] = "auto"
    gap: int | None = Field(None, ge=0, le=2**40)
    concurrency: int = Field(16, ge=1, le=256)
    max_attempts: int = Field(6, ge=1, le=1000)
    backoff_s: float = Field(0.5, ge=0, le=3600)
    timeout_s: float = Field(30.0, ge=0.01, le=86_400)
    max_requests_per_second: float = Field(0.0, ge=0, le=1e6)
    max_raw_bytes: int = Field(2**27, ge=1, le=2**40)

    @model_validator(mode="after")
    def _rate_lets_something_through(self) -> "AcquireSettings":
        if 0 < self.max_requests_per_second < _LEAST_RATE:
            raise ValueError(f"max_requests_per_second must be 0 or at least {_LEAST_RATE}")
        return self


class ExtractSettings(Section):
    """Joining the arms: a pixel below the floor is bad, as in DESI's own coaddition."""

    ivar_floor: float = Field(1e-6, ge=0, le=1e3)


class PreprocessSettings(Section):
    """The rest-frame grid and what a window needs."""

    log10_step: float = Field(1e-4, ge=1e-5, le=5e-4)
    min_valid_fraction: float = Field(0.2, gt=0, le=1)
    r_v: float = Field(3.1, ge=2, le=6)


class TrainSettings(Section):
    """The members' networks and their optimisation.

    One member for each of `folds`; with several `seeds` as many sets of members, of which the
    first makes the scores and all together the range of an object's rank. A rest-frame pixel that
    fewer training spectra than `min_support` cover counts as not learnt, and is not scored.
    """

    folds: int = Field(4, ge=2, le=100)
    seeds: int = Field(2, ge=1, le=100)
    latent: int = Field(32, ge=1, le=1024)
    basis: int = Field(48, ge=1, le=1024)
    hidden: int = Field(128, ge=1, le=2**16)
    patch: int = Field(16, ge=16, le=1024, multiple_of=16)
    channels: int = Field(32, ge=1, le=1024)
    epochs: int = Field(120, ge=1, le=10**6)
    batch_size: int = Field(64, ge=1, le=10**6)
    learning_rate: float = Field(2e-3, ge=1e-8, le=1)
    beta: float = Field(1.0, ge=0, le=1e3)
    warmup_epochs: int = Field(20, ge=1, le=10**6)
    patience: int = Field(15, ge=1, le=10**6)
    model_error: float = Field(0.05, ge=0, lt=1)
    min_support: int = Field(20, ge=1, le=ALL_ROWS)
    device: str = "cpu"
    threads: int = Field(2, ge=1, le=1024)

    @model_validator(mode="after")
    def _latent_fits_basis(self) -> "TrainSettings":
        if self.latent > self.basis:
            raise ValueError("latent must not exceed basis")
        return self


class TrackingSettings(Section):
    """What is recorded of a training beside the model, below the data root.

    `mlflow` keeps settings, losses and recall. `country` (ISO 3166, three letters) has energy and
    carbon measured as well.
    """

    mlflow: bool = False
    country: str = Field("", pattern="^([A-Z]{3})?$")

    @model_validator(mode="after")
    def _energy_is_recorded(self) -> "TrackingSettings":
        if self.country and not self.mlflow:
            raise ValueError("country needs mlflow = true, which records the energy")
        return self


class ScoreSettings(Section):
    """Statistics of the residual and of the latent."""

    trees: int = Field(200, ge=1, le=10**5)
    min_valid_fraction: float = Field(0.1, gt=0, le=1)
    batch_size: int = Field(256, ge=1, le=10**6)


class CalibrateSettings(Section):
    """The conditional null."""

    neighbours: int = Field(200, ge=20, le=10**6)
    tail_fraction: float = Field(0.15, gt=0, lt=0.5)
    contamination: float = Field(0.05, ge=0, lt=0.5)

    @model_validator(mode="after")
    def _tail_holds_contamination(self) -> "CalibrateSettings":
        if not self.contamination < self.tail_fraction:
            raise ValueError("contamination must be smaller than tail_fraction")
        return self


class GradeSettings(Section):
    """The false-discovery levels of the tiers."""

    gold: float = Field(0.01, gt=0, lt=1)
    silver: float = Field(0.05, gt=0, lt=1)
    bronze: float = Field(0.10, gt=0, lt=1)

    @property
    def levels(self) -> dict[Tier, float]:
        """False-discovery level of every tier but the last."""
        return {Tier.GOLD: self.gold, Tier.SILVER: self.silver, Tier.BRONZE: self.bronze}

    @model_validator(mode="after")
    def _levels_rise(self) -> "GradeSettings":
        if not self.gold < self.silver < self.bronze:
            raise ValueError("false-discovery levels must rise: gold < silver < bronze")
        return self


class InjectSettings(Section):
    """Planted features: how many hosts, and the features' signal-to-noise ratios."""

    hosts: int = Field(400, ge=1, le=ALL_ROWS)
    strengths: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] = Field(
        (5.0, 10.0, 20.0, 40.0), min_length=1, strict=False, max_length=100
    )


class ClassifySettings(Section):
    """What tells one class from another.

    A quasar is ordinary where the score alone has a false-discovery level above `ordinary_level`.
    Phenomena are planted in `hosts` ordinary quasars; at most `normals` others stand for what is
    normal. `anomalous_share` is the prior probability that a spectrum is no ordinary quasar, shared
    evenly by the classes. A spectrum of a median SNR per pixel below `min_snr` has no signal. What
    has a p-value below `rival_p_value` is tried at up to `rivals` other redshifts; the anomaly has
    vanished where the p-value exceeds `vanish_p_value`. The map has `map_anchors` spectra laid out
    by themselves; clusters of at least `cluster_size` are sought among p-values below
    `cluster_p_value`, and again in `bootstraps` samples. `evidence` features are kept.
    """

    ordinary_level: float = Field(0.10, gt=0, lt=1)
    hosts: int = Field(300, ge=1, le=ALL_ROWS)
    normals: int = Field(20_000, ge=1, le=ALL_ROWS)
    anomalous_share: float = Field(0.1, gt=0, lt=1)
    min_snr: float = Field(0.3, ge=0, le=1e3)
    rivals: int = Field(5, ge=1, le=1000)
    rival_p_value: float = Field(0.05, ge=0, le=1)
    vanish_p_value: float = Field(0.2, gt=0, le=1)
    map_anchors: int = Field(5000, ge=1, le=10**6)
    cluster_p_value: float = Field(0.1, gt=0, le=1)
    cluster_size: int = Field(6, ge=2, le=10**6)
    bootstraps: int = Field(20, ge=1, le=10**4)
    evidence: int = Field(10, ge=1, le=1000)

    @model_validator(mode="after")
    def _vanishing_is_a_gain(self) -> "ClassifySettings":
        if not self.rival_p_value < self.vanish_p_value:
            raise ValueError("rival_p_value must be smaller than vanish_p_value")
        return self


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
    files: list[str] = []
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
    keep: list[str] = []
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

    catalogues: dict[str, CatalogueSettings] = {}
    ask: list[str] = []
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
    max_left: float = Field(0.5, gt=0, le=1)

    @model_validator(mode="after")
    def _index_has_files(self) -> "EarlierSettings":
        if self.index and not self.spectra:
            raise ValueError("spectra must name the place of the files that the index lists")
        return self


class ReconstructSettings(Section):
    """Which spectra are published."""

    reference_sample: int = Field(200, ge=0, le=ALL_ROWS)


class RankSettings(Section):
    """The queue of objects to be reviewed.

    `method` learns from the reviews: a Gaussian process (kernel), Astronomaly's neighbour score
    (neighbours) or weighted Isolation Forests (aad). The `candidates` of highest score are ranked.
    `audit_fraction` of every tier is drawn at random and gets that share of the reviews.
    """

    method: Literal["kernel", "neighbours", "aad"] = "kernel"
    length: int = Field(500, ge=1, le=ALL_ROWS)
    candidates: int = Field(20_000, ge=1, le=ALL_ROWS)
    audit_fraction: float = Field(0.08, ge=0.01, le=0.5)
    seed: int = Field(1, ge=0, le=MAX_SEED)


class ReleaseSettings(Section):
    """What a release may contain."""

    title: str = "DESI-QAD: anomalous quasars"
    accept_failed_shards: bool = False


class Config(Section):
    """The whole configuration; the resolved one is stored in the release's manifest."""

    run: RunSettings = RunSettings()
    mock: MockSettings = MockSettings()
    target: TargetSettings = TargetSettings()
    acquire: AcquireSettings = AcquireSettings()
    extract: ExtractSettings = ExtractSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    train: TrainSettings = TrainSettings()
    tracking: TrackingSettings = TrackingSettings()
    score: ScoreSettings = ScoreSettings()
    calibrate: CalibrateSettings = CalibrateSettings()
    grade: GradeSettings = GradeSettings()
    inject: InjectSettings = InjectSettings()
    earlier: EarlierSettings = EarlierSettings()
    classify: ClassifySettings = ClassifySettings()
    crossmatch: CrossmatchSettings = CrossmatchSettings()
    reconstruct: ReconstructSettings = ReconstructSettings()
    rank: RankSettings = RankSettings()
    release: ReleaseSettings = ReleaseSettings()

    @model_validator(mode="after")
    def _graded_is_not_ordinary(self) -> "Config":
        if self.grade.bronze > self.classify.ordinary_level:
            raise ValueError(
                f"grade.bronze {self.grade.bronze} exceeds classify.ordinary_level "
                f"{self.classify.ordinary_level}: what is graded would be ordinary; raise both"
            )
        return self


def load_config(
    path: Path | None = None, overrides: Iterable[str] = (), *, source: str | None = None
) -> Config:
    """Read, complete and check the configuration.

    Parameters
    ----------
    path : Path or None
        TOML file. Without it the mock survey gets ``configs/mock.toml``, anything else
        ``configs/survey.toml``.
    overrides : iterable of str
        ``section.key=value``, the value in TOML; a bare word is a string.
    source : str or None
        Overrides ``run.source``.

    Returns
    -------
    Config

    Raises
    ------
    UserError
        In one line: the file, the section, the key, what is wrong, the nearest valid key.
    """
    chosen = [_parse_override(text) for text in overrides]
    if source is not None:
        chosen.append(("run", "source", source))
    sources = [value for section, key, value in chosen if (section, key) == ("run", "source")]
    values, origin = _read(path, sources[-1] if sources else "mock")
    for section, key, value in chosen:
        if not isinstance(values.setdefault(section, {}), dict):
            raise UserError(f"{origin}: {section} must be a section, [{section}]")
        values[section][key] = value
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error, origin)) from None


def _read(path: Path | None, source: str) -> tuple[dict[str, Any], str]:
    if path is None:
        name = "mock.toml" if source == "mock" else "survey.toml"
        text = resources.files("pipeline").joinpath("configs", name).read_text()
        return tomllib.loads(text), f"configs/{name}"
    try:
        return tomllib.loads(path.read_text()), str(path)
    except OSError as error:
        raise UserError(f"configuration {path}: {error.strerror}; check --config") from None
    except _TOML_FAULTS as error:
        raise UserError(f"configuration {path} is not TOML: {first_line(error)}") from None


def _parse_override(text: str) -> tuple[str, str, Any]:
    name, equals, literal = text.partition("=")
    section, dot, key = name.partition(".")
    if not (equals and dot and section and key):
        shown = hide_passwords(text)
        raise UserError(f"--set {shown!r} is not of the form section.key=value")
    try:
        return section, key, tomllib.loads(f"value = {literal}")["value"]
    except _TOML_FAULTS:
        return section, key, literal


def _explain(error: ValidationError, origin: str) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    where = f"{origin}: section [{location[0]}]" if location else origin
    if len(location) > 1:
        where += f", key {'.'.join(location[1:])!r}"
    if first["type"] == "extra_forbidden":
        return f"{where} is unknown; {_suggest(location)}"
    if not location:
        return f"{where}: {first['msg']}"
    given = repr(first["input"])
    given = given if len(given) <= _SHOWN else f"{given[:_SHOWN]}..."
    return hide_passwords(f"{where}: {first['msg']}, got {given}")


def _suggest(location: list[str]) -> str:
    valid: Mapping[str, Any] = Config.model_fields
    if len(location) > 1:
        valid = type(getattr(Config(), location[0])).model_fields
        moved = [name for name in Config.model_fields if location[1] in _list_keys(name)]
        if len(location) == 2 and moved and not _find_near(location[1], valid, _MISSPELT):
            return f"did you mean {moved[0]}.{location[1]}?"
    if location[:2] == ["crossmatch", "catalogues"]:
        valid = CatalogueSettings.model_fields
    near = _find_near(location[-1], valid, _ALIKE)
    return f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(valid)}"


def _find_near(name: str, valid: Mapping[str, Any], likeness: float) -> list[str]:
    return difflib.get_close_matches(name, valid, n=1, cutoff=likeness)


def _list_keys(section: str) -> Mapping[str, Any]:
    return type(getattr(Config(), section)).model_fields
