"""The data path from its first stage to the last, run or inspected without running."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import QadError
from pipeline.flow.kinds import find_path
from pipeline.flow.report import Report
from pipeline.flow.root import Root, save_config
from pipeline.flow.runner import Piece, find_done, list_pieces, run_stage
from pipeline.lake.files import exists
from pipeline.numerics import limit_threads
from pipeline.run import Run
from pipeline.spectra.data_path import PARENT_PATHS
from pipeline.spectra.mock.source import make_mock
from pipeline.spectra.surveys import recognise_survey
from pipeline.stage import Stage
from pipeline.workers import sharing_ray


@dataclass(frozen=True)
class DatasetState:
    """How much of a dataset is there: files done, of other input or settings, missing, damaged."""

    stage: str
    dataset: str
    done: int
    stale: int
    missing: int
    damaged: int = 0


@sharing_ray()
@limit_threads()
def run_stages(
    root: Root, config: Config, tell: Callable[[str, Report], None], last: str | None = None
) -> list[Report]:
    """Run the stages in order, up to `last` or to the end.

    Parameters
    ----------
    root : Root
        Its lock must be held.
    config : Config
    tell : callable
        Told each stage's name and report as it ends.
    last : str, optional
        Name of the last stage to run.

    Raises
    ------
    UserError
        If the call, the source or the data root is wrong. A bad shard is in its report.
    """
    recognise_survey(config.run)
    path = find_path(config)
    save_config(root, config)
    if config.run.source == "mock" and path in PARENT_PATHS.values():
        make_mock(root, config)
    reports = []
    with root.ledger.closing():
        run = start_run(root, config)
        for stage in run.path.stages:
            report = run_stage(run, stage)
            tell(stage.name, report)
            reports.append(report)
            if stage.name == last:
                break
    return reports


def start_run(root: Root, config: Config) -> Run:
    """Return a pass over the data path of a root."""
    return Run(root, root.ledger, config, find_path(config))


def inspect_datasets(
    root: Root, config: Config, damaged: Collection[Path] = ()
) -> Iterator[DatasetState]:
    """Compare what is in the lake with what the settings and the source ask for.

    Nothing is done of a stage while something that it needs is not: what that will be is not known.

    Parameters
    ----------
    root : Root
    config : Config
    damaged : collection of Path
        Files that are known not to hold what was written.
    """
    run = start_run(root, config)
    unsettled: set[str] = set()
    for stage in run.path.stages:
        states = _count_states(run, stage, damaged)
        if not unsettled.isdisjoint(stage.needs):
            states["stale"] += states.pop("done", 0)
            states["missing"] = states["missing"] or not states.total()
        if states["stale"] or states["missing"]:
            unsettled |= {dataset.name for dataset in stage.makes}
        counts = (states[word] for word in ("done", "stale", "missing", "damaged"))
        yield DatasetState(stage.name, stage.dataset.name, *counts)


def _count_states(run: Run, stage: Stage, damaged: Collection[Path]) -> Counter[str]:
    """Count the files of a stage by what they are; one is missing where nobody can say which."""
    try:
        pieces = list(list_pieces(run, stage))
    except QadError:
        return Counter(missing=1)
    return Counter(
        "damaged" if path in damaged else _look_up(run, piece, path)
        for piece in pieces
        for path in piece.paths
    )


def _look_up(run: Run, piece: Piece, path: Path) -> str:
    if find_done(run.store, Piece(piece.task, (path,), piece.fingerprint)) is not None:
        return "done"
    return "stale" if exists(path) else "missing"
