"""The kinds of data that a run may be of, each with its path from a source to judged rows."""

from typing import TYPE_CHECKING

from pipeline.errors import UserError
from pipeline.spectra.data_path import PARENT_PATHS, SPECTRA
from pipeline.stage import DataPath

if TYPE_CHECKING:
    from pipeline.config import Config

PATHS: dict[str, DataPath] = {path.kind: path for path in PARENT_PATHS.values()}
# Settings that decide no byte of any dataset: where, how fast and by whom it is made. Where they
# name files, the files' contents decide.
NEUTRAL = (
    "run.kind",
    "run.source",
    "run.survey",
    "run.redshifts",
    "run.workers",
    "run.ledger_url",
    "run.lake",
    "mock",
    "acquire",
    "train.device",
    "train.threads",
    "train.memory_limit",
    "tracking",
    "earlier.index",
    "earlier.spectra",
    "crossmatch.catalogues",
    "crossmatch.ask",
    "crossmatch.batch_rows",
    "crossmatch.timeout_s",
    "crossmatch.max_attempts",
    "crossmatch.backoff_s",
    "crossmatch.seconds_between_requests",
    "crossmatch.threads",
    "crossmatch.memory_mb",
    "rank",
    "release",
)


def find_path(config: "Config") -> DataPath:
    """Return the data path of the kind of data that a run is of.

    Raises
    ------
    UserError
        If there is no such kind.
    """
    name, parents = config.run.kind, PARENT_PATHS
    if name == SPECTRA.kind:
        return parents[config.target.classes]
    if name not in PATHS:
        raise UserError(f"run.kind {name!r} is none of {', '.join(PATHS)}")
    path = PATHS[name]
    word = next((word for word, its in parents.items() if its is path), config.target.classes)
    if word != config.target.classes:
        raise UserError(f"run.kind {name!r} needs target.classes={word}")
    return path
