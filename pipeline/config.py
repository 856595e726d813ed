"""Configuration of a run: one TOML file, one section per stage, read, completed and checked."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from pipeline.errors import UserError, first_line, hide_passwords
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings
from pipeline.settings.judge import (
    CalibrateSettings,
    ClassifySettings,
    GradeSettings,
    InjectSettings,
    RankSettings,
)
from pipeline.settings.model import ScoreSettings, TrackingSettings, TrainSettings
from pipeline.settings.release import ReleaseSettings
from pipeline.settings.run import RunSettings
from pipeline.settings.section import Section
from pipeline.settings.spectra import (
    EarlierSettings,
    ExtractSettings,
    MockSettings,
    PreprocessSettings,
    ReconstructSettings,
    TargetSettings,
)
from pipeline.settings.transport import AcquireSettings

# No TOML, no text, or a number of thousands of digits; brackets in thousands of brackets.
_TOML_FAULTS = (ValueError, RecursionError)
# Likeness of words from which one may be meant for the other, and from which it surely is.
_ALIKE, _MISSPELT = 0.4, 0.8
# Letters of a wrong name or value that are repeated.
_SHOWN = 100


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
        values = tomllib.loads(f"value = {literal}")
    except _TOML_FAULTS:
        return section, key, literal
    # Of several lines the others would be lost without a word.
    return section, key, literal if len(values) > 1 else values["value"]


def _explain(error: ValidationError, origin: str) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    shown = [_show(part) for part in location]
    where = f"{origin}: section [{shown[0]}]" if location else origin
    if len(location) > 1:
        where += f", key {'.'.join(shown[1:])!r}"
    if first["type"] == "extra_forbidden":
        return f"{where} is unknown; {_suggest(location)}"
    if not location:
        return f"{where}: {first['msg']}"
    return hide_passwords(f"{where}: {first['msg']}, got {_show(repr(first['input']))}")


def _show(text: str) -> str:
    """Return what somebody wrote, short and printable."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[: _SHOWN + 1])
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."


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
