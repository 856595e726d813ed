"""The surveys of spectra that there are, by name, and which one a run reads."""

from catalog_schema.grids import Sampling
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.store import Store
from pipeline.settings.run import RunSettings
from pipeline.spectra.desi.survey import DesiSurvey
from pipeline.spectra.desi.tree import LAYOUTS
from pipeline.spectra.lamost.survey import LamostSurvey
from pipeline.spectra.loose.files import LooseFiles
from pipeline.spectra.sdss.survey import SdssSurvey
from pipeline.spectra.single_files import SingleFiles
from pipeline.spectra.survey import Survey
from pipeline.transport.sources import share_limits

# By the name under which a survey is asked for. Of those that recognise a source the first counts.
SURVEYS: dict[str, type[Survey] | type[LooseFiles]] = {
    "desi": DesiSurvey,
    "mock": DesiSurvey,
    "loose": LooseFiles,
    # By name alone: their files may lie beside loose ones, and earlier spectra are SDSS's.
    "sdss": SdssSurvey,
    "lamost": LamostSurvey,
    **dict.fromkeys(LAYOUTS, DesiSurvey),
}


def recognise_survey(settings: RunSettings) -> type[Survey] | type[LooseFiles]:
    """Return the survey that a source is of: the named one, or the first that recognises it.

    Raises
    ------
    UserError
        If no survey has that name, or redshifts are handed over to one that has its own.
    """
    name = settings.survey
    if name and name not in SURVEYS:
        raise UserError(f"run.survey {name!r} is none of {', '.join(sorted(SURVEYS))}")
    if not name:
        return next(survey for survey in SURVEYS.values() if survey.recognise(settings.source))
    survey = SURVEYS[name]
    if settings.redshifts and issubclass(survey, SingleFiles):
        raise UserError(f"redshifts are for loose files; {name} has its own: leave --redshifts out")
    return survey


def find_survey(store: Store, config: Config, workers: int = 1) -> Survey:
    """Return the survey that a run reads.

    Parameters
    ----------
    store : Store
    config : Config
    workers : int
        Among how many the limit of requests is shared.

    Raises
    ------
    UserError
        If there is none at ``run.source``.
    """
    acquire = share_limits(config.acquire, workers)
    shared = config.model_copy(update={"acquire": acquire})
    return recognise_survey(config.run).open(store, shared)


def find_sampling(config: Config) -> Sampling:
    """Return the grid and the arms of the survey that a run reads."""
    return recognise_survey(config.run).sampling
